//! The new directory, until somebody takes it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::mkdirat;
use rustix::io::Errno;

use crate::dir::{ACCESSIBLE, open_new_in, open_unlinked};
use crate::tree::{remove_in, sync_in};
use crate::{Summary, UnpackError};

/// A directory that was unpacked and is nobody's yet: mode 0700, and removed with all it holds when this value is dropped, unless
/// [`release`](Self::release) takes it.
#[must_use]
#[derive(Debug)]
pub struct Quarantine {
    /// Held open, so that it is this directory's entry that is removed, whatever became of the path.
    parent: OwnedFd,
    path: PathBuf,
    summary: Summary,
    armed: bool,
}

impl Quarantine {
    /// Makes the directory, and a handle to write through.
    pub(crate) fn create(parent: &Path, name: &str) -> Result<(Self, OwnedFd), UnpackError> {
        let path = parent.join(name);
        let failed = |action, path: &Path, source: Errno| UnpackError::Disk {
            action,
            path: path.to_owned(),
            source: source.into(),
        };
        if !is_one_component(name) {
            return Err(failed("create", &path, Errno::INVAL));
        }
        let parent = open_unlinked(parent).map_err(|error| failed("open", parent, error))?;
        mkdirat(&parent, name, ACCESSIBLE).map_err(|error| failed("create", &path, error))?;
        let quarantine = Self {
            parent,
            path,
            summary: Summary::default(),
            armed: true,
        };
        match open_new_in(&quarantine.parent, name.as_bytes(), ACCESSIBLE) {
            Ok(handle) => Ok((quarantine, handle)),
            Err(error) => {
                let error = failed("open", &quarantine.path, error);
                Err(quarantine.refused(error))
            }
        }
    }

    pub(crate) fn holding(mut self, summary: Summary) -> Self {
        self.summary = summary;
        self
    }

    /// Removes it, and adds to the error if that fails.
    pub(crate) fn refused(self, cause: UnpackError) -> UnpackError {
        let path = self.path.clone();
        match self.discard() {
            Ok(()) => cause,
            Err(source) => UnpackError::Residue {
                path,
                cause: Box::new(cause),
                source,
            },
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Makes every file and directory in it, and its own entry in its parent, outlive a loss of power.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> io::Result<()> {
        sync_in(&self.parent, &self.path)
    }

    /// Removes it now, and says if that fails.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn discard(mut self) -> io::Result<()> {
        self.remove()
    }

    /// Hands it over: nothing removes it any more.
    #[must_use]
    pub fn release(mut self) -> PathBuf {
        self.armed = false;
        std::mem::take(&mut self.path)
    }

    fn remove(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.armed) {
            true => remove_in(&self.parent, &self.path),
            false => Ok(()),
        }
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // Nobody is left to tell; whoever needs to know calls `discard`.
        let _ = self.remove();
    }
}

/// Whether a name can only be an entry of the directory it is looked up in.
fn is_one_component(name: &str) -> bool {
    let first = Path::new(name).components().next();
    matches!(first, Some(Component::Normal(first)) if first == name)
}
