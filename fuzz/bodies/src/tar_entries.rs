//! Archives described entry by entry, so that every input is nearly a proper archive and the rules about names, links,
//! duplicates and ends are what is tried. What is accepted reads alike elsewhere.

use arbitrary::{Arbitrary, Unstructured};

use crate::archive::{BLOCK, finish, gnu, header, member, put, seal};
use crate::oracle::agrees;
use crate::pax_records::record;

/// Reads the bytes as a description, writes the archive, and compares the readers on it.
pub fn run(bytes: &[u8]) {
    if let Ok(archive) = Archive::arbitrary(&mut Unstructured::new(bytes)) {
        agrees(&archive.write());
    }
}

#[derive(Debug, Arbitrary)]
struct Archive<'a> {
    end: End,
    entries: Vec<Entry<'a>>,
}

#[derive(Debug, Arbitrary)]
enum End {
    Right,
    Missing,
    OneBlock,
    Followed(u8),
}

#[derive(Debug, Arbitrary)]
struct Entry<'a> {
    kind: Kind,
    path: Vec<Component<'a>>,
    absolute: bool,
    trailing_slash: bool,
    spelling: Spelling,
    mode: u16,
    body: &'a [u8],
    records: Vec<(Key, &'a str)>,
    change: Option<(u16, u8)>,
}

#[derive(Debug, Arbitrary)]
enum Kind {
    File,
    OldFile,
    Directory,
    SymbolicLink,
    HardLink,
    Other(u8),
}

/// Where the path is written.
#[derive(Debug, Arbitrary)]
enum Spelling {
    Name,
    Prefix,
    GnuLong,
    Pax,
}

#[derive(Debug, Arbitrary)]
enum Component<'a> {
    Letter(u8),
    Known(u8),
    Long(u8),
    Text(&'a str),
    Bytes(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Key {
    Path,
    LinkPath,
    Size,
    Time,
    Sparse,
    Attribute,
    Unknown,
}

/// Components that a rule is about, or that another reader may take for another.
const KNOWN: [&[u8]; 24] = [
    b".",
    b"..",
    b"",
    b"plugin.yaml",
    b"PLUGIN.YAML",
    b"setup.sh",
    b"Setup.sh",
    "caf\u{e9}".as_bytes(),
    "cafe\u{301}".as_bytes(),
    "CAF\u{c9}".as_bytes(),
    "stra\u{df}e".as_bytes(),
    b"STRASSE",
    "\u{212a}".as_bytes(),
    b"k",
    "\u{fb01}".as_bytes(),
    b"fi",
    "\u{202e}x".as_bytes(),
    "\u{1f600}".as_bytes(),
    b"CON",
    b"nul.txt",
    b"a:b",
    b"a\\b",
    b"end.",
    b"LONGNA~1",
];

impl Archive<'_> {
    fn write(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for entry in &self.entries {
            entry.write(&mut archive);
        }
        match self.end {
            End::Right => finish(&mut archive),
            End::Missing => {}
            End::OneBlock => archive.extend_from_slice(&[0; BLOCK]),
            End::Followed(byte) => {
                finish(&mut archive);
                archive.extend_from_slice(&[byte; BLOCK]);
            }
        }
        archive
    }
}

impl Entry<'_> {
    fn write(&self, archive: &mut Vec<u8>) {
        let path = self.path();
        let mut records: Vec<u8> = Vec::new();
        for (key, value) in &self.records {
            records.extend(record(&key.with(value.as_bytes())));
        }
        if matches!(self.spelling, Spelling::Pax) {
            records.extend(record(&Key::Path.with(&path)));
        }
        if !records.is_empty() {
            member(archive, &extension(b'x', &records), &records);
        }
        if matches!(self.spelling, Spelling::GnuLong) {
            let long = [&path, &b"\0"[..]].concat();
            let mut header = extension(b'L', &long);
            gnu(&mut header);
            member(archive, &header, &long);
        }
        member(archive, &self.header(&path), self.body());
    }

    fn path(&self) -> Vec<u8> {
        let components: Vec<_> = self.path.iter().map(Component::bytes).collect();
        let mut path = components.join(&b'/');
        if self.absolute {
            path.insert(0, b'/');
        }
        if self.trailing_slash {
            path.push(b'/');
        }
        path
    }

    fn header(&self, path: &[u8]) -> [u8; BLOCK] {
        let mut block = header(path, self.kind.flag(), self.body().len(), self.mode.into());
        if let (Spelling::Prefix, Some(slash)) = (&self.spelling, last_slash(path)) {
            block[..100].fill(0);
            put(&mut block, 0, 100, &path[slash + 1..]);
            put(&mut block, 345, 155, &path[..slash]);
        }
        if matches!(self.kind, Kind::SymbolicLink | Kind::HardLink) {
            put(&mut block, 157, 100, b"target");
        }
        if matches!(self.spelling, Spelling::GnuLong) {
            gnu(&mut block);
        }
        if let Some((at, byte)) = self.change {
            block[usize::from(at) % BLOCK] = byte;
        }
        seal(&mut block);
        block
    }

    fn body(&self) -> &[u8] {
        match self.kind {
            Kind::File | Kind::OldFile | Kind::Other(_) => self.body,
            _ => &[],
        }
    }
}

fn last_slash(path: &[u8]) -> Option<usize> {
    path.iter().rposition(|byte| *byte == b'/')
}

fn extension(kind: u8, body: &[u8]) -> [u8; BLOCK] {
    header(b"././@LongLink", kind, body.len(), 0o644)
}

impl Kind {
    fn flag(&self) -> u8 {
        match self {
            Self::File => b'0',
            Self::OldFile => 0,
            Self::Directory => b'5',
            Self::SymbolicLink => b'2',
            Self::HardLink => b'1',
            Self::Other(flag) => *flag,
        }
    }
}

impl Component<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Letter(n) => vec![b'a' + n % 4],
            Self::Known(n) => KNOWN[usize::from(*n) % KNOWN.len()].to_vec(),
            Self::Long(n) => vec![b'l'; 2 * usize::from(*n)],
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

impl Key {
    fn with(&self, value: &[u8]) -> Vec<u8> {
        let key = match self {
            Self::Path => "path",
            Self::LinkPath => "linkpath",
            Self::Size => "size",
            Self::Time => "mtime",
            Self::Sparse => "GNU.sparse.size",
            Self::Attribute => "SCHILY.xattr.user.a",
            Self::Unknown => "VENDOR.key",
        };
        [key.as_bytes(), b"=", value].concat()
    }
}
