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
            self.raw(&escaped(&serde_json::to_string(value)?))
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

    /// Prints bytes on stdout as they are.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(stdout_error)
    }

    /// Prints data on stderr, because stdout is taken by bytes that were asked for; `quiet` drops the text for people.
    ///
    /// # Errors
    /// When the data is no JSON.
    pub(crate) fn aside(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            warn(&escaped(&serde_json::to_string(value)?));
        } else {
            self.note(&text());
        }
        Ok(())
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
            return warn(&escaped(&json!({ "error": error }).to_string()));
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

/// Keeps line breaks and tabs, and replaces what else could steer a terminal or a reader's eye.
fn clean(text: &str) -> String {
    let replaced = |c| match c {
        '\n' | '\t' => c,
        c if steers(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(replaced).collect()
}

/// The same JSON, in which what could steer is written as `\u....`. In JSON such characters are nowhere but in texts.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Control characters; and what has no shape of its own but turns the direction of text, breaks lines or hides. Joiners
/// (U+200C, U+200D) stay, because scripts and emoji are written with them.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
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

    #[test]
    fn text_cannot_turn_or_hide_what_is_beside_it() {
        for c in [
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{200b}',
            '\u{2028}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert_eq!(
                clean(&format!("a{c}b")),
                "a\u{fffd}b",
                "{}",
                c.escape_unicode()
            );
        }
        let joined = "\u{1f469}\u{200d}\u{1f4bb} \u{0646}\u{200c}\u{0647}\u{e9}";
        assert_eq!(
            (clean(joined), escaped(joined)),
            (joined.to_owned(), joined.to_owned())
        );
    }

    #[test]
    fn json_means_the_same_when_it_is_escaped() {
        let value = json!({"a": "\u{202e}\u{e0041}\u{7f}\n\u{e9}"});
        let text = escaped(&value.to_string());
        assert_eq!(text, "{\"a\":\"\\u202e\\udb40\\udc41\\u007f\\n\u{e9}\"}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
