//! Why an archive was not unpacked.

use std::io;
use std::path::PathBuf;

use crate::{EntryName, Refusal};

/// Why nothing was unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The archive breaks a rule. Trying again does not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The archive could not be read to its end.
    #[error("the archive could not be read")]
    Source(#[source] io::Error),
    /// The new directory could not be written.
    #[error("cannot {action} {}; check the disk's space and the directory's owner", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nothing was unpacked, but the half-written directory could not be removed.
    #[error("cannot remove {} after a failed extraction; remove it by hand", path.display())]
    Residue {
        /// What is left.
        path: PathBuf,
        /// Why the archive was not unpacked.
        cause: Box<UnpackError>,
        /// Why it could not be removed.
        #[source]
        source: io::Error,
    },
}

impl UnpackError {
    /// What a failed read means. A layer below reports its own refusals inside of an [`io::Error`].
    pub(crate) fn from_read(error: io::Error, entry: Option<&EntryName>) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::truncated(entry),
            Err(error) => Self::Source(error),
        }
    }

    /// The archive ends too early.
    pub(crate) fn truncated(entry: Option<&EntryName>) -> Self {
        let entry = entry.cloned();
        Refusal::Truncated { entry }.into()
    }
}
