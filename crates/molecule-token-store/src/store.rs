//! One workspace's token on disk.

use std::fs::symlink_metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dir::{StoreDir, TOKEN_FILE};
use crate::error::{Result, TokenStoreError, io_error};
use crate::lock::{Access, Locked, lock_token};
use crate::read::{parse_token, read_bounded};
use crate::revision::Revision;
use crate::rotation::{RotationLock, lock_rotation};
use crate::rules::check_private;
use crate::temp::{TempFile, collect_leftovers};
use crate::token::Token;
use crate::wait::Wait;

/// How long an empty or loose file may stay so before it is believed. The Python SDK truncates
/// before it locks, writes after it unlocks and sets the mode last, so its file is briefly both.
const SETTLE_TIME: Duration = Duration::from_millis(50);

/// The token file of one workspace, `.auth_token` in a directory of its own.
///
/// Any number of processes and threads may use the same directory. Nothing is kept in memory: the
/// file is the authority, and [`TokenStore::revision`] says cheaply whether it changed.
#[derive(Clone, Debug)]
pub struct TokenStore {
    dir: PathBuf,
}

impl TokenStore {
    /// A store in this directory, which need not exist yet. Nothing is touched on disk.
    ///
    /// The caller validates the workspace id that the directory is named after.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        // Through the components, because a trailing slash would make the system follow a link that
        // we refuse.
        Self {
            dir: dir.as_ref().components().collect(),
        }
    }

    /// The token file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(TOKEN_FILE)
    }

    /// The token; `None` when there is no file or an empty one.
    ///
    /// A directory that others have access to is restricted to mode 0700. An empty file and one of
    /// a loose mode are read again for up to 50 ms of the wait, because the Python SDK leaves them
    /// so while it saves.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when another process is saving for longer than `wait`; when the file or
    /// directory is a link, belongs to another user, or the file's mode lets others in; or when the
    /// file holds no token.
    pub fn load(&self, wait: Wait) -> Result<Option<Token>, TokenStoreError> {
        self.load_settled(wait, SETTLE_TIME)
    }

    fn load_settled(&self, wait: Wait, settle_time: Duration) -> Result<Option<Token>> {
        let Some(dir) = StoreDir::open(&self.dir)? else {
            return Ok(None);
        };
        let mut deadline = wait.deadline();
        let mut settling = None;
        loop {
            let Some(file) = lock_token(&dir, Access::Shared, &mut deadline)? else {
                return Ok(None);
            };
            let read = self.read(file);
            let unsettled = matches!(read, Ok(None) | Err(TokenStoreError::LooseMode { .. }));
            if !unsettled
                || !settling
                    .get_or_insert_with(|| deadline.or_after(settle_time))
                    .pause()
            {
                return read;
            }
        }
    }

    /// Gives the lock back as soon as the bytes are read, because the Python SDK does not wait for
    /// it. An empty file holds no secret, so its mode does not matter.
    fn read(&self, file: Locked) -> Result<Option<Token>> {
        let path = self.path();
        let metadata = file.metadata().map_err(io_error("inspect", &path))?;
        if metadata.len() > 0 {
            check_private(&path, metadata.mode())?;
        }
        let bytes = read_bounded(&file, &path)?;
        drop(file);
        parse_token(&bytes, &path)
    }

    /// Saves the token with mode 0600, in one step: whatever happens, the file holds the old or the
    /// new token.
    ///
    /// The directory is created if it is missing, and restricted to mode 0700 if others have access
    /// to it. A token file of a loose mode is replaced. When this returns, the token survives a
    /// loss of power.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when another process reads or saves for longer than `wait`, when the
    /// file or directory is a link or belongs to another user, or when the disk refuses. The old
    /// token is still there then.
    pub fn save(&self, token: &Token, wait: Wait) -> Result<(), TokenStoreError> {
        let dir = StoreDir::open_or_create(&self.dir)?;
        collect_leftovers(&dir);
        let mut temp = TempFile::write(&dir, token.expose())?;
        let mut deadline = wait.deadline();
        loop {
            let held = lock_token(&dir, Access::Exclusive, &mut deadline)?;
            let saved = match held {
                Some(_) => temp.replace_token().map(|()| true),
                None => temp.become_token(),
            };
            if saved? {
                return dir.sync();
            }
        }
    }

    /// Removes the token file and what killed saves left behind; says whether there was a token
    /// file.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when another process reads or saves for longer than `wait`, when the
    /// file or directory is a link or belongs to another user, or when the disk refuses.
    pub fn remove(&self, wait: Wait) -> Result<bool, TokenStoreError> {
        let Some(dir) = StoreDir::open(&self.dir)? else {
            return Ok(false);
        };
        collect_leftovers(&dir);
        let held = lock_token(&dir, Access::Exclusive, &mut wait.deadline())?;
        if held.is_some() {
            dir.unlink(TOKEN_FILE)?;
            dir.sync()?;
        }
        Ok(held.is_some())
    }

    /// Keeps other rotations of the same token waiting while this one goes on. Loading and saving need no such lock and do not
    /// wait for it, and the Python SDK does not know it: compare what is stored with what is to be replaced all the same.
    ///
    /// The directory is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError::Rotating`] when another rotation goes on for longer than `wait`; another
    /// [`TokenStoreError`] when the directory or the file `.rotation.lock` in it cannot be used.
    pub fn lock_rotation(&self, wait: Wait) -> Result<RotationLock, TokenStoreError> {
        let dir = StoreDir::open_or_create(&self.dir)?;
        lock_rotation(&dir, wait.deadline())
    }

    /// The state of the token file, to compare with an earlier one; `None` when there is no file.
    ///
    /// Neither opens nor locks the file. Take the revision before loading: a change in between is
    /// then seen as one.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError::Io`] when the directory cannot be searched.
    pub fn revision(&self) -> Result<Option<Revision>, TokenStoreError> {
        let path = self.path();
        match symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(Revision::from(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("inspect", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Loads again and again while `finish` completes a save that `begin` left half done.
    fn check_settles(begin: impl Fn(&Path), finish: impl Fn(&Path)) {
        let dir = tempfile::tempdir().unwrap();
        let store = TokenStore::new(dir.path());
        let path = store.path();
        for _ in 0..50 {
            begin(&path);
            let loaded = std::thread::scope(|scope| {
                let loader = scope.spawn(|| store.load_settled(Wait::For(LONG), LONG));
                finish(&path);
                loader.join().unwrap()
            });
            assert_eq!(loaded.unwrap().unwrap().expose(), "written-by-python");
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_is_empty_for_a_moment_is_read_again() {
        let truncate = |path: &Path| {
            fs::write(path, "").unwrap();
            set_mode(path, 0o600);
        };
        check_settles(truncate, |path| {
            fs::write(path, "written-by-python").unwrap();
        });
    }

    #[test]
    fn a_file_that_is_loose_for_a_moment_is_read_again() {
        let write = |path: &Path| {
            fs::write(path, "written-by-python").unwrap();
            set_mode(path, 0o644);
        };
        check_settles(write, |path| set_mode(path, 0o600));
    }
}
