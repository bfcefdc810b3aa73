//! `cargo xtask bench a2a`: the A2A server beside a bare one.
//!
//! The program that does it is a package of its own, because it is built on the crate that it measures.

use anyhow::Result;

use crate::process::Run;
use crate::workspace::metadata;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Measure a build without optimisation
    #[arg(long)]
    debug: bool,
    /// What the program takes; see `cargo xtask bench a2a --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let (profile, folder) = match options.debug {
        true => ("dev", "debug"),
        false => ("release", "release"),
    };
    Run::new("cargo build --quiet --bin molecule-a2a-bench --profile")
        .arg(profile)
        .show()?;
    let target = metadata()?.target_directory.into_std_path_buf();
    let program = target.join(folder).join("molecule-a2a-bench");
    let run = Run::new("").arg(program.display().to_string());
    let with = |run: Run, argument: &String| run.arg(argument);
    options.arguments.iter().fold(run, with).show()
}
