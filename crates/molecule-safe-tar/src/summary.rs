//! What was unpacked.

use crate::EntryName;

/// What an archive held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Regular files.
    pub files: u64,
    /// Directories, those that are only implied included.
    pub directories: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the archive as it came.
    pub compressed_bytes: u64,
    /// Entries that were left out, up to [`Limits::listed_skips`](crate::Limits::listed_skips).
    pub skipped: Vec<Skipped>,
    /// How many were left out in all.
    pub skipped_in_all: u64,
}

/// An entry that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Which one.
    pub name: EntryName,
    /// Why.
    pub reason: SkipReason,
}

/// Why an entry was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is a symbolic link.
    SymbolicLink,
    /// It is a hard link.
    HardLink,
}

impl SkipReason {
    /// The word for reports: `symbolic-link` or `hard-link`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SymbolicLink => "symbolic-link",
            Self::HardLink => "hard-link",
        }
    }
}
