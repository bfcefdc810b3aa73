//! The keys of delegations that the platform has not answered yet: what makes a repeated call the same call, whatever the
//! minute it is repeated in and however the process ended that made it first.
//!
//! Each call has a file of its own, which it keeps locked while it runs. A file that is free belongs to a call that
//! ended without an answer, so that the next call of the same task takes its place. A file that is locked
//! belongs to a call under way, whose key is shared. No file holds or names the task itself. What is no regular file is none of these,
//! and is left alone.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use molecule_protocol::{WorkspaceId, delegation_key};
use rustix::fs::OFlags;
use serde_json::{Value, json};
use uuid::Uuid;

use super::regular_file::open_regular;
use crate::AgentError;
use crate::files::{dir_of, make_private_dir, sync_dir};

/// How long the platform remembers a key. An older one protects from nothing.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Far more than a file of ours measures.
const MAX_BYTES: u64 = 4096;
/// What is being written has a name that begins so.
const UNFINISHED: &str = ".new-";
const LOCK: &str = ".lock";

/// The directory of these files.
#[derive(Debug, Clone)]
pub(crate) struct KeyJournal {
    dir: PathBuf,
}

/// The key of a call under way, safely on disk. Dropped without an answer, it stays there for the call's repetition.
#[derive(Debug)]
#[must_use = "the key is free for another call when this is dropped"]
pub(crate) struct HeldKey {
    key: String,
    files: Vec<Held>,
}

/// A file under lock.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    unix_seconds: u64,
}

/// One call: who is asked to do what, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) target: &'a WorkspaceId,
    pub(crate) task: &'a str,
    pub(crate) now: SystemTime,
}

impl Call<'_> {
    /// The beginning of the names of its files.
    fn name(&self) -> String {
        delegation_key(self.target, self.task, 0)
    }

    fn entry(&self, unix_seconds: u64) -> Entry {
        Entry {
            key: delegation_key(self.target, self.task, unix_seconds),
            unix_seconds,
        }
    }
}

impl KeyJournal {
    pub(crate) fn new(state_dir: &Path) -> Self {
        let dir = state_dir.join("delegations");
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The key for this call, on disk; `None` while another call looks for its own.
    ///
    /// # Errors
    /// When the directory cannot be used, or an earlier call may have used a key that cannot be read any more.
    pub(crate) fn hold(&self, call: &Call<'_>) -> Result<Option<HeldKey>, AgentError> {
        let Some(_lock) = self
            .lock()
            .map_err(|source| failed("lock", &self.dir, source))?
        else {
            return Ok(None);
        };
        let (known, mut files) = self.search(call)?;
        let entry = known.unwrap_or_else(|| call.entry(unix_seconds(call.now)));
        if files.is_empty() {
            let written = self.write(&call.name(), &entry);
            files.push(written.map_err(|source| failed("write", &self.dir, source))?);
        }
        self.sync()
            .map_err(|source| failed("write", &self.dir, source))?;
        Ok(Some(HeldKey {
            key: entry.key,
            files,
        }))
    }

    fn lock(&self) -> io::Result<Option<Held>> {
        make_private_dir(&self.dir)?;
        let path = self.dir.join(LOCK);
        let file = open_regular(&path, OFlags::WRONLY | OFlags::CREATE)?;
        let file = file.ok_or_else(|| io::Error::other("its file .lock is no regular file"))?;
        let held = Held { path, file };
        Ok(held.try_lock()?.then_some(held))
    }

    /// What is known of earlier calls of the same task that have no answer: their key, and the files of those that are
    /// not under way any more. Clears away what serves nobody.
    fn search(&self, call: &Call<'_>) -> Result<(Option<Entry>, Vec<Held>), AgentError> {
        let (mut known, mut free) = (None, Vec::new());
        for name in self
            .names()
            .map_err(|source| failed("read", &self.dir, source))?
        {
            let path = self.dir.join(&name);
            if name.starts_with(UNFINISHED) {
                // Whoever writes holds the lock that is held here, so its writer is gone.
                let _ = fs::remove_file(path);
                continue;
            }
            let Some(found) =
                Found::open(path).map_err(|(path, source)| failed("read", &path, source))?
            else {
                continue;
            };
            if found.is_free && found.is_forgotten(call.now) {
                let _ = fs::remove_file(&found.held.path);
            } else if name.starts_with(&call.name()) {
                known = Some(found.entry_of(call)?);
                free.extend(found.is_free.then_some(found.held));
            }
        }
        Ok((known, free))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.retain(|name| name.ends_with(".json") || name.starts_with(UNFINISHED));
        Ok(names)
    }

    /// A new file, whole as soon as it has its name and locked from its beginning.
    fn write(&self, name: &str, entry: &Entry) -> io::Result<Held> {
        let path = self.dir.join(format!("{name}-{}.json", Uuid::new_v4()));
        let mut new = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.dir)?;
        new.write_all(entry.to_json().as_bytes())?;
        new.as_file().sync_all()?;
        new.as_file().try_lock()?;
        let file = new.persist_noclobber(&path)?;
        Ok(Held { path, file })
    }

    /// Names are safe only when their directories are. A file that is used again may be one whose writer did not come so far.
    fn sync(&self) -> io::Result<()> {
        sync_dir(&self.dir)?;
        sync_dir(dir_of(&self.dir))
    }
}

impl HeldKey {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The platform answered this call: the same task is another call from now on.
    pub(crate) fn answered(self) {
        for held in &self.files {
            if let Err(error) = fs::remove_file(&held.path) {
                let path = held.path.display();
                tracing::warn!(%path, %error, "the key of a delegation that was answered cannot be removed; the same task counts as answered until the file is gone");
            }
        }
    }
}

impl Held {
    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Held {
    /// Closing is not enough: a child process that is just being started has a copy of the descriptor until its exec.
    fn drop(&mut self) {
        // The lock goes with the last descriptor in any case.
        let _ = self.file.unlock();
    }
}

/// A file of an earlier call.
struct Found {
    held: Held,
    is_free: bool,
    entry: Option<Entry>,
    modified: SystemTime,
}

impl Found {
    /// `None` if the call was answered meanwhile, or this is no file of a call.
    fn open(path: PathBuf) -> Result<Option<Self>, (PathBuf, io::Error)> {
        match Self::try_open(&path) {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err((path, error)),
        }
    }

    fn try_open(path: &Path) -> io::Result<Option<Self>> {
        // Some network file systems lock only what may be written.
        let Some(file) = open_regular(path, OFlags::RDWR)? else {
            let path = path.display();
            tracing::warn!(%path, "this is no regular file, and so not the key of a delegation; it is left alone");
            return Ok(None);
        };
        let held = Held {
            path: path.to_owned(),
            file,
        };
        let is_free = held.try_lock()?;
        let metadata = held.file.metadata()?;
        if metadata.nlink() == 0 {
            return Ok(None);
        }
        let mut text = String::new();
        let read = (&held.file).take(MAX_BYTES).read_to_string(&mut text);
        Ok(Some(Self {
            entry: read.ok().and_then(|_| Entry::parse(&text)),
            modified: metadata.modified()?,
            is_free,
            held,
        }))
    }

    /// Whether the platform has forgotten the key, so that nothing follows from it.
    fn is_forgotten(&self, now: SystemTime) -> bool {
        let written = self.entry.as_ref().map_or(self.modified, |entry| {
            UNIX_EPOCH + Duration::from_secs(entry.unix_seconds)
        });
        // A time in the future is that of a clock that was set back: it is recent.
        now.duration_since(written)
            .is_ok_and(|age| age >= REMEMBERED)
    }

    /// The key that the call used, which follows from its time, so that damage shows.
    fn entry_of(&self, call: &Call<'_>) -> Result<Entry, AgentError> {
        let entry = self.entry.as_ref();
        entry
            .filter(|entry| **entry == call.entry(entry.unix_seconds))
            .cloned()
            .ok_or_else(|| AgentError::DamagedDelegationKey {
                path: self.held.path.clone(),
            })
    }
}

impl Entry {
    fn to_json(&self) -> String {
        json!({"key": self.key, "unix_seconds": self.unix_seconds}).to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let unix_seconds = value.get("unix_seconds")?.as_u64()?;
        // A time that no clock shows would not fit into the system's either.
        (unix_seconds <= u64::from(u32::MAX)).then_some(())?;
        let key = value.get("key")?.as_str()?.to_owned();
        Some(Self { key, unix_seconds })
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> AgentError {
    AgentError::DelegationJournal {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    const TARGET: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";
    const DAY: u64 = 24 * 3600;
    const START: u64 = 1_767_225_600;

    struct Disk(TempDir);

    impl Disk {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn journal(&self) -> KeyJournal {
            KeyJournal::new(self.0.path())
        }

        fn try_hold(&self, task: &str, second: u64) -> Result<HeldKey, AgentError> {
            let target = TARGET.parse().unwrap();
            let now = UNIX_EPOCH + Duration::from_secs(START + second);
            let call = Call {
                target: &target,
                task,
                now,
            };
            self.journal().hold(&call).map(Option::unwrap)
        }

        fn hold(&self, task: &str, second: u64) -> HeldKey {
            self.try_hold(task, second).unwrap()
        }

        /// A call that ends without an answer.
        fn lose(&self, task: &str, second: u64) -> String {
            self.hold(task, second).key().to_owned()
        }

        fn files(&self) -> Vec<PathBuf> {
            let names = self.journal().names().unwrap();
            names
                .iter()
                .map(|name| self.journal().dir.join(name))
                .collect()
        }
    }

    #[test]
    fn a_key_is_that_of_its_minute_and_is_kept_for_the_next_try() {
        let disk = Disk::new();
        let key = disk.lose("t", 59);
        assert_eq!(key, delegation_key(&TARGET.parse().unwrap(), "t", START));
        assert_eq!(disk.lose("t", 6 * DAY), key);
        assert_ne!(disk.lose("other", 59), key);
        let again = disk.hold("t", 60);
        assert_eq!(again.key(), key);
        again.answered();
        assert_ne!(disk.lose("t", 60), key);
    }

    #[test]
    fn calls_at_the_same_time_share_the_key_across_minutes() {
        let disk = Disk::new();
        let (one, two) = (disk.hold("t", 59), disk.hold("t", 60));
        assert_eq!(one.key(), two.key());
        let key = one.key().to_owned();
        one.answered();
        assert_eq!(
            disk.hold("t", 120).key(),
            key,
            "the second one is under way"
        );
        drop(two);
        let retry = disk.hold("t", 180);
        assert_eq!(retry.key(), key, "the second one has no answer");
        retry.answered();
        assert!(disk.files().is_empty());
        assert_ne!(disk.lose("t", 240), key);
    }

    #[test]
    fn the_files_are_private_and_do_not_show_the_task() {
        let disk = Disk::new();
        let _held = disk.hold("a secret task", 0);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&disk.journal().dir), 0o700);
        let files = disk.files();
        assert_eq!((files.len(), mode(&files[0])), (1, 0o600));
        let text = fs::read_to_string(&files[0]).unwrap();
        assert!(!text.contains("secret") && !files[0].display().to_string().contains("secret"));
    }

    #[test]
    fn what_the_platform_has_forgotten_is_cleared_away() {
        let disk = Disk::new();
        let key = disk.lose("t", 0);
        let under_way = disk.hold("under way", 0);
        let new = disk.hold("t", 7 * DAY);
        assert_ne!(new.key(), key);
        assert_eq!(disk.files().len(), 2);
        assert_eq!(disk.hold("under way", 7 * DAY).key(), under_way.key());
    }

    #[test]
    fn a_clock_that_is_set_back_changes_no_key() {
        let disk = Disk::new();
        let key = disk.lose("t", 300 * DAY);
        assert_eq!(disk.lose("t", 0), key);
    }

    #[test]
    fn a_crash_before_the_file_has_its_name_leaves_nothing() {
        let disk = Disk::new();
        drop(disk.hold("other", 0));
        fs::write(disk.journal().dir.join(".new-x"), "half").unwrap();
        let key = disk.lose("t", 60);
        assert_eq!(
            key,
            delegation_key(&TARGET.parse().unwrap(), "t", START + 60)
        );
        assert_eq!(disk.files().len(), 2);
    }

    fn check_damage(damage: impl Fn(&str) -> String) {
        let disk = Disk::new();
        let key = disk.lose("t", 0);
        let path = disk.files().remove(0);
        let text = damage(&fs::read_to_string(&path).unwrap());
        fs::write(&path, &text).unwrap();
        let error = disk.try_hold("t", 60).unwrap_err();
        assert!(
            matches!(error, AgentError::DamagedDelegationKey { .. }),
            "{text}: {error:?}"
        );
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert!(!error.to_string().contains(&key));
        assert_eq!(
            disk.hold("other", 60).files.len(),
            1,
            "other tasks are not concerned"
        );
        // As old as the platform's memory, it cannot hide a delegation any more.
        let time = UNIX_EPOCH + Duration::from_secs(START);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        if Entry::parse(&text).is_none() {
            assert_ne!(disk.lose("t", 8 * DAY), key);
        }
    }

    #[test]
    fn a_damaged_key_is_an_error_until_it_cannot_matter() {
        check_damage(|_| String::new());
        check_damage(|text| text[..20].to_owned());
        check_damage(|text| text.replace('a', "b"));
        check_damage(|text| text.replace(&START.to_string(), &(START + 60).to_string()));
        check_damage(|_| "x".repeat(100_000));
        check_damage(|text| text.replace(&START.to_string(), &u64::MAX.to_string()));
    }

    /// Puts something in the place of a key, and in a place that no key has.
    fn check_odd(put: fn(&Path)) {
        let disk = Disk::new();
        let key = disk.lose("t", 0);
        let file = disk.files().remove(0);
        fs::remove_file(&file).unwrap();
        let odd = [file, disk.journal().dir.join("odd.json")];
        odd.iter().for_each(|path| put(path));
        let held = disk.hold("t", 8 * DAY);
        assert_ne!(held.key(), key);
        assert_eq!(disk.hold("t", 9 * DAY).key(), held.key());
        held.answered();
        assert!(odd.iter().all(|path| path.symlink_metadata().is_ok()));
    }

    /// A directory where no pipe can be made in this way.
    fn pipe(path: &Path) {
        #[cfg(not(target_os = "linux"))]
        fs::create_dir(path).unwrap();
        #[cfg(target_os = "linux")]
        make_pipe(path);
    }

    #[cfg(target_os = "linux")]
    fn make_pipe(path: &Path) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_left_alone_and_hangs_nobody() {
        check_odd(|path| fs::create_dir(path).unwrap());
        check_odd(pipe);
        check_odd(|path| symlink("nowhere", path).unwrap());
        check_odd(|path| symlink(".lock", path).unwrap());
    }

    #[test]
    fn a_lock_that_is_no_regular_file_is_an_error_and_hangs_nobody() {
        let check = |put: fn(&Path)| {
            let disk = Disk::new();
            fs::create_dir(&disk.journal().dir).unwrap();
            put(&disk.journal().dir.join(LOCK));
            let error = disk.try_hold("t", 0).unwrap_err();
            let is_told = matches!(&error, AgentError::DelegationJournal { source, .. } if source.to_string().contains(".lock"));
            assert!(is_told, "{error:?}");
        };
        check(pipe);
        check(|path| fs::create_dir(path).unwrap());
        check(|path| symlink("nowhere", path).unwrap());
    }

    #[test]
    fn one_call_at_a_time_looks_for_its_key() {
        let disk = Disk::new();
        let journal = disk.journal();
        let lock = journal.lock().unwrap().unwrap();
        let target = TARGET.parse().unwrap();
        let call = Call {
            target: &target,
            task: "t",
            now: UNIX_EPOCH,
        };
        assert!(journal.hold(&call).unwrap().is_none());
        drop(lock);
        assert!(journal.hold(&call).unwrap().is_some());
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_an_error_before_anything_is_sent() {
        let disk = Disk::new();
        fs::write(&disk.journal().dir, "a file").unwrap();
        let error = disk.try_hold("t", 0).unwrap_err();
        assert!(
            matches!(error, AgentError::DelegationJournal { .. }),
            "{error:?}"
        );
    }
}
