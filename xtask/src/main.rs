//! The project's own chores: `cargo xtask ci` is what must pass before a change goes in, and each of its steps is a
//! command of its own.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore reports to the terminal it was started from"
)]

mod audit;
mod bench;
mod boundaries;
mod ci;
mod contract;
mod features;
mod fuzz;
mod interop;
mod package;
mod process;
mod rust;
mod soak;
mod steps;
mod vectors;
mod walk_through;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::steps::Step;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every step that a change has to pass, in order
    Ci(ci::Options),
    /// Check the formatting
    Fmt,
    /// Prove which crate may use what, and the other absences ARCHITECTURE.md promises
    Boundaries,
    /// Lint the workspace with default features, warnings denied
    Clippy,
    /// Lint each crate by itself, without default features and with each feature alone
    Features,
    /// Run the tests
    Test,
    /// Build the documentation, warnings denied
    Doc,
    /// Recompute the oracle vectors with their Python scripts
    Vectors {
        /// Only compare with the files that are there
        #[arg(long)]
        check: bool,
    },
    /// Hold a running platform against the wire contract; without one, the local platform
    #[command(disable_help_flag = true)]
    Contract {
        /// What the program takes; see `cargo xtask contract --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Let agents live through a simulated day of faults and crashes
    Soak {
        /// What fixes the schedule and the faults, to repeat a run that failed
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Do by machine what the README says to do by hand in three terminals
    WalkThrough,
    /// Check the dependencies' licences, sources and bans with cargo-deny
    Deny,
    /// Print what a security reviewer wants to know first: sizes, dependencies, their unsafe code and build scripts
    Audit,
    /// Measure what is promised about speed; without a name, list what can be measured
    Bench(bench::Options),
    /// Run the fuzz targets for a while each; needs a nightly toolchain and cargo-fuzz
    Fuzz(fuzz::Options),
    /// The official A2A SDKs against this project, both ways round; needs Python, Node and their package registries
    Interop(interop::Options),
    /// Build every crate from its packaged tarball
    Package,
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Ci(options) => ci::run(&options),
        Chore::Fmt => Step::Fmt.run(),
        Chore::Boundaries => Step::Boundaries.run(),
        Chore::Clippy => Step::Clippy.run(),
        Chore::Features => Step::Features.run(),
        Chore::Test => Step::Test.run(),
        Chore::Doc => Step::Doc.run(),
        Chore::Vectors { check: true } => Step::Vectors.run(),
        Chore::Vectors { check: false } => vectors::write(),
        Chore::Contract { arguments } => contract::run(&arguments),
        Chore::Soak { seed } => soak::run(seed),
        Chore::WalkThrough => Step::WalkThrough.run(),
        Chore::Deny => Step::Deny.run(),
        Chore::Audit => audit::print(),
        Chore::Bench(options) => bench::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Interop(options) => interop::run(&options),
        Chore::Package => package::build(),
    }
}
