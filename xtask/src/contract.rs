//! `cargo xtask contract`: a platform against the recorded answers of a real one.
//!
//! The program that does it is a package of its own, built when it is asked for: the chores are compiled before anything
//! else, and have to work also while the crates do not compile.

use std::env;

use anyhow::Result;

use crate::process::Run;

/// Runs the cases; fails if an answer differs.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    Run::new("cargo build --quiet --bin molecule-agent --bin molecule-contract").show()?;
    let program = env::current_exe()?.with_file_name("molecule-contract");
    let run = Run::new("").arg(program.display().to_string());
    let with = |run: Run, argument: &String| run.arg(argument);
    arguments.iter().fold(run, with).show()
}
