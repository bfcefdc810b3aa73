//! The program's log, on stderr.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object to a line.
    Json,
}

/// Starts the log. Each `-v` shows more, `-q` shows errors alone.
pub(crate) fn start(format: LogFormat, verbose: u8, quiet: bool) {
    let filter = EnvFilter::new(level(verbose, quiet));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// The libraries below log their own business from the third `-v` on.
const fn level(verbose: u8, quiet: bool) -> &'static str {
    match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,molecule_agent=info,molecule_transport=info,molecule_emulator=info",
        (false, 2) => "info,molecule_agent=debug,molecule_transport=debug,molecule_emulator=debug",
        (false, _) => "debug,molecule_agent=trace,molecule_transport=trace,molecule_emulator=trace",
    }
}
