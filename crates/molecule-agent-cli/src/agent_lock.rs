//! One agent per workspace and machine: two would answer every message twice.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use molecule_agent::transport::{Clock as _, SystemClock};

use crate::exit::{Exit, Problem};

/// How long `status`, `doctor` or `inbox dead` may have it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often to look whether it is free.
const PAUSE: Duration = Duration::from_millis(50);

/// The lock on an agent's directory. The system gives it back when the process ends, however it ends.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub(crate) struct AgentLock {
    _file: File,
}

impl AgentLock {
    /// Takes the lock, or says who has it. Who only looks has it for a moment, which is waited for.
    ///
    /// # Errors
    /// When another process has it, or the directory cannot be written to.
    pub(crate) async fn take(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("agent.lock");
        let failed = |error| unusable(error, &path);
        let mut file = open(dir, &path).map_err(failed)?;
        let clock = SystemClock::new();
        let end = clock.now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if clock.now() < end => clock.sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => return Err(held(file, dir).into()),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        file.set_len(0).map_err(failed)?;
        // On a full disk the holder has no name, but it holds.
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { _file: file })
    }

    /// How to name the process that has the lock, if one has it: ` (process 42)`, or nothing where that is not known.
    ///
    /// # Errors
    /// When the lock cannot be read.
    pub(crate) fn holder(dir: &Path) -> io::Result<Option<String>> {
        let file = match File::open(dir.join("agent.lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(named(file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn unusable(error: io::Error, path: &Path) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "is the directory another user's?",
        _ => "name another directory with --state-dir",
    };
    let message = format!("cannot use {}; {hint}", path.display());
    anyhow::Error::new(error).context(Problem::usage(message))
}

fn open(dir: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn named(file: File) -> String {
    let mut holder = String::new();
    let _ = file.take(20).read_to_string(&mut holder);
    match holder.trim() {
        "" => String::new(),
        pid => format!(" (process {pid})"),
    }
}

fn held(file: File, dir: &Path) -> Problem {
    let holder = named(file);
    let message = format!(
        "another agent{holder} runs in {}; stop it first, or every message would be answered twice",
        dir.display()
    );
    Problem::new(Exit::Locked, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_agent_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("deep/er");
        let first = AgentLock::take(&deep).await.unwrap();
        let error = AgentLock::take(&deep).await.unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Locked);
        let holder = format!("(process {})", std::process::id());
        assert!(error.to_string().contains(&holder), "{error}");
        drop(first);
        let _third = AgentLock::take(&deep).await.unwrap();
    }

    #[tokio::test]
    async fn who_only_looks_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let looks = AgentLock::take(dir.path()).await.unwrap();
        let takes = AgentLock::take(dir.path());
        let leaves = async {
            tokio::task::yield_now().await;
            drop(looks);
        };
        let (taken, ()) = tokio::join!(takes, leaves);
        let _taken = taken.unwrap();
    }

    fn check_hint(kind: io::ErrorKind, expect: &str) {
        let error = unusable(kind.into(), Path::new("/a/agent.lock"));
        assert_eq!(Exit::of(&error), Exit::Usage);
        assert!(error.to_string().contains(expect), "{error}");
    }

    #[test]
    fn a_directory_that_cannot_be_used_says_what_to_do() {
        check_hint(io::ErrorKind::PermissionDenied, "another user's");
        check_hint(io::ErrorKind::NotADirectory, "--state-dir");
    }
}
