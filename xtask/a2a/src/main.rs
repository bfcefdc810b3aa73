//! Measures the A2A server: how many messages it answers beside a bare axum, what open streams cost, and whether slow clients are
//! felt by others.
//!
//! The servers are this program once more, each a process of its own. `cargo xtask bench a2a` builds and starts it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore reports to the terminal it was started from"
)]

mod client;
mod load;
mod process;
mod servers;
mod slow;
mod statistics;
mod streams;
mod throughput;
mod time;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use crate::servers::Kind;

/// Measure the A2A server
#[derive(Parser)]
#[command(name = "a2a", bin_name = "cargo xtask bench a2a")]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Args)]
struct Options {
    /// How long each server is under load in a round
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    seconds: f64,
    /// How often the servers take turns
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// How many streams are opened
    #[arg(long, default_value_t = 2000, value_name = "N")]
    streams: usize,
}

#[derive(Subcommand)]
enum Role {
    /// A server; started by the program itself
    #[command(hide = true)]
    Serve { kind: Kind },
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
    let Options {
        seconds,
        rounds,
        streams,
    } = cli.options;
    let seconds = Duration::from_secs_f64(seconds);
    match cli.role {
        Some(Role::Serve { kind }) => servers::run(kind).await,
        None => {
            process::allow_many_files().context("cannot raise the limit of open files")?;
            throughput::measure(seconds, rounds).await?;
            streams::measure(streams).await?;
            slow::measure(seconds, rounds).await?;
            println!(
                "\nTargets are of a quiet machine and a release build; whether they are met is for the reader to judge."
            );
            Ok(())
        }
    }
}
