//! Tokens that something else put in place: a `--token-file`, a container's volume, a service
//! credential.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::error::{Result, TokenStoreError, io_error};
use crate::read::{parse_token, read_bounded};
use crate::rules::is_world_readable;
use crate::token::Token;

/// A token read by [`read_mounted`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MountedToken {
    /// The token.
    pub token: Token,
    /// Whether any user of the machine may read the file, about which the caller should warn.
    pub world_readable: bool,
}

/// Reads a token file as it was mounted; `None` when it is missing or empty.
///
/// Owner and mode do not matter, links are followed and no lock is taken, because that is how
/// Kubernetes and container platforms provide files. Only a regular file is read, so that a pipe
/// cannot hang the caller.
///
/// # Errors
///
/// [`TokenStoreError`] when the path leads to something else than a file, to a file that cannot be
/// read or is larger than 8 KiB, or to one that holds no valid token.
///
/// ```
/// use molecule_token_store::read_mounted;
///
/// let configs = tempfile::tempdir()?;
/// let path = configs.path().join(".auth_token");
/// assert!(read_mounted(&path)?.is_none());
///
/// std::fs::write(&path, "IQeUadP6-example\n")?;
/// let mounted = read_mounted(&path)?.expect("the file was just written");
/// assert_eq!(mounted.token.expose(), "IQeUadP6-example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_mounted(path: impl AsRef<Path>) -> Result<Option<MountedToken>, TokenStoreError> {
    let path = path.as_ref();
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let metadata = file.metadata().map_err(io_error("inspect", path))?;
    if !metadata.is_file() {
        return Err(TokenStoreError::NotAFile {
            path: path.to_owned(),
        });
    }
    let world_readable = is_world_readable(metadata.mode());
    let token = parse_token(&read_bounded(&file, path)?, path)?;
    Ok(token.map(|token| MountedToken {
        token,
        world_readable,
    }))
}

fn open(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NXIO) => Err(TokenStoreError::NotAFile {
            path: path.to_owned(),
        }),
        Err(error) => Err(io_error("open", path)(error)),
    }
}
