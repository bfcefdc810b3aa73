//! One header block, in the two formats that are taken: POSIX ustar and GNU.

use crate::number::{Negative, is_metadata, octal, octal_or_unset};
use crate::{EntryName, Refusal};

pub(crate) const BLOCK: usize = 512;
pub(crate) type Block = [u8; BLOCK];

/// The version is part of the magic: `00` is POSIX, a space and a zero byte is GNU.
const USTAR: &[u8] = b"ustar\x0000";
const GNU: &[u8] = b"ustar  \0";

/// What a header says, checked but for its names.
#[derive(Debug)]
pub(crate) struct Header {
    block: Block,
    pub(crate) format: Format,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) executable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ustar,
    Gnu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Member(Member),
    Extension(Extension),
    /// pax `g`.
    Global,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    File,
    Directory,
    SymbolicLink,
    HardLink,
}

/// What describes the entry behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// pax `x`.
    Pax,
    /// GNU `L`.
    LongName,
    /// GNU `K`.
    LongTarget,
}

impl Header {
    /// Reads a block that is not all zeros.
    pub(crate) fn parse(block: Block) -> Result<Self, Refusal> {
        let label = || EntryName::new(&raw_path(&block));
        check_sum(&block).map_err(|()| Refusal::Checksum { entry: label() })?;
        let format = format(&block).ok_or_else(|| Refusal::UnknownFormat { entry: label() })?;
        check_reserved(&block, format).map_err(|()| Refusal::ReservedBytes { entry: label() })?;
        let kind = kind(block[156], label)?;
        let invalid = |field| Refusal::InvalidNumber {
            entry: label(),
            field,
        };
        check_metadata(&block).map_err(invalid)?;
        let size = octal(&block[124..136]).ok_or_else(|| invalid("size"))?;
        let mode = mode(&block, kind).ok_or_else(|| invalid("mode"))?;
        let executable = mode & 0o100 != 0;
        Ok(Self {
            block,
            format,
            kind,
            size,
            executable,
        })
    }

    /// The path: up to the first zero byte, with the prefix that ustar has.
    pub(crate) fn path(&self) -> Vec<u8> {
        raw_path(&self.block)
    }

    /// Whether its old type is that of a file, and its own path that of a directory: some programs go by the path then, whatever
    /// an extension says.
    pub(crate) fn is_old_directory(&self) -> bool {
        self.block[156] == 0 && self.path().ends_with(b"/")
    }

    pub(crate) fn target(&self) -> &[u8] {
        text(&self.block[157..257])
    }

    /// For people to read.
    pub(crate) fn label(&self) -> EntryName {
        EntryName::new(&self.path())
    }

    /// Whether the name, the prefix or the target goes on behind a zero byte.
    pub(crate) fn has_hidden_text(&self) -> bool {
        let name = &self.block[..100];
        let target = &self.block[157..257];
        let prefix = match self.format {
            Format::Ustar => &self.block[345..500],
            Format::Gnu => &[],
        };
        [name, target, prefix].into_iter().any(goes_on)
    }
}

fn goes_on(field: &[u8]) -> bool {
    field[text(field).len()..].iter().any(|byte| *byte != 0)
}

/// A field up to its first zero byte.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

fn raw_path(block: &Block) -> Vec<u8> {
    let name = text(&block[..100]);
    let prefix = text(&block[345..500]);
    if prefix.is_empty() || format(block) != Some(Format::Ustar) {
        return name.to_vec();
    }
    [prefix, name].join(&b'/')
}

/// The sum of all bytes, unsigned, with the field itself taken as spaces.
fn check_sum(block: &Block) -> Result<(), ()> {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let expected = sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..]);
    match octal(&block[148..156]) {
        Some(sum) if sum == expected => Ok(()),
        _ => Err(()),
    }
}

fn format(block: &Block) -> Option<Format> {
    match &block[257..265] {
        USTAR => Some(Format::Ustar),
        GNU => Some(Format::Gnu),
        _ => None,
    }
}

/// Behind GNU's fields, CPython reads a prefix and GNU itself times and sparse maps; behind ustar's, star has a mark by which
/// Go reads a shorter prefix.
fn check_reserved(block: &Block, format: Format) -> Result<(), ()> {
    let reserved = match format {
        Format::Ustar => &block[500..],
        Format::Gnu => &block[345..],
    };
    match reserved.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(()),
    }
}

fn kind(type_flag: u8, label: impl Fn() -> EntryName) -> Result<Kind, Refusal> {
    Ok(match type_flag {
        b'0' | 0 => Kind::Member(Member::File),
        b'1' => Kind::Member(Member::HardLink),
        b'2' => Kind::Member(Member::SymbolicLink),
        b'5' => Kind::Member(Member::Directory),
        b'x' => Kind::Extension(Extension::Pax),
        b'L' => Kind::Extension(Extension::LongName),
        b'K' => Kind::Extension(Extension::LongTarget),
        b'g' => Kind::Global,
        b'3' | b'4' | b'6' => return Err(Refusal::SpecialFile { entry: label() }),
        b'S' => return Err(Refusal::SparseFile { entry: label() }),
        _ => {
            return Err(Refusal::UnsupportedType {
                entry: label(),
                type_flag,
            });
        }
    })
}

/// The `tar` crate leaves it out in extension headers, where nobody reads it, and reads no member without it.
fn mode(block: &Block, kind: Kind) -> Option<u64> {
    let field = &block[100..108];
    match kind {
        Kind::Member(_) => octal(field),
        Kind::Extension(_) | Kind::Global => octal_or_unset(field),
    }
}

/// Numbers that are ignored. Malformed ones show that another reader may see another header.
fn check_metadata(block: &Block) -> Result<(), &'static str> {
    let fields = [
        ("user id", &block[108..116], Negative::Refused),
        ("group id", &block[116..124], Negative::Refused),
        ("time", &block[136..148], Negative::Allowed),
        ("device number", &block[329..337], Negative::Refused),
        ("device number", &block[337..345], Negative::Refused),
    ];
    match fields
        .into_iter()
        .find(|(_, field, negative)| !is_metadata(field, *negative))
    {
        Some((name, ..)) => Err(name),
        None => Ok(()),
    }
}
