//! `flock` on the token file itself, which is where the Python SDK takes it.

use std::fs::File;
use std::io;
use std::ops::Deref;

use fs4::{FileExt, TryLockError};

use crate::dir::{StoreDir, TOKEN_FILE};
use crate::error::{Result, TokenStoreError, io_error};
use crate::wait::Deadline;

/// What a lock lets others do meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// Others may read.
    Shared,
    /// Others may do nothing.
    Exclusive,
}

/// An open file under lock.
#[must_use]
#[derive(Debug)]
pub(crate) struct Locked(File);

impl Locked {
    /// Locks the file unless another process holds it, which is `None`.
    pub(crate) fn try_new(file: File, access: Access) -> io::Result<Option<Self>> {
        let tried = match access {
            Access::Shared => FileExt::try_lock_shared(&file),
            Access::Exclusive => FileExt::try_lock(&file),
        };
        match tried {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    /// Closing is not enough: a child process that is just being started has a copy of the
    /// descriptor until its exec.
    fn drop(&mut self) {
        // The lock goes with the last descriptor in any case, so a failure only delays it.
        let _ = FileExt::unlock(&self.0);
    }
}

enum Attempt {
    Held(Locked),
    Missing,
    Busy,
    Replaced,
}

/// How often the file may be replaced between opening and locking before that counts as contention.
/// It also ends the loop on file systems whose inode numbers are not stable.
const MAX_REPLACED: u32 = 100;

/// Locks the token file, waiting for others until the deadline; `None` when there is no such file.
pub(crate) fn lock_token(
    dir: &StoreDir,
    access: Access,
    deadline: &mut Deadline,
) -> Result<Option<Locked>> {
    let mut replaced = 0;
    loop {
        match attempt(dir, access)? {
            Attempt::Held(locked) => return Ok(Some(locked)),
            Attempt::Missing => return Ok(None),
            Attempt::Replaced if replaced < MAX_REPLACED => replaced += 1,
            Attempt::Replaced | Attempt::Busy if deadline.pause() => {}
            Attempt::Replaced | Attempt::Busy => {
                return Err(TokenStoreError::Contended {
                    path: dir.token_path(),
                });
            }
        }
    }
}

fn attempt(dir: &StoreDir, access: Access) -> Result<Attempt> {
    match dir.open_file(TOKEN_FILE, access)? {
        Some(file) => lock_opened(dir, file, access),
        None => Ok(Attempt::Missing),
    }
}

/// A lock on a file that was renamed over after it was opened protects nothing, so the name is
/// compared with the descriptor once the lock is held. Every attempt opens anew, so that nobody
/// waits for a file that is gone.
fn lock_opened(dir: &StoreDir, file: File, access: Access) -> Result<Attempt> {
    let locked = Locked::try_new(file, access).map_err(io_error("lock", &dir.token_path()))?;
    let Some(locked) = locked else {
        return Ok(Attempt::Busy);
    };
    let current = dir.is_current(&locked, TOKEN_FILE)?;
    Ok(if current {
        Attempt::Held(locked)
    } else {
        Attempt::Replaced
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_lock_on_a_file_that_was_replaced_does_not_count() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StoreDir::open(temp.path()).unwrap().unwrap();
        drop(dir.create_file(TOKEN_FILE).unwrap());
        let open = || {
            dir.open_file(TOKEN_FILE, Access::Exclusive)
                .unwrap()
                .unwrap()
        };

        let (before, removed) = (open(), open());
        drop(dir.create_file("other").unwrap());
        dir.rename("other", TOKEN_FILE).unwrap();
        let attempt = |file| lock_opened(&dir, file, Access::Exclusive).unwrap();
        assert!(matches!(attempt(before), Attempt::Replaced));
        assert!(matches!(attempt(open()), Attempt::Held(_)));

        fs::remove_file(dir.token_path()).unwrap();
        assert!(matches!(attempt(removed), Attempt::Replaced));
    }

    #[test]
    fn a_lock_is_released_even_if_a_child_has_a_copy_of_the_descriptor() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StoreDir::open(temp.path()).unwrap().unwrap();
        let file = dir.create_file(TOKEN_FILE).unwrap().unwrap();
        let _copy = file.try_clone().unwrap();
        drop(Locked::try_new(file, Access::Exclusive).unwrap());
        assert!(matches!(
            attempt(&dir, Access::Exclusive).unwrap(),
            Attempt::Held(_)
        ));
    }
}
