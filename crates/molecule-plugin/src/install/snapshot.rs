//! Everything below a directory as it is right now, whatever it is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use molecule_safe_tar::tree::{self, Node};

use super::folder::io_error;
use super::options::CancelFlag;
use super::receipt::Receipt;
use crate::{PluginError, Sha256Digest};

/// What `setup.sh` may bring beside the archive's files and still have it looked at: entries, bytes of their paths, and bytes. The
/// largest trees of packages that are usual fit; what does not takes no longer than some seconds to be noticed.
const ENTRIES: u64 = 200_000;
const PATH_BYTES: u64 = 16 << 20;
const BYTES: u64 = 1 << 30;

/// How much is taken in before giving up, and who may stop it earlier.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    entries: u64,
    path_bytes: u64,
    bytes: u64,
    cancel: &'a CancelFlag,
}

/// Why a snapshot was given up. It travels through the walk as the source of an [`io::Error`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum GivenUp {
    #[error("too large")]
    TooLarge(&'static str),
    #[error("cancelled")]
    Cancelled,
}

impl<'a> Budget<'a> {
    /// For a directory of which nothing is known.
    pub(super) fn new(cancel: &'a CancelFlag) -> Self {
        Self {
            entries: ENTRIES,
            path_bytes: PATH_BYTES,
            bytes: BYTES,
            cancel,
        }
    }

    /// For what the archive brought, however large, and as much beside it as [`new`](Self::new) allows.
    pub(super) fn beyond(receipt: &Receipt, cancel: &'a CancelFlag) -> Self {
        let paths = receipt.files.keys().map(|path| path.len() as u64);
        Self {
            entries: ENTRIES.saturating_add(receipt.files.len() as u64),
            path_bytes: PATH_BYTES.saturating_add(paths.sum()),
            bytes: BYTES.saturating_add(receipt.bytes),
            cancel,
        }
    }

    fn spend_entry(&mut self, path: &[u8]) -> io::Result<()> {
        if self.cancel.is_cancelled() {
            return Err(give_up(GivenUp::Cancelled));
        }
        spend(&mut self.entries, 1, "200 000 entries beside its own")?;
        let limit = "16 MiB of paths beside its own";
        spend(&mut self.path_bytes, path.len() as u64, limit)
    }

    fn spend_bytes(&mut self, file: &File) -> io::Result<()> {
        let size = file.metadata()?.len();
        spend(&mut self.bytes, size, "1 GiB beside its own")
    }
}

fn spend(left: &mut u64, amount: u64, limit: &'static str) -> io::Result<()> {
    *left = left
        .checked_sub(amount)
        .ok_or_else(|| give_up(GivenUp::TooLarge(limit)))?;
    Ok(())
}

fn give_up(why: GivenUp) -> io::Error {
    io::Error::other(why)
}

/// What is found under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A regular file, by its content.
    File(Sha256Digest),
    /// A symbolic link, by the text that it points to.
    Link(Sha256Digest),
    /// A device, a pipe or a socket.
    Special,
}

/// What is found under each path, directories aside.
pub(super) type Snapshot = BTreeMap<Vec<u8>, State>;

/// Takes in everything below `root`. `setup.sh` may have left anything there, so nothing is refused but too much.
pub(super) fn snapshot(root: &Path, mut budget: Budget<'_>) -> Result<Snapshot, PluginError> {
    let mut states = Snapshot::new();
    let walked = tree::walk(root, &mut |path, node| {
        budget.spend_entry(path)?;
        if let Some(state) = state(root, path, node, &mut budget)? {
            states.insert(path.to_vec(), state);
        }
        Ok(())
    });
    walked.map_err(|error| explain(root, error))?;
    Ok(states)
}

fn explain(root: &Path, error: io::Error) -> PluginError {
    let given_up = error.get_ref().and_then(|error| error.downcast_ref());
    match given_up {
        Some(GivenUp::Cancelled) => PluginError::Cancelled,
        Some(GivenUp::TooLarge(limit)) => PluginError::TooLarge {
            path: root.to_owned(),
            limit,
        },
        None => io_error("read", root)(error),
    }
}

fn state(
    root: &Path,
    path: &[u8],
    node: Node,
    budget: &mut Budget<'_>,
) -> io::Result<Option<State>> {
    Ok(match node {
        Node::File(file) => {
            budget.spend_bytes(&file)?;
            Some(State::File(content_digest(&file, budget.cancel)?))
        }
        Node::Directory => None,
        Node::SymbolicLink => {
            let target = std::fs::read_link(root.join(OsStr::from_bytes(path)))?;
            let target = target.as_os_str().as_bytes();
            Some(State::Link(Sha256Digest::of(target)))
        }
        _ => Some(State::Special),
    })
}

/// The digest of a file up to the size that it has now: one that is appended to has no end.
pub(super) fn content_digest(file: &File, cancel: &CancelFlag) -> io::Result<Sha256Digest> {
    let file = file.take(file.metadata()?.len());
    Sha256Digest::of_reader(Cancellable { file, cancel })
}

/// A file that cannot be read any more once the caller cancels.
struct Cancellable<'a, R> {
    file: R,
    cancel: &'a CancelFlag,
}

impl<R: Read> Read for Cancellable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.cancel.is_cancelled() {
            true => Err(give_up(GivenUp::Cancelled)),
            false => self.file.read(buffer),
        }
    }
}

/// A path for people and programs to read: what cannot be printed is escaped.
pub(super) fn printable(path: &[u8]) -> String {
    let Ok(path) = std::str::from_utf8(path) else {
        return path.escape_ascii().to_string();
    };
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '"' | '\'' => text.push(character),
            _ => text.extend(character.escape_debug()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn hostile_paths_are_escaped() {
        let check = |path: &[u8], expect: &str| assert_eq!(printable(path), expect);
        check(b"skills/it's.md", "skills/it's.md");
        check("é/日本".as_bytes(), "é/日本");
        check(b"a\nb\x1b[31m", r"a\nb\u{1b}[31m");
        check("\u{202e}gpj".as_bytes(), r"\u{202e}gpj");
        check(b"a\xffb", r"a\xffb");
        check(br"a\b", r"a\\b");
    }

    fn budget(cancel: &CancelFlag) -> Budget<'_> {
        Budget {
            entries: 3,
            path_bytes: 8,
            bytes: 10,
            cancel,
        }
    }

    /// What a directory with these files, each of this size, is for a small budget.
    fn check(files: &[(&str, u64)], expect: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, size) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap().set_len(*size).unwrap();
        }
        let found = snapshot(dir.path(), budget(&CancelFlag::default()));
        match (found, expect) {
            (Ok(found), None) => assert_eq!(found.len(), files.len()),
            (Err(PluginError::TooLarge { path, limit }), Some(expect)) => {
                assert_eq!(path, dir.path());
                assert!(limit.contains(expect), "{limit}");
            }
            (found, expect) => panic!("{found:?}, but {expect:?}"),
        }
    }

    #[test]
    fn what_is_over_budget_is_given_up_however_it_is_made() {
        check(&[("a", 5), ("b/c", 5)], None);
        check(&[("a", 5), ("b/c", 6)], Some("1 GiB"));
        check(&[("sparse", 8 << 40)], Some("1 GiB"));
        check(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)], Some("entries"));
        check(&[("a/b/c/d", 0)], Some("paths"));
        check(&[("a/b/c", 0)], Some("paths"));
    }

    #[test]
    fn a_snapshot_can_be_cancelled_even_within_a_file() {
        let cancel = CancelFlag::default();
        cancel.cancel();
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("file")).unwrap();
        let error = snapshot(dir.path(), Budget::new(&cancel)).unwrap_err();
        assert!(matches!(error, PluginError::Cancelled), "{error:?}");
        let file = File::open(dir.path().join("file")).unwrap();
        let error = content_digest(&file, &cancel).unwrap_err();
        assert!(matches!(explain(dir.path(), error), PluginError::Cancelled));
    }

    #[test]
    fn a_file_without_an_end_is_read_up_to_its_size() {
        let file = File::open("/dev/zero").unwrap();
        let digest = content_digest(&file, &CancelFlag::default()).unwrap();
        assert_eq!(digest, Sha256Digest::of(""));
    }

    #[test]
    fn what_the_archive_brought_is_within_the_budget_however_large() {
        let receipt = Receipt {
            name: "demo".parse().unwrap(),
            version: None,
            digest: Sha256Digest::of(""),
            expected_from: None,
            bytes: 5 << 40,
            files: [("rule".to_owned(), Sha256Digest::of(""))].into(),
            setup: BTreeMap::new(),
        };
        let cancel = CancelFlag::default();
        let budget = Budget::beyond(&receipt, &cancel);
        let beside = Budget::new(&cancel);
        assert_eq!(budget.entries, beside.entries + 1);
        assert_eq!(budget.path_bytes, beside.path_bytes + 4);
        assert_eq!(budget.bytes, beside.bytes + (5 << 40));
    }
}
