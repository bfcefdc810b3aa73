//! `cargo xtask bench fleet`: many agents in one process.
//!
//! The program that does it is a package of its own, because it is built on the crates that it measures.

use anyhow::Result;

use crate::process::Run;
use crate::workspace::metadata;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Measure a build without optimisation
    #[arg(long)]
    debug: bool,
    /// What the program takes; see `cargo xtask bench fleet --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let build = "cargo build --quiet --bin molecule-agent --bin molecule-fleet-bench";
    let (profile, folder) = match options.debug {
        true => ("dev", "debug"),
        false => ("release", "release"),
    };
    Run::new(build).arg("--profile").arg(profile).show()?;
    let target = metadata()?.target_directory.into_std_path_buf();
    let program = target.join(folder).join("molecule-fleet-bench");
    let run = Run::new("").arg(program.display().to_string());
    let with = |run: Run, argument: &String| run.arg(argument);
    options.arguments.iter().fold(run, with).show()
}
