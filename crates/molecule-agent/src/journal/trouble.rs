//! What goes wrong with a journal file, and which error of ours that is.

use std::io;
use std::path::Path;

use redb::{DatabaseError, Error, StorageError};

use crate::AgentError;

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Trouble {
    Store(Error),
    /// A record is not what it should be.
    Record(serde_json::Error),
}

macro_rules! from_store {
    ($($error:ty),*) => {
        $(impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                Self::Store(error.into())
            }
        })*
    };
}

from_store!(
    DatabaseError,
    StorageError,
    redb::TransactionError,
    redb::TableError,
    redb::CommitError,
    redb::CompactionError
);

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self::Record(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Store(Error::Io(error))
    }
}

impl Trouble {
    /// The error of a step with this file.
    pub(super) fn at(self, action: &'static str, path: &Path) -> AgentError {
        let path = path.to_owned();
        match self {
            Self::Store(Error::DatabaseAlreadyOpen) => AgentError::JournalInUse { path },
            Self::Store(Error::Io(source)) if !is_damage(&source) => AgentError::Journal {
                action,
                path,
                source,
            },
            Self::Store(error @ (Error::PreviousIo | Error::DatabaseClosed)) => {
                let source = io::Error::other(error);
                AgentError::Journal {
                    action,
                    path,
                    source,
                }
            }
            Self::Store(error) => AgentError::JournalDamaged {
                path,
                source: error.into(),
            },
            Self::Record(error) => AgentError::JournalDamaged {
                path,
                source: error.into(),
            },
        }
    }
}

/// What a file says that was cut, or is something else.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
    )
}
