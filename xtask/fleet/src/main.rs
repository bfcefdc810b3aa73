//! Measures many agents in one process: whether they stay online under a rate limit, how punctual their heartbeats are, how
//! long messages wait, and how much memory it takes.
//!
//! Three processes take part. The platform is `molecule-agent dev`; the agents are this program a second time, so that its
//! memory is theirs alone; the first one creates workspaces, sends messages and watches, from other addresses than the agents',
//! because the platform counts requests by address. `cargo xtask bench fleet` builds and starts it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore reports to the terminal it was started from"
)]

mod agents;
mod http;
mod measure;
mod memory;
mod platform;
mod statistics;
mod stopwatch;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measure many agents in one process
#[derive(Parser)]
#[command(name = "fleet", bin_name = "cargo xtask bench fleet")]
struct Cli {
    #[command(flatten)]
    options: measure::Options,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// The agents; started by the program itself
    #[command(hide = true)]
    Agents(agents::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    match cli.role {
        Some(Role::Agents(options)) => agents::run(options).await,
        None => measure::run(&cli.options).await,
    }
}
