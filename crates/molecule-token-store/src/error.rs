//! What can go wrong with a token file.

use std::io;
use std::path::{Path, PathBuf};

use crate::token::InvalidToken;

/// Why a token could not be loaded, saved or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenStoreError {
    /// Another process held the lock on the token file for longer than the caller's
    /// [`Wait`](crate::Wait).
    #[error("another process holds the token file {}; is another agent using it? try again", path.display())]
    Contended {
        /// The token file.
        path: PathBuf,
    },
    /// Another process was replacing the token for longer than the caller's [`Wait`](crate::Wait).
    #[error(
        "another process is replacing the token in {}, and its token will be the one in use; try again when it is done, if \
         that one has to go too",
        path.display()
    )]
    Rotating {
        /// The token file.
        path: PathBuf,
    },
    /// The group or others have access to the token file.
    #[error(
        "the token file {} is open to other users (mode {mode:04o}); run `chmod 600` on it, and rotate the token if \
         others may have read it",
        path.display()
    )]
    LooseMode {
        /// The token file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file or directory belongs to another user.
    #[error(
        "{} belongs to user id {owner}, this process runs as {user}; run it as the owner, or change the owner",
        path.display()
    )]
    ForeignOwner {
        /// The file or directory.
        path: PathBuf,
        /// The user id it belongs to.
        owner: u32,
        /// The effective user id of this process.
        user: u32,
    },
    /// A symbolic link, directory, pipe, socket or device where the token file should be.
    #[error("{} is not a regular file; remove it, or name the file itself if it is a link", path.display())]
    NotAFile {
        /// The token file.
        path: PathBuf,
    },
    /// A symbolic link or file where the store's directory should be.
    #[error("{} is not a directory or is a symbolic link; name the directory itself", path.display())]
    NotADirectory {
        /// The store's directory.
        path: PathBuf,
    },
    /// The file is too large to be a token file.
    #[error("{} is larger than {limit} bytes; is it a token file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// The file holds something that is no token.
    #[error("{} holds no valid token; save the token again", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with its text.
        source: InvalidToken,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, a verb such as `open`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

pub(crate) type Result<T, E = TokenStoreError> = std::result::Result<T, E>;

/// Names what was tried on which path, for `map_err`.
pub(crate) fn io_error<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> TokenStoreError {
    move |source| TokenStoreError::Io {
        action,
        path: path.to_owned(),
        source: source.into(),
    }
}
