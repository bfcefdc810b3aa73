//! A `.tar.gz` of any bytes unpacks to exactly what was seen on the way, or to nothing; and what lies beside it stays as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use molecule_plugin::{HashObserver, manifest_digest};
use molecule_safe_tar::{Summary, UnpackError, check, unpack};
use tempfile::TempDir;

use crate::archive::{gzip, repaired, with_right_trailer};
use crate::listing::{File, Listing, check_error, options};

/// Takes a gzip stream as it is, and once more with its checksum repaired; anything else is taken for a bare archive, repaired
/// and compressed.
pub fn run(bytes: &[u8]) {
    if !bytes.starts_with(b"\x1f\x8b") {
        return archive(&gzip(&repaired(bytes)));
    }
    archive(bytes);
    if let Some(right) = with_right_trailer(bytes) {
        archive(&right);
    }
}

fn archive(bytes: &[u8]) {
    let mut listing = Listing::default();
    let checked = check(bytes, &options(), &mut listing);
    match &checked {
        Ok(summary) => listing.check(summary),
        Err(error) => check_error(error),
    }
    if is_sampled(bytes) {
        on_disk(bytes, &checked, listing);
    }
}

/// A disk takes its time: one input of eight, and always the same ones.
fn is_sampled(bytes: &[u8]) -> bool {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    sum % 8 == 0
}

/// Unpacking decides as checking did, writes what checking saw, and leaves nothing else.
fn on_disk(bytes: &[u8], checked: &Result<Summary, UnpackError>, listing: Listing) {
    let desk = Desk::new();
    let mut hash = HashObserver::default();
    match unpack(bytes, &desk.parent(), "new", &options(), &mut hash) {
        Ok(quarantine) => {
            assert_eq!(Some(quarantine.summary()), checked.as_ref().ok());
            let mut seen = listing.files;
            seen.sort();
            assert_eq!(
                files(quarantine.path()),
                seen,
                "on the disk, and on the way"
            );
            let digest = manifest_digest(quarantine.path()).expect("what was unpacked is read");
            assert_eq!(hash.hash().digest(), digest, "while writing, and after");
            quarantine.discard().expect("what was unpacked is removed");
        }
        Err(error) => {
            let expected = checked.as_ref().expect_err("checking refused it too");
            assert_eq!(error.to_string(), expected.to_string());
        }
    }
    desk.check();
}

/// A directory to unpack in, and a neighbour that no archive may touch.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let desk = Self(dir.expect("a temporary directory is made"));
        fs::create_dir(desk.parent()).expect("a directory is made");
        fs::write(desk.0.path().join("neighbour"), "untouched").expect("a file is written");
        desk
    }

    fn parent(&self) -> PathBuf {
        self.0.path().join("parent")
    }

    fn check(&self) {
        let neighbour = File {
            path: "neighbour".to_owned(),
            executable: false,
            content: b"untouched".to_vec(),
        };
        assert_eq!(files(self.0.path()), [neighbour], "something is left");
        let left = fs::read_dir(self.parent()).expect("a directory is listed");
        assert_eq!(left.count(), 0, "a directory is left");
    }
}

/// Every file below a directory, sorted.
fn files(root: &Path) -> Vec<File> {
    let mut found = Vec::new();
    collect(root, "", &mut found);
    found.sort();
    found
}

fn collect(dir: &Path, prefix: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(dir).expect("a directory is listed") {
        let entry = entry.expect("a directory is listed");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = format!("{prefix}{name}");
        let metadata = entry.metadata().expect("what is listed is there");
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{path}/"), found);
        } else {
            assert!(metadata.is_file(), "{path} is no regular file");
            found.push(File {
                path,
                executable: metadata.permissions().mode() & 0o100 != 0,
                content: fs::read(entry.path()).expect("a file is read"),
            });
        }
    }
}
