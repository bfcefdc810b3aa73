//! `completions`: a script for the user's shell.

use clap::Args;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::options;
use crate::output::Output;

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, io: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    let mut command = options::documented_command();
    clap_complete::generate(args.shell, &mut command, "molecule-agent", &mut script);
    io.raw(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}
