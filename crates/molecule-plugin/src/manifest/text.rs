//! Rules for the text as a whole, before it is YAML.

use crate::{Manifest, ManifestError};

/// The text, if every reader of YAML splits it into the same lines.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, ManifestError> {
    if u64::try_from(bytes.len()).map_or(true, |length| length > Manifest::MAX_BYTES) {
        let reason = format!("it has more than {} bytes", Manifest::MAX_BYTES);
        return Err(ManifestError::new(1, 1, reason));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        error_at_end_of(&valid, "it is not UTF-8 here; save it as UTF-8")
    })?;
    for (at, char) in text.char_indices() {
        if let Some(reason) = objection(text, at, char) {
            return Err(error_at_end_of(&text[..at], reason));
        }
    }
    Ok(text)
}

/// A place in a text, moved on by characters. YAML events count those, and a text is sliced by bytes.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    index: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            index: 0,
        }
    }

    /// What comes after this many characters of the text. Events are in its order, so that it never has to go back.
    pub(super) fn at(&mut self, index: usize) -> &'a str {
        let mut chars = self.rest.chars();
        for _ in self.index..index {
            chars.next();
        }
        self.rest = chars.as_str();
        self.index = self.index.max(index);
        self.rest
    }
}

fn objection(text: &str, at: usize, char: char) -> Option<&'static str> {
    match char {
        '\n' => None,
        '\t' => Some("a tab, which only some readers take for blank space; use spaces"),
        '\r' if text[at..].starts_with("\r\n") => None,
        '\r' => Some("a carriage return without a line feed; save it with Unix line ends"),
        '\u{feff}' => Some("a byte order mark; save it as UTF-8 without one"),
        '\u{85}' | '\u{2028}' | '\u{2029}' => {
            Some("a character that only some readers take for the end of a line; remove it")
        }
        '\u{fffe}' | '\u{ffff}' => Some("a character that YAML does not allow; remove it"),
        _ if char.is_control() => Some("a control character; remove it"),
        '%' if is_line_start(text, at) => Some("a directive; remove the line"),
        '.' if is_line_start(text, at) && text[at..].starts_with("...") => {
            Some("the end of a document; remove the line")
        }
        _ => None,
    }
}

fn is_line_start(text: &str, at: usize) -> bool {
    at == 0 || text[..at].ends_with('\n')
}

fn error_at_end_of(text: &str, reason: &str) -> ManifestError {
    let last_line = text.rsplit('\n').next().unwrap_or(text);
    ManifestError::new(
        text.matches('\n').count() + 1,
        last_line.chars().count() + 1,
        reason,
    )
}
