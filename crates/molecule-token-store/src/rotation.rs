//! One rotation at a time. The lock is on a file of its own, because the token has to be read and saved meanwhile.

use std::fs::File;

use crate::dir::StoreDir;
use crate::error::{Result, TokenStoreError};
use crate::lock::{Access, Locked};
use crate::wait::Deadline;

/// It stays when the lock is given back: whoever removed it could remove one that somebody else just locked.
const LOCK_FILE: &str = ".rotation.lock";

/// Nobody else who asks for this lock replaces the token while this lives. It goes with its process, however that ends.
#[must_use = "the next rotation may begin when this is dropped"]
#[derive(Debug)]
pub struct RotationLock {
    _file: Locked,
}

pub(crate) fn lock_rotation(dir: &StoreDir, mut deadline: Deadline) -> Result<RotationLock> {
    loop {
        if let Some(_file) = try_lock(dir)? {
            return Ok(RotationLock { _file });
        }
        if !deadline.pause() {
            return Err(TokenStoreError::Rotating {
                path: dir.token_path(),
            });
        }
    }
}

fn try_lock(dir: &StoreDir) -> Result<Option<Locked>> {
    let locked = Locked::try_new(open(dir)?, Access::Exclusive);
    locked.map_err(dir.io_error("lock", LOCK_FILE))
}

fn open(dir: &StoreDir) -> Result<File> {
    loop {
        if let Some(there) = dir.open_file(LOCK_FILE, Access::Exclusive)? {
            return Ok(there);
        }
        if let Some(new) = dir.create_file(LOCK_FILE)? {
            return Ok(new);
        }
    }
}
