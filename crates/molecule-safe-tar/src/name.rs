//! The name of an entry, for people to read.

use std::fmt::{self, Write};
use std::sync::Arc;

use crate::unicode;

/// The most characters of an [`EntryName`], not counting the note that it was shortened.
const SHOWN: usize = 160;

/// The name of an entry as the archive spells it, escaped: safe to print, whatever it holds.
///
/// Printable ASCII, letters and digits stand as they are. All else is escaped: controls, quotes' and terminals' tricks,
/// changes of direction, what is invisible, and bytes that are no UTF-8.
///
/// ```
/// use molecule_safe_tar::EntryName;
///
/// assert_eq!(EntryName::new("rules/größe.md".as_bytes()).to_string(), "rules/größe.md");
/// assert_eq!(EntryName::new(b"a\n\x1b[31m").to_string(), r"a\n\u{1b}[31m");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryName(
    // Every check of an entry has a copy at hand for its refusal.
    Arc<str>,
);

impl EntryName {
    /// Escapes a name. Long ones are shortened.
    #[must_use]
    pub fn new(raw: &[u8]) -> Self {
        let mut shown = String::with_capacity(raw.len().min(2 * SHOWN));
        for chunk in raw.utf8_chunks() {
            for c in chunk.valid().chars() {
                if shown.len() >= SHOWN {
                    return Self::shortened(shown, raw.len());
                }
                push(&mut shown, c);
            }
            if shown.len() >= SHOWN && !chunk.invalid().is_empty() {
                return Self::shortened(shown, raw.len());
            }
            shown.push_str(&chunk.invalid().escape_ascii().to_string());
        }
        Self(shown.into())
    }

    /// The escaped name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn shortened(mut shown: String, bytes: usize) -> Self {
        // A String takes whatever is written.
        let _ = write!(shown, "... ({bytes} bytes)");
        Self(shown.into())
    }
}

/// Appends a character, or how it is written when it does not speak for itself.
fn push(shown: &mut String, c: char) {
    match c {
        ' '..='[' | ']'..='~' => shown.push(c),
        _ if unicode::is_plain_letter(c) => shown.push(c),
        _ => shown.extend(escape(c)),
    }
}

/// `escape_default` for those that have a letter, `\u{..}` for the rest.
fn escape(c: char) -> impl Iterator<Item = char> {
    let mut default = c.escape_default().to_string();
    if default.chars().count() == 1 {
        default = c.escape_unicode().to_string();
    }
    default.chars().collect::<Vec<_>>().into_iter()
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::EntryName;

    fn check(raw: &[u8], expect: &str) {
        assert_eq!(EntryName::new(raw).to_string(), expect);
    }

    #[test]
    fn what_is_harmless_stands_as_it_is() {
        check(b"rules/a b-1.md", "rules/a b-1.md");
        check("größe/日本.md".as_bytes(), "größe/日本.md");
    }

    #[test]
    fn what_would_deceive_is_escaped() {
        check(b"a\nb\r\t\0\x7f", r"a\nb\r\t\u{0}\u{7f}");
        check(b"\x1b]0;title\x07", r"\u{1b}]0;title\u{7}");
        check(
            "\u{202e}\u{200b}\u{2028}\u{85}".as_bytes(),
            r"\u{202e}\u{200b}\u{2028}\u{85}",
        );
        check(
            "\u{3164}\u{e000}\u{1f600}".as_bytes(),
            r"\u{3164}\u{e000}\u{1f600}",
        );
        check(b"a\\n", r"a\\n");
        check(b"a\xff\xfeb", r"a\xff\xfeb");
    }

    #[test]
    fn a_long_name_is_shortened() {
        let shown = EntryName::new(&[b'x'; 5000]).to_string();
        assert_eq!(shown, format!("{}... (5000 bytes)", "x".repeat(160)));
        let invalid = EntryName::new(&[0xff; 5000]).to_string();
        assert!(invalid.len() < 200, "{invalid}");
    }
}
