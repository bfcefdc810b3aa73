//! `cargo xtask bench`: measurements of promises about speed. None is part of `cargo xtask ci`, because a busy machine would fail it.

mod archives;
mod plugin;
mod statistics;

use anyhow::Result;
use clap::Subcommand;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Option<Bench>,
}

#[derive(Subcommand)]
enum Bench {
    /// Installing a plugin: ours against GNU tar, which only extracts, and against CPython's tarfile and hashlib
    Plugin(plugin::Options),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.bench {
        Some(Bench::Plugin(options)) => plugin::run(options),
        None => {
            println!("plugin    installing a plugin, against GNU tar and CPython");
            println!("\nRun one with `cargo xtask bench NAME`.");
            Ok(())
        }
    }
}
