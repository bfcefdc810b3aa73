//! The file a token is written to before it gets the token file's name.

use std::fs::File;
use std::io::Write;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use crate::dir::{StoreDir, TOKEN_FILE};
use crate::error::Result;
use crate::lock::{Access, Locked};

/// A new file beside the token file. It is under lock for as long as it exists, which tells it from
/// the leftovers of processes that died, and it is removed on drop unless it became the token file.
#[must_use]
#[derive(Debug)]
pub(crate) struct TempFile<'a> {
    dir: &'a StoreDir,
    name: String,
    file: Locked,
    named: bool,
}

impl<'a> TempFile<'a> {
    /// Writes the text to a new file of mode 0600, and to the disk.
    pub(crate) fn write(dir: &'a StoreDir, text: &str) -> Result<Self> {
        let temp = Self::create(dir)?;
        let written = (&*temp.file)
            .write_all(text.as_bytes())
            .and_then(|()| temp.file.sync_all());
        written.map_err(dir.io_error("write", &temp.name))?;
        Ok(temp)
    }

    fn create(dir: &'a StoreDir) -> Result<Self> {
        loop {
            let name = next_name();
            let Some(file) = dir.create_file(&name)? else {
                continue;
            };
            if let Some(file) = claim(dir, &name, file)? {
                return Ok(Self {
                    dir,
                    name,
                    file,
                    named: true,
                });
            }
        }
    }

    /// Takes the place of the token file, whose lock the caller holds.
    pub(crate) fn replace_token(&mut self) -> Result<()> {
        self.dir.rename(&self.name, TOKEN_FILE)?;
        self.named = false;
        Ok(())
    }

    /// Becomes the token file where there is none, or says `false` when another process was faster.
    /// Creating an empty file to lock would be simpler, but a crash would leave it behind.
    pub(crate) fn become_token(&mut self) -> Result<bool> {
        match self.dir.link(&self.name, TOKEN_FILE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // The file system has no hard links. Without them a file that appears right now is
            // replaced without its lock, which is the order in which the other process saved first.
            Err(_) => self.replace_token().map(|()| true),
        }
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if self.named {
            // What cannot be removed now is collected by a later save.
            let _ = self.dir.unlink(&self.name);
        }
    }
}

/// Locks a temporary file; `None` when another process has it. Between creating and locking, a file
/// looks like a leftover, and another process may lock and remove it.
fn claim(dir: &StoreDir, name: &str, file: File) -> Result<Option<Locked>> {
    let locked = Locked::try_new(file, Access::Exclusive).map_err(dir.io_error("lock", name))?;
    match locked {
        Some(file) if dir.is_current(&file, name)? => Ok(Some(file)),
        _ => Ok(None),
    }
}

/// Removes what saves that were killed left behind. A file that resists is left to a later save,
/// because it must not keep this one from working.
pub(crate) fn collect_leftovers(dir: &StoreDir) {
    let names = dir.names().unwrap_or_default();
    for name in names.iter().filter(|name| is_temp_name(name)) {
        let _ = collect(dir, name);
    }
}

fn collect(dir: &StoreDir, name: &str) -> Result<()> {
    let Some(file) = dir.open_file(name, Access::Exclusive)? else {
        return Ok(());
    };
    match claim(dir, name, file)? {
        Some(_unused) => dir.unlink(name),
        None => Ok(()),
    }
}

/// Unique in this process. In another container the process id may be the same, where `O_EXCL`
/// moves on to the next.
fn next_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{TOKEN_FILE}.{}.{number}.tmp", process::id())
}

fn is_temp_name(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let middle = name
        .strip_prefix(TOKEN_FILE)
        .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"));
    let parts = middle.and_then(|middle| middle.split_once('.'));
    parts.is_some_and(|(pid, number)| is_number(pid) && is_number(number))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_another_process_has_or_removed_is_not_claimed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StoreDir::open(temp.path()).unwrap().unwrap();
        let create = || dir.create_file("name").unwrap().unwrap();
        let claim_it = |file| claim(&dir, "name", file).unwrap();

        let created = create();
        let collector = dir.open_file("name", Access::Exclusive).unwrap().unwrap();
        let collector = claim_it(collector);
        assert!(collector.is_some());
        assert!(claim_it(created.try_clone().unwrap()).is_none(), "locked");

        dir.unlink("name").unwrap();
        drop(collector);
        assert!(claim_it(created.try_clone().unwrap()).is_none(), "removed");
        let _other = create();
        assert!(claim_it(created).is_none(), "replaced");
    }

    #[test]
    fn only_the_first_of_two_first_saves_becomes_the_token_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StoreDir::open(temp.path()).unwrap().unwrap();
        let (mut first, mut second) = (
            TempFile::write(&dir, "1").unwrap(),
            TempFile::write(&dir, "2").unwrap(),
        );
        assert!(first.become_token().unwrap());
        assert!(!second.become_token().unwrap());
        drop((first, second));
        assert_eq!(fs::read_to_string(dir.token_path()).unwrap(), "1");
        assert_eq!(
            dir.names()
                .unwrap()
                .iter()
                .filter(|name| is_temp_name(name))
                .count(),
            0
        );
    }

    #[test]
    fn only_our_own_names_are_collected() {
        assert!(is_temp_name(&next_name()));
        assert!(is_temp_name(".auth_token.1.0.tmp"));
        for name in [
            ".auth_token",
            ".auth_token.tmp",
            ".auth_token.bak",
            ".auth_token.1.tmp",
            ".auth_token.1.2.3.tmp",
            ".auth_token.1..tmp",
            ".auth_token.a.1.tmp",
            ".auth_token.1.0.tmp~",
            "cursor",
        ] {
            assert!(!is_temp_name(name), "{name}");
        }
    }

    #[test]
    fn names_never_repeat() {
        assert_ne!(next_name(), next_name());
    }
}
