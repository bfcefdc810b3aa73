//! One lock file per plugin, which exists only while somebody works on the plugin.
//!
//! Its holder removes it before letting go. Whoever opened it before and locks it afterwards holds a file that has no name any more,
//! notices that, and opens the name anew: so a lock always belongs to the file that has the name.

use std::fs::File;

use fs4::{FileExt, TryLockError};

use super::folder::Folder;
use super::options::CancelFlag;
use super::wait::Deadline;
use crate::PluginError;

/// A plugin in our hands, under its name in lower case: `Demo` and `demo` would be one directory on some disks.
#[must_use]
#[derive(Debug)]
pub(super) struct Locked<'a> {
    folder: &'a Folder,
    key: String,
    file: File,
}

impl Drop for Locked<'_> {
    /// Closing is not enough: a child process that is just being started has a copy of the descriptor until its exec.
    fn drop(&mut self) {
        // What cannot be removed now is collected when the store is opened; the lock goes with the last descriptor in any case.
        // A file that has the name instead of ours is another holder's.
        if matches!(self.folder.is_current(&self.file, &self.key), Ok(true)) {
            let _ = self.folder.unlink(&self.key);
        }
        let _ = FileExt::unlock(&self.file);
    }
}

enum Attempt<'a> {
    Held(Locked<'a>),
    Busy,
    Replaced,
}

/// How often the file may be removed between opening and locking before that counts as contention. It also ends the loop on file
/// systems whose inode numbers are not stable.
const MAX_REPLACED: u32 = 100;

/// Locks a plugin, waiting for others until the deadline; `None` when one of them still has it then.
pub(super) fn lock<'a>(
    folder: &'a Folder,
    key: &str,
    mut deadline: Deadline,
    cancel: &CancelFlag,
) -> Result<Option<Locked<'a>>, PluginError> {
    let mut replaced = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(PluginError::Cancelled);
        }
        match attempt(folder, key, folder.open_or_create_file(key)?)? {
            Attempt::Held(locked) => return Ok(Some(locked)),
            Attempt::Replaced if replaced < MAX_REPLACED => replaced += 1,
            Attempt::Replaced | Attempt::Busy if deadline.pause() => {}
            Attempt::Replaced | Attempt::Busy => return Ok(None),
        }
    }
}

fn attempt<'a>(folder: &'a Folder, key: &str, file: File) -> Result<Attempt<'a>, PluginError> {
    match FileExt::try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Attempt::Busy),
        Err(TryLockError::Error(error)) => return Err(folder.io_error("lock", key)(error)),
    }
    if !folder.is_current(&file, key)? {
        return Ok(Attempt::Replaced);
    }
    Ok(Attempt::Held(Locked {
        folder,
        key: key.to_owned(),
        file,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::wait::Wait;

    fn try_lock<'a>(folder: &'a Folder, key: &str) -> Option<Locked<'a>> {
        lock(folder, key, Wait::No.deadline(), &CancelFlag::default()).unwrap()
    }

    #[test]
    fn a_lock_is_free_again_even_if_a_child_has_a_copy_of_the_descriptor_and_its_file_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap().unwrap();
        let locked = try_lock(&folder, "demo").unwrap();
        let _copy = locked.file.try_clone().unwrap();
        let waiting = folder.open_or_create_file("demo").unwrap();
        assert!(try_lock(&folder, "demo").is_none());
        assert!(try_lock(&folder, "other").is_some());
        drop(locked);
        assert!(folder.names().unwrap().is_empty());
        assert!(matches!(
            attempt(&folder, "demo", waiting).unwrap(),
            Attempt::Replaced
        ));
        assert!(try_lock(&folder, "demo").is_some());
    }

    #[test]
    fn a_lock_on_a_file_that_its_holder_removed_does_not_count() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap().unwrap();
        let first = try_lock(&folder, "demo").unwrap();
        let opened_before = folder.open_or_create_file("demo").unwrap();
        drop(first);
        let second = try_lock(&folder, "demo").unwrap();
        assert!(matches!(
            attempt(&folder, "demo", opened_before).unwrap(),
            Attempt::Replaced
        ));
        drop(second);
    }

    #[test]
    fn who_waits_can_be_cancelled() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap().unwrap();
        let cancel = CancelFlag::default();
        cancel.cancel();
        let result = lock(&folder, "demo", Wait::No.deadline(), &cancel);
        assert!(matches!(result, Err(PluginError::Cancelled)));
        assert!(folder.names().unwrap().is_empty());
    }
}
