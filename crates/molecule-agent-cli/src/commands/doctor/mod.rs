//! `doctor`: what keeps an agent from working, and what to do about it.

mod disk;
mod network;
mod platform;
mod report;

use clap::Args;

use crate::args::AgentArgs;
use crate::exit::Exit;
use crate::output::Output;

use report::Report;

/// Options of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "It changes nothing, but that others lose access to the agent's directory, as with every command. Exit codes: 0 nothing keeps \
                  the agent from working, though there may be warnings; 1 something does."
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    agent: AgentArgs,
}

/// Checks one thing after the other, and says of each how it is.
///
/// # Errors
/// When something keeps the agent from working, or stdout cannot be written to.
pub(crate) async fn run(args: &DoctorArgs, io: &Output) -> anyhow::Result<Exit> {
    let agent = &args.agent;
    let mut report = Report::new(io);
    let answers = network::check(&agent.platform, &mut report).await?;
    platform::check(agent, answers, &mut report).await?;
    disk::check(&agent.identity.place, &mut report)?;
    report.end()
}
