//! A directory with bystanders in it, to see what an extraction leaves alone.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use molecule_safe_tar::{Observer, Options, Quarantine, Refusal, UnpackError, check, unpack};
use rustix::process::geteuid;
use tempfile::TempDir;

/// Mode, and contents or target.
type Listing = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// Somebody without rights.
const NOBODY: u32 = 65534;

/// A directory in memory where there is one.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    packed(bytes, Compression::fast())
}

/// As gzip, but not compressed, which takes no time.
pub(crate) fn stored(bytes: &[u8]) -> Vec<u8> {
    packed(bytes, Compression::none())
}

fn packed(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), compression);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything below `dir`, as its owner sees it.
pub(crate) fn listing(dir: &Path) -> Listing {
    let mut listing = Listing::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            pending.extend(entries.map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        let name = path.strip_prefix(dir).unwrap().to_owned();
        listing.insert(name, (metadata.mode(), content));
    }
    listing
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs `f` on a thread that has no more rights than anybody, also where the tests have all.
pub(crate) fn unprivileged<T: Send>(dir: &Path, f: impl FnOnce() -> T + Send) -> T {
    let root = geteuid().is_root();
    if root {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = || {
        if root {
            give_up_rights();
        }
        f()
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(target_os = "linux")]
fn give_up_rights() {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn give_up_rights() {
    panic!("a thread cannot give up its rights on this system; run the tests as a user");
}

/// Bystanders, and a directory among them to unpack into.
pub(crate) struct Sandbox {
    outer: TempDir,
    before: Listing,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let outer = scratch();
        let at = |name: &str| outer.path().join(name);
        fs::create_dir(at("inside")).unwrap();
        fs::write(at("inside/neighbour"), "untouched").unwrap();
        fs::write(at("file"), "untouched").unwrap();
        fs::create_dir(at("private")).unwrap();
        fs::write(at("private/secret"), "untouched").unwrap();
        set_mode(&at("private/secret"), 0o400);
        symlink("private", at("link")).unwrap();
        let before = listing(outer.path());
        Self { outer, before }
    }

    pub(crate) fn outer(&self) -> &Path {
        self.outer.path()
    }

    /// Where archives are unpacked.
    pub(crate) fn inside(&self) -> PathBuf {
        self.outer.path().join("inside")
    }

    pub(crate) fn unpack_watched<O: Observer + Send>(
        &self,
        archive: impl Read,
        options: &Options,
        observer: &mut O,
    ) -> Result<Quarantine, UnpackError> {
        unpack(archive, &self.inside(), "new", options, observer)
    }

    pub(crate) fn unpack(&self, archive: impl Read) -> Result<Quarantine, UnpackError> {
        self.unpack_watched(archive, &Options::new(), &mut ())
    }

    /// Nothing was added, changed or removed.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        assert_eq!(listing(self.outer()), self.before);
    }

    /// Why the archive is refused; nothing is left then, and `check` agrees.
    #[track_caller]
    pub(crate) fn refusal(&self, archive: &[u8], options: &Options) -> Refusal {
        let refusal = match self.unpack_watched(archive, options, &mut ()) {
            Err(UnpackError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        self.is_untouched();
        match check(archive, options, &mut ()) {
            Err(UnpackError::Refused(checked)) => assert_eq!(checked, refusal),
            other => panic!("{other:?}"),
        }
        refusal
    }

    #[track_caller]
    pub(crate) fn refuses(&self, archive: &[u8], kind: &str) {
        let refusal = self.refusal(archive, &Options::new());
        assert_eq!(refusal.kind(), kind, "{refusal}");
    }

    /// What an archive unpacks to.
    #[track_caller]
    pub(crate) fn accepts(&self, archive: impl Read) -> Listing {
        let quarantine = self.unpack(archive).unwrap();
        let unpacked = listing(quarantine.path());
        quarantine.discard().unwrap();
        self.is_untouched();
        unpacked
    }
}
