//! The receipt of an installation, and its text.
//!
//! ```text
//! molecule-plugin receipt 1
//! name Demo
//! version 1.2.0
//! digest 0123...
//! verified yes
//! expected-from caller
//! bytes 1234
//! files 2
//! file 4567... plugin.yaml
//! file 89ab... skills/hello.md
//! setup 2
//! link cdef... venv/bin/python
//! gone - skills/hello.md
//! end
//! ```
//!
//! Lines in this order; `version`, `expected-from` and the part of `setup` only where there is something to say. `bytes` are those of
//! the archive's files. The counts and the last line tell a whole receipt from a part of one. Bytes outside visible ASCII, and `%`,
//! are written as `%` and two digits.
//!
//! It is written and read line by line: its text, which may be many times as large as what it says, is never in memory.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use super::report::ExpectedFrom;
use super::snapshot::State;
use crate::{PluginName, Sha256Digest};

const TITLE: &str = "molecule-plugin receipt";
const VERSION: &str = "1";

/// The last line, with the end of the line before.
const END: &[u8; 5] = b"\nend\n";

/// A receipt is at most this large: the paths of a plugin and as many as a verification takes in of `setup.sh`, escaped.
const MAX_BYTES: usize = 128 << 20;

/// A line is at most this large. The longest text in one is the version, out of a manifest of at most 64 KiB, escaped.
const MAX_LINE: usize = 256 << 10;

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
    /// Bytes of the archive's files.
    pub(super) bytes: u64,
    /// The archive's files.
    pub(super) files: BTreeMap<String, Sha256Digest>,
    /// What `setup.sh` left differently, `None` for what it removed.
    pub(super) setup: BTreeMap<Vec<u8>, Option<State>>,
}

/// The beginning of a receipt, which is all that a list shows.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) name: PluginName,
    pub(super) version: Option<String>,
    pub(super) digest: Sha256Digest,
    pub(super) expected_from: Option<ExpectedFrom>,
}

/// Why no receipt was read.
#[derive(Debug)]
pub(super) enum InvalidReceipt {
    /// A version that this program does not know.
    Version,
    /// Not a receipt, or not all of it.
    Damaged,
    /// The disk refused.
    Unreadable(io::Error),
}

type Result<T, E = InvalidReceipt> = std::result::Result<T, E>;

impl Receipt {
    /// Writes nothing that could not be read back.
    pub(super) fn write_to(&self, out: impl Write) -> io::Result<()> {
        let mut lines = LineWriter::new(out);
        self.write_identity(&mut lines)?;
        lines.write(format_args!("bytes {}", self.bytes))?;
        lines.write(format_args!("files {}", self.files.len()))?;
        for (path, digest) in &self.files {
            lines.write(format_args!("file {digest} {}", Escaped(path.as_bytes())))?;
        }
        if !self.setup.is_empty() {
            lines.write(format_args!("setup {}", self.setup.len()))?;
        }
        for (path, state) in &self.setup {
            lines.write(format_args!("{} {}", describe(*state), Escaped(path)))?;
        }
        lines.write(format_args!("end"))?;
        lines.out.flush()
    }

    fn write_identity(&self, lines: &mut LineWriter<impl Write>) -> io::Result<()> {
        lines.write(format_args!("{TITLE} {VERSION}"))?;
        lines.write(format_args!("name {}", self.name))?;
        if let Some(version) = &self.version {
            lines.write(format_args!("version {}", Escaped(version.as_bytes())))?;
        }
        lines.write(format_args!("digest {}", self.digest))?;
        lines.write(match self.expected_from {
            None => format_args!("verified no"),
            Some(ExpectedFrom::Caller) => format_args!("verified yes\nexpected-from caller"),
            Some(ExpectedFrom::Manifest) => format_args!("verified yes\nexpected-from manifest"),
        })
    }

    pub(super) fn read(from: impl Read) -> Result<Self> {
        let mut lines = LineReader::new(from);
        let head = Head::parse(&mut lines)?;
        let receipt = Self {
            name: head.name,
            version: head.version,
            digest: head.digest,
            expected_from: head.expected_from,
            bytes: parsed(lines.required("bytes")?)?,
            files: read_files(&mut lines)?,
            setup: read_setup(&mut lines)?,
        };
        match lines.next()? == "end" && lines.is_at_end()? {
            true => Ok(receipt),
            false => Err(InvalidReceipt::Damaged),
        }
    }
}

impl Head {
    /// Reads the beginning, and looks whether the end is there.
    pub(super) fn read(mut from: impl Read + Seek) -> Result<Self> {
        let head = Self::parse(&mut LineReader::new(&mut from))?;
        match ends_whole(&mut from).map_err(InvalidReceipt::Unreadable)? {
            true => Ok(head),
            false => Err(InvalidReceipt::Damaged),
        }
    }

    fn parse(lines: &mut LineReader<impl Read>) -> Result<Self> {
        let title = lines.next()?.strip_prefix(TITLE);
        match title.and_then(|version| version.strip_prefix(' ')) {
            Some(VERSION) => {}
            Some(_) => return Err(InvalidReceipt::Version),
            None => return Err(InvalidReceipt::Damaged),
        }
        Ok(Self {
            name: parsed(lines.required("name")?)?,
            version: read_version(lines)?,
            digest: parsed(lines.required("digest")?)?,
            expected_from: read_expected_from(lines)?,
        })
    }
}

fn ends_whole(from: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut end = [0; END.len()];
    let length = from.seek(SeekFrom::End(0))?;
    let Some(start) = length.checked_sub(END.len() as u64) else {
        return Ok(false);
    };
    from.seek(SeekFrom::Start(start))?;
    from.read_exact(&mut end)?;
    Ok(end == *END)
}

/// Writes lines that [`LineReader`] reads.
struct LineWriter<W: Write> {
    out: BufWriter<W>,
    line: String,
    left: usize,
}

impl<W: Write> LineWriter<W> {
    fn new(out: W) -> Self {
        Self {
            out: BufWriter::new(out),
            line: String::new(),
            left: MAX_BYTES,
        }
    }

    fn write(&mut self, line: fmt::Arguments<'_>) -> io::Result<()> {
        self.line.clear();
        // Writing into a string cannot fail.
        let _ = writeln!(self.line, "{line}");
        let too_large = || io::Error::other("the receipt would be too large to be read back");
        let left = self.left.checked_sub(self.line.len());
        self.left = left
            .filter(|_| self.line.len() <= MAX_LINE)
            .ok_or_else(too_large)?;
        self.out.write_all(self.line.as_bytes())
    }
}

/// Lines that begin with a word.
struct LineReader<R: Read> {
    from: io::Take<BufReader<R>>,
    line: String,
    /// Whether the line is still to be taken.
    ahead: bool,
}

impl<R: Read> LineReader<R> {
    fn new(from: R) -> Self {
        Self {
            from: BufReader::new(from).take(MAX_BYTES as u64),
            line: String::new(),
            ahead: false,
        }
    }

    fn peek(&mut self) -> Result<&str> {
        if !self.ahead {
            self.line.clear();
            let mut from = (&mut self.from).take(MAX_LINE as u64);
            from.read_line(&mut self.line).map_err(unreadable)?;
            // What has no end was cut off, here or on the disk.
            if self.line.pop() != Some('\n') {
                return Err(InvalidReceipt::Damaged);
            }
            self.ahead = true;
        }
        Ok(&self.line)
    }

    fn next(&mut self) -> Result<&str> {
        self.peek()?;
        self.ahead = false;
        Ok(&self.line)
    }

    /// The rest of the next line if it begins with this word; else the line stays.
    fn optional(&mut self, word: &str) -> Result<Option<&str>> {
        let rest = after_word(self.peek()?, word).is_some();
        match rest {
            true => Ok(after_word(self.next()?, word)),
            false => Ok(None),
        }
    }

    fn required(&mut self, word: &str) -> Result<&str> {
        after_word(self.next()?, word).ok_or(InvalidReceipt::Damaged)
    }

    /// The kind, the digest and the path of the next line.
    fn entry(&mut self) -> Result<(&str, &str, Vec<u8>)> {
        let mut parts = self.next()?.splitn(3, ' ');
        let mut part = || parts.next().ok_or(InvalidReceipt::Damaged);
        let (kind, digest, path) = (part()?, part()?, part()?);
        let path = unescape(path).ok_or(InvalidReceipt::Damaged)?;
        Ok((kind, digest, path))
    }

    fn is_at_end(&mut self) -> Result<bool> {
        self.from
            .fill_buf()
            .map(<[u8]>::is_empty)
            .map_err(unreadable)
    }
}

fn after_word<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix(word)?.strip_prefix(' ')
}

fn unreadable(error: io::Error) -> InvalidReceipt {
    match error.kind() {
        io::ErrorKind::InvalidData => InvalidReceipt::Damaged,
        _ => InvalidReceipt::Unreadable(error),
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| InvalidReceipt::Damaged)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| InvalidReceipt::Damaged)
}

fn describe(state: Option<State>) -> String {
    match state {
        Some(State::File(digest)) => format!("file {digest}"),
        Some(State::Link(digest)) => format!("link {digest}"),
        Some(State::Special) => "special -".to_owned(),
        None => "gone -".to_owned(),
    }
}

fn read_state(kind: &str, digest: &str) -> Result<Option<State>> {
    Ok(match (kind, digest) {
        ("file", digest) => Some(State::File(parsed(digest)?)),
        ("link", digest) => Some(State::Link(parsed(digest)?)),
        ("special", "-") => Some(State::Special),
        ("gone", "-") => None,
        _ => return Err(InvalidReceipt::Damaged),
    })
}

fn read_version(lines: &mut LineReader<impl Read>) -> Result<Option<String>> {
    let Some(version) = lines.optional("version")? else {
        return Ok(None);
    };
    let version = unescape(version).ok_or(InvalidReceipt::Damaged)?;
    text(version).map(Some)
}

fn read_expected_from(lines: &mut LineReader<impl Read>) -> Result<Option<ExpectedFrom>> {
    let verified = match lines.required("verified")? {
        "yes" => true,
        "no" => false,
        _ => return Err(InvalidReceipt::Damaged),
    };
    match (verified, lines.optional("expected-from")?) {
        (false, None) => Ok(None),
        (true, Some("caller")) => Ok(Some(ExpectedFrom::Caller)),
        (true, Some("manifest")) => Ok(Some(ExpectedFrom::Manifest)),
        _ => Err(InvalidReceipt::Damaged),
    }
}

fn read_files(lines: &mut LineReader<impl Read>) -> Result<BTreeMap<String, Sha256Digest>> {
    let count: usize = parsed(lines.required("files")?)?;
    let mut files = BTreeMap::new();
    for _ in 0..count {
        let ("file", digest, path) = lines.entry()? else {
            return Err(InvalidReceipt::Damaged);
        };
        files.insert(text(path)?, parsed(digest)?);
    }
    Ok(files)
}

fn read_setup(lines: &mut LineReader<impl Read>) -> Result<BTreeMap<Vec<u8>, Option<State>>> {
    let Some(count) = lines.optional("setup")? else {
        return Ok(BTreeMap::new());
    };
    let mut setup = BTreeMap::new();
    for _ in 0..parsed::<usize>(count)? {
        let (kind, digest, path) = lines.entry()?;
        let state = read_state(kind, digest)?;
        setup.insert(path, state);
    }
    Ok(setup)
}

/// Bytes as visible ASCII.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| match byte {
            b'%' => f.write_str("%25"),
            byte if byte.is_ascii_graphic() => f.write_char(char::from(byte)),
            byte => write!(f, "%{byte:02x}"),
        })
    }
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
    use std::io::Cursor;

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
            bytes: 12,
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

    fn text_of(receipt: &Receipt) -> String {
        let mut text = Vec::new();
        receipt.write_to(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn check_round_trip(receipt: &Receipt) {
        let text = text_of(receipt);
        assert_eq!(&Receipt::read(text.as_bytes()).unwrap(), receipt);
        let head = Head::read(Cursor::new(text)).unwrap();
        assert_eq!(
            (&head.name, head.version),
            (&receipt.name, receipt.version.clone())
        );
        assert_eq!(
            (head.digest, head.expected_from),
            (receipt.digest, receipt.expected_from)
        );
    }

    fn check_damaged(text: &str) {
        let error = Receipt::read(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, InvalidReceipt::Damaged),
            "{error:?}: {text}"
        );
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
        let text = text_of(&receipt());
        assert!(
            text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')),
            "{text}"
        );
    }

    #[test]
    fn a_part_of_a_receipt_is_none() {
        let text = text_of(&receipt());
        let lines: Vec<_> = text.lines().collect();
        for count in 0..lines.len() {
            let part = lines[..count].join("\n");
            check_damaged(&part);
            check_damaged(&format!("{part}\n"));
            assert!(Head::read(Cursor::new(part)).is_err());
            let mut without = lines.clone();
            without.remove(count);
            // Without its version a receipt is a receipt.
            if !lines[count].starts_with("version") {
                check_damaged(&format!("{}\n", without.join("\n")));
            }
        }
        check_damaged(&format!("{text}more"));
        check_damaged(&text[..text.len() - 1]);
    }

    #[test]
    fn a_version_from_the_future_is_told_from_damage() {
        let text = text_of(&receipt());
        let newer = text.replacen("receipt 1", "receipt 2", 1);
        for error in [
            Receipt::read(newer.as_bytes()).unwrap_err(),
            Head::read(Cursor::new(&newer)).unwrap_err(),
        ] {
            assert!(matches!(error, InvalidReceipt::Version), "{error:?}");
        }
        check_damaged("something else\n");
        check_damaged("");
    }

    #[test]
    fn what_setup_left_must_make_sense() {
        let check = |from: &str, to: &str| {
            let text = text_of(&receipt());
            assert!(text.contains(from), "{from}");
            check_damaged(&text.replacen(from, to, 1));
        };
        check("gone -", "gone x");
        check("special -", "socket -");
        check("verified yes", "verified no");
        check("verified yes\nexpected-from manifest", "verified maybe");
        check("bytes 12", "bytes many");
        check("expected-from manifest", "expected-from nobody");
        check("venv/bin/%ff", "venv/bin/%f");
        check("files 2", "files 1");
        check("setup 4", "setup 99999999999999999999");
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let long = |length| Receipt {
            version: Some("v".repeat(length)),
            ..receipt()
        };
        let line = "version \n".len();
        check_round_trip(&long(MAX_LINE - line));
        let error = long(MAX_LINE - line + 1).write_to(io::sink()).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");

        let mut lines = LineWriter::new(io::sink());
        let line = "x".repeat(MAX_LINE - 1);
        for _ in 0..MAX_BYTES / MAX_LINE {
            lines.write(format_args!("{line}")).unwrap();
        }
        lines.write(format_args!("")).unwrap_err();
    }

    #[test]
    fn a_line_without_an_end_is_not_read_to_it() {
        let mut endless = io::repeat(b'x');
        assert!(matches!(
            Receipt::read(&mut endless),
            Err(InvalidReceipt::Damaged)
        ));
    }
}
