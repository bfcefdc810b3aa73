//! The receipt of an installation, and its text.
//!
//! ```text
//! molecule-plugin receipt 1
//! name Demo
//! version 1.2.0
//! digest 0123...
//! verified yes
//! expected-from caller
//! files 2
//! file 4567... plugin.yaml
//! file 89ab... skills/hello.md
//! setup 2
//! link cdef... venv/bin/python
//! gone - skills/hello.md
//! end
//! ```
//!
//! Lines in this order; `version`, `expected-from` and the part of `setup` only where there is something to say. The counts and the
//! last line tell a whole receipt from a part of one. Bytes outside visible ASCII, and `%`, are written as `%` and two digits.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::Lines;

use super::report::ExpectedFrom;
use super::snapshot::State;
use crate::{PluginName, Sha256Digest};

const TITLE: &str = "molecule-plugin receipt";
const VERSION: &str = "1";

/// What was installed, as long as it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) name: PluginName,
    /// What the manifest states.
    pub(super) version: Option<String>,
    /// The manifest hash of the archive's files.
    pub(super) digest: Sha256Digest,
    /// Whose hash vouched for it.
    pub(super) expected_from: Option<ExpectedFrom>,
    /// The archive's files.
    pub(super) files: BTreeMap<String, Sha256Digest>,
    /// What `setup.sh` left differently, `None` for what it removed.
    pub(super) setup: BTreeMap<Vec<u8>, Option<State>>,
}

/// Why a text is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidReceipt {
    /// A version that this program does not know.
    Version,
    /// Not a receipt, or not all of it.
    Damaged,
}

impl Receipt {
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{TITLE} {VERSION}\nname {}\n", self.name);
        self.write_identity(&mut text);
        line(&mut text, &format!("files {}", self.files.len()));
        for (path, digest) in &self.files {
            line(
                &mut text,
                &format!("file {digest} {}", escape(path.as_bytes())),
            );
        }
        if !self.setup.is_empty() {
            line(&mut text, &format!("setup {}", self.setup.len()));
        }
        for (path, state) in &self.setup {
            line(&mut text, &format!("{} {}", describe(*state), escape(path)));
        }
        line(&mut text, "end");
        text
    }

    fn write_identity(&self, text: &mut String) {
        if let Some(version) = &self.version {
            line(text, &format!("version {}", escape(version.as_bytes())));
        }
        line(text, &format!("digest {}", self.digest));
        match self.expected_from {
            None => line(text, "verified no"),
            Some(ExpectedFrom::Caller) => line(text, "verified yes\nexpected-from caller"),
            Some(ExpectedFrom::Manifest) => line(text, "verified yes\nexpected-from manifest"),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, InvalidReceipt> {
        let mut lines = text.lines();
        let title = lines.next().and_then(|line| line.strip_prefix(TITLE));
        match title.and_then(|version| version.strip_prefix(' ')) {
            Some(VERSION) => {}
            Some(_) => return Err(InvalidReceipt::Version),
            None => return Err(InvalidReceipt::Damaged),
        }
        parse_body(&mut Reader(lines)).ok_or(InvalidReceipt::Damaged)
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn describe(state: Option<State>) -> String {
    match state {
        Some(State::File(digest)) => format!("file {digest}"),
        Some(State::Link(digest)) => format!("link {digest}"),
        Some(State::Special) => "special -".to_owned(),
        None => "gone -".to_owned(),
    }
}

fn parse_state(kind: &str, digest: &str) -> Option<Option<State>> {
    Some(match (kind, digest) {
        ("file", digest) => Some(State::File(digest.parse().ok()?)),
        ("link", digest) => Some(State::Link(digest.parse().ok()?)),
        ("special", "-") => Some(State::Special),
        ("gone", "-") => None,
        _ => return None,
    })
}

/// Lines that begin with a word.
struct Reader<'a>(Lines<'a>);

impl<'a> Reader<'a> {
    /// The rest of the next line if it begins with this word; else the line stays.
    fn optional(&mut self, word: &str) -> Option<&'a str> {
        let mut ahead = self.0.clone();
        let rest = ahead.next()?.strip_prefix(word)?.strip_prefix(' ')?;
        self.0 = ahead;
        Some(rest)
    }

    /// The kind, the digest and the path of the next line.
    fn entry(&mut self) -> Option<(&'a str, &'a str, Vec<u8>)> {
        let mut parts = self.0.next()?.splitn(3, ' ');
        let (kind, digest) = (parts.next()?, parts.next()?);
        Some((kind, digest, unescape(parts.next()?)?))
    }
}

fn parse_body(lines: &mut Reader<'_>) -> Option<Receipt> {
    let receipt = Receipt {
        name: lines.optional("name")?.parse().ok()?,
        version: match lines.optional("version") {
            Some(version) => Some(String::from_utf8(unescape(version)?).ok()?),
            None => None,
        },
        digest: lines.optional("digest")?.parse().ok()?,
        expected_from: parse_expected_from(lines)?,
        files: parse_files(lines)?,
        setup: parse_setup(lines)?,
    };
    let ended = lines.0.next() == Some("end") && lines.0.next().is_none();
    ended.then_some(receipt)
}

fn parse_expected_from(lines: &mut Reader<'_>) -> Option<Option<ExpectedFrom>> {
    let verified = lines.optional("verified")?;
    match (verified, lines.optional("expected-from")) {
        ("no", None) => Some(None),
        ("yes", Some("caller")) => Some(Some(ExpectedFrom::Caller)),
        ("yes", Some("manifest")) => Some(Some(ExpectedFrom::Manifest)),
        _ => None,
    }
}

fn parse_files(lines: &mut Reader<'_>) -> Option<BTreeMap<String, Sha256Digest>> {
    let count: usize = lines.optional("files")?.parse().ok()?;
    let mut files = BTreeMap::new();
    for _ in 0..count {
        let ("file", digest, path) = lines.entry()? else {
            return None;
        };
        files.insert(String::from_utf8(path).ok()?, digest.parse().ok()?);
    }
    Some(files)
}

fn parse_setup(lines: &mut Reader<'_>) -> Option<BTreeMap<Vec<u8>, Option<State>>> {
    let Some(count) = lines.optional("setup") else {
        return Some(BTreeMap::new());
    };
    let mut setup = BTreeMap::new();
    for _ in 0..count.parse::<usize>().ok()? {
        let (kind, digest, path) = lines.entry()?;
        setup.insert(path, parse_state(kind, digest)?);
    }
    Some(setup)
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
            }
            byte if byte.is_ascii_graphic() => bytes.push(byte),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Sha256Digest {
        Sha256Digest::from([byte; 32])
    }

    fn receipt() -> Receipt {
        Receipt {
            name: "Demo".parse().unwrap(),
            version: Some("1.0 %\nend".to_owned()),
            digest: digest(1),
            expected_from: Some(ExpectedFrom::Manifest),
            files: [("plugin.yaml", 2), ("a b/é\n\u{1b}%25", 3)]
                .map(|(path, byte)| (path.to_owned(), digest(byte)))
                .into(),
            setup: [
                (b"venv/bin/\xff".to_vec(), Some(State::File(digest(4)))),
                (b"link".to_vec(), Some(State::Link(digest(5)))),
                (b"pipe".to_vec(), Some(State::Special)),
                (b"gone".to_vec(), None),
            ]
            .into(),
        }
    }

    fn check_round_trip(receipt: &Receipt) {
        assert_eq!(Receipt::parse(&receipt.to_text()).as_ref(), Ok(receipt));
    }

    #[test]
    fn a_receipt_is_read_as_it_was_written() {
        check_round_trip(&receipt());
        let caller = Some(ExpectedFrom::Caller);
        check_round_trip(&Receipt {
            expected_from: caller,
            ..receipt()
        });
        check_round_trip(&Receipt {
            version: None,
            expected_from: None,
            files: BTreeMap::new(),
            setup: BTreeMap::new(),
            ..receipt()
        });
    }

    #[test]
    fn a_receipt_is_visible_ascii() {
        let text = receipt().to_text();
        assert!(
            text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')),
            "{text}"
        );
    }

    #[test]
    fn a_part_of_a_receipt_is_none() {
        let text = receipt().to_text();
        let lines: Vec<_> = text.lines().collect();
        for count in 0..lines.len() {
            let part = lines[..count].join("\n");
            assert_eq!(
                Receipt::parse(&part),
                Err(InvalidReceipt::Damaged),
                "{part}"
            );
            let mut without = lines.clone();
            without.remove(count);
            // Without its version a receipt is a receipt.
            if !lines[count].starts_with("version") {
                assert!(Receipt::parse(&without.join("\n")).is_err(), "{without:?}");
            }
        }
        assert!(Receipt::parse(&format!("{text}more")).is_err());
    }

    #[test]
    fn a_version_from_the_future_is_told_from_damage() {
        let text = receipt().to_text();
        let newer = text.replacen("receipt 1", "receipt 2", 1);
        assert_eq!(Receipt::parse(&newer), Err(InvalidReceipt::Version));
        assert_eq!(
            Receipt::parse("something else"),
            Err(InvalidReceipt::Damaged)
        );
    }

    #[test]
    fn what_setup_left_must_make_sense() {
        let check = |from: &str, to: &str| {
            let text = receipt().to_text();
            assert!(text.contains(from), "{from}");
            assert!(Receipt::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        };
        check("gone -", "gone x");
        check("special -", "socket -");
        check("verified yes", "verified no");
        check("expected-from manifest", "expected-from nobody");
        check("venv/bin/%ff", "venv/bin/%f");
        check("files 2", "files 1");
        check("setup 4", "setup 99999999999999999999");
    }
}
