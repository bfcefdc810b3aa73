//! The binary `molecule-agent`: a remote agent of a Molecule AI platform on the command line.

#[cfg(not(unix))]
compile_error!(
    "molecule-agent needs Unix processes, signals and file modes; on Windows, build and run it inside WSL"
);

mod admin;
mod agent;
mod agent_lock;
mod args;
mod commands;
mod config_file;
mod duration;
mod env;
mod exit;
mod handlers;
mod listen_address;
mod logging;
mod members;
mod open_files;
mod options;
mod output;
mod runtime;
mod signals;

use std::process::ExitCode;

use crate::exit::Exit;
use crate::output::{Output, ReaderGone};

/// The first descriptor after stdin, stdout and stderr.
const FIRST_HANDED_OVER: i32 = 3;

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
    match commands::run(&invocation.cli.command, &invocation.settings, &io) {
        Ok(exit) => exit.into(),
        Err(error) if error.is::<ReaderGone>() => Exit::Done.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            io.failure(&error, exit);
            exit.into()
        }
    }
}
