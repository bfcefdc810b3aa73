//! `cargo xtask bench`: measurements of promises about speed. None is part of `cargo xtask ci`, because a busy machine would fail it.

mod a2a;
mod archives;
mod fleet;
mod latency;
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
    /// Messages: from the platform to the handler, with events and without
    Latency(latency::Options),
    /// Many agents in one process: online, punctual, and in how much memory
    Fleet(fleet::Options),
    /// The A2A server: answers a second beside a bare axum, open streams, slow clients
    A2a(a2a::Options),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.bench {
        Some(Bench::Plugin(options)) => plugin::run(options),
        Some(Bench::Latency(options)) => latency::run(options),
        Some(Bench::Fleet(options)) => fleet::run(options),
        Some(Bench::A2a(options)) => a2a::run(options),
        None => {
            println!("plugin    installing a plugin, against GNU tar and CPython");
            println!("latency   messages on their way from the platform to the handler");
            println!(
                "fleet     many agents in one process: online, punctual, and in how much memory"
            );
            println!(
                "a2a       the A2A server beside a bare one, with many streams and slow clients"
            );
            println!("\nRun one with `cargo xtask bench NAME`.");
            Ok(())
        }
    }
}
