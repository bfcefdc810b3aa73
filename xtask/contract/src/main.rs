//! Holds a platform against the wire contract: sends the recorded requests of a real platform to it and compares the
//! answers. The recordings and their comparison are those of `molecule_protocol::transcripts`.
//!
//! This is a package of its own, which `cargo xtask contract` builds and starts: the chores must run, and build fast,
//! whatever state the crates are in.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore reports to the terminal it was started from"
)]

mod agent;
mod case;
mod clock;
mod generation_b;
mod http;
mod obstacle;
mod platform;
mod plugins;
mod redact;
mod repeated;
mod replay;
mod stream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use molecule_protocol::transcripts::{self, Transcript};

use crate::case::Report;
use crate::platform::{Generation, Platform};
use crate::replay::{Options, replay};

/// Hold a running platform against the wire contract
///
/// Without --against the local platform of `molecule-agent dev` is started for each recording and generation, in every mode that
/// the recordings were made in.
///
/// On somebody's platform only workspaces that the run itself creates are touched, and they are deleted at the end; what
/// concerns all workspaces (global secrets, tokens of the organisation) is left out. The platform must be on this machine
/// to reach the agents that listen here, and its administrator's token is needed to make workspaces.
#[derive(Parser)]
#[command(name = "contract", bin_name = "cargo xtask contract")]
struct Cli {
    /// The platform's address, such as http://127.0.0.1:8080; over https it is not asked
    #[arg(long, value_name = "URL", requires = "admin_token_file")]
    against: Option<String>,
    /// A file with the administrator's token of that platform
    #[arg(long, value_name = "FILE", requires = "against")]
    admin_token_file: Option<PathBuf>,
    /// Which of the two known servers it is
    #[arg(long, value_name = "GENERATION", default_value = "auto")]
    generation: Wanted,
    /// Run the cases that take seconds, too
    #[arg(long)]
    slow: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Without poll mode
    A,
    /// With poll mode and cursors
    B,
    /// As the platform answers a probe; both for the local platform
    Auto,
}

impl Wanted {
    /// Those that a local platform is started as.
    fn all(self) -> Vec<Generation> {
        match self {
            Self::A => vec![Generation::A],
            Self::B => vec![Generation::B],
            Self::Auto => vec![Generation::A, Generation::B],
        }
    }

    fn of(self, platform: &Platform) -> Result<Generation> {
        match self {
            Self::A => Ok(Generation::A),
            Self::B => Ok(Generation::B),
            Self::Auto => platform.generation(),
        }
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The number of differences.
fn run(cli: &Cli) -> Result<usize> {
    let stop = stop_on_interrupt()?;
    let options = |generation| Options {
        generation,
        slow: cli.slow,
        stop: &stop,
    };
    if let (Some(url), Some(file)) = (&cli.against, &cli.admin_token_file) {
        let mut platform = Platform::at(url, file)?;
        let generation = cli.generation.of(&platform)?;
        return against(&mut platform, &options(generation));
    }
    let program = std::env::current_exe()?.with_file_name("molecule-agent");
    let generations = cli.generation.all().into_iter().map(options);
    generations
        .map(|options| against_own(&program, &options))
        .sum()
}

fn against(platform: &mut Platform, options: &Options<'_>) -> Result<usize> {
    let mut report = Report::default();
    for transcript in cases(options.generation)? {
        report.0.extend(replay(platform, options, &transcript)?);
    }
    Ok(print(options.generation, &report))
}

/// Each recording begins on an empty platform, which is started anew where the recording takes another mode.
fn against_own(program: &Path, options: &Options<'_>) -> Result<usize> {
    let mut report = Report::default();
    for transcript in cases(options.generation)? {
        let mut platform = Platform::start(program, options.generation)?;
        report
            .0
            .extend(replay(&mut platform, options, &transcript)?);
    }
    Ok(print(options.generation, &report))
}

/// The recordings as a platform of this generation answers them.
fn cases(generation: Generation) -> Result<Vec<Transcript>> {
    match generation {
        Generation::A => Ok(transcripts::all()),
        Generation::B => generation_b::cases(),
    }
}

fn print(generation: Generation, report: &Report) -> usize {
    println!("generation {generation:?}\n\n{report}");
    report.differences()
}

/// An interrupted run still deletes what it made.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot wait for an interrupt")?;
    let flag = Arc::clone(&stop);
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            eprintln!("stopping: deleting what was made");
            flag.store(true, Ordering::Relaxed);
        }
    });
    Ok(stop)
}
