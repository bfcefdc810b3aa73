//! The binary `molecule-agent`: a remote agent of a Molecule AI platform on the command line.

#[cfg(not(unix))]
compile_error!(
    "molecule-agent needs Unix processes, signals and file modes; on Windows, build and run it inside WSL"
);

mod agent;
mod agent_lock;
mod args;
mod commands;
mod config_file;
mod duration;
mod env;
mod exit;
mod handlers;
mod logging;
mod options;
mod output;
mod secret_env;
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use crate::exit::Exit;
use crate::options::Invocation;
use crate::output::{Output, ReaderGone};

/// The first descriptor after stdin, stdout and stderr.
const FIRST_HANDED_OVER: i32 = 3;

/// How long a task may take to be dropped.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // A descriptor that the caller opened may hold a token. Nothing that this program starts may inherit it, and it has
    // started nothing yet.
    close_fds::set_fds_cloexec(FIRST_HANDED_OVER, &[]);
    let invocation = match options::parse(std::env::args_os().collect()) {
        Ok(invocation) => invocation,
        Err(refusal) => return refusal.report(),
    };
    let global = &invocation.cli.global;
    logging::start(global.log_format, global.verbose, global.quiet);
    let io = Output::new(global.is_json(), global.quiet);
    match run(&invocation, &io) {
        Ok(exit) => exit.into(),
        Err(error) if error.is::<ReaderGone>() => Exit::Done.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            io.failure(&error, exit);
            exit.into()
        }
    }
}

/// Runs the command. Tasks that are still under way when it ends are dropped before the program ends, because a task may
/// own a child process, which must not outlive it.
fn run(invocation: &Invocation, io: &Output) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(commands::run(
        &invocation.cli.command,
        &invocation.settings,
        io,
    ));
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    result
}
