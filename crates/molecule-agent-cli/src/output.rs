//! The one place that prints: data on stdout, everything else on stderr.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use serde_json::json;

use crate::exit::Exit;

/// Where and how the program prints. Text of a platform is cleaned of control characters, so that a message cannot
/// steer the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// Data as JSON, or as text for people; `quiet` drops the notes on stderr.
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether data is printed as JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches: then progress may be shown, on stderr.
    pub(crate) fn is_watched(&self) -> bool {
        let is_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        is_terminal && !self.json && !self.quiet
    }

    /// Prints one piece of data on stdout: as one line of JSON, or as text.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(crate) fn data(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            self.raw(&serde_json::to_string(value)?)
        } else {
            self.raw(&clean(&text()))
        }
    }

    /// Prints text on stdout as it is, with a line break. For what must not be changed, such as the value of a secret.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(crate) fn raw(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .map_err(stdout_error)
    }

    /// Tells the user something on stderr, unless they asked for quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            warn(&clean(text));
        }
    }

    /// Prints an error with its causes on stderr: as text, or as JSON where data is JSON.
    pub(crate) fn failure(&self, error: &anyhow::Error, exit: Exit) {
        let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
        if self.json {
            let (kind, code) = (exit.kind(), exit.code());
            let error = json!({"kind": kind, "exit_code": code, "message": error.to_string(), "causes": causes});
            return warn(&json!({ "error": error }).to_string());
        }
        let word = if exit == Exit::Done { "note" } else { "error" };
        warn(&clean(&format!("{word}: {error}")));
        for cause in causes {
            warn(&clean(&format!("  caused by: {cause}")));
        }
    }
}

/// A reader that went away is no reason to fail: there is nobody left to tell.
fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Keeps line breaks and tabs, and replaces what else could steer a terminal.
fn clean(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| {
            if harmless(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// The reader of stdout went away, as in `molecule-agent inbox | head -1`: a reason to end, but no failure.
#[derive(Debug)]
pub(crate) struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for ReaderGone {}

fn stdout_error(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ReaderGone.into(),
        _ => anyhow::Error::new(error).context("cannot write to stdout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(
            clean("a\u{1b}[31mb\r\n\tc\u{9b}d"),
            "a\u{fffd}[31mb\u{fffd}\n\tc\u{fffd}d"
        );
    }
}
