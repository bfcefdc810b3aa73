//! Noticing that the token file changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Which state of the token file this is: two revisions differ when the file was saved, rewritten
/// in place or had its mode changed in between.
///
/// It says nothing about the token, so it may be logged and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Revision {
    fn from(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
