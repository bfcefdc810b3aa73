//! Plugins on disk and in archives, for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use molecule_plugin::HashObserver;
use molecule_plugin::safe_tar::{self, Options};
use tempfile::TempDir;

/// Files of a plugin: path and content.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Files {
    files
        .into_iter()
        .map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()))
        .collect()
}

/// A new directory that holds these files.
pub(crate) fn directory(files: &Files) -> TempDir {
    let dir = scratch();
    for (path, content) in files {
        write(dir.path(), path, content);
    }
    dir
}

pub(crate) fn write(dir: &Path, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// A directory in memory where there is one.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Unpacks a bare tar archive, hashing on the way.
pub(crate) fn check_tar(archive: &[u8]) -> (safe_tar::Summary, HashObserver) {
    let mut observer = HashObserver::default();
    let summary = safe_tar::check_tar(archive, &Options::new(), &mut observer).unwrap();
    (summary, observer)
}

/// A `.tar.gz` of a bare tar archive.
#[cfg(feature = "install")]
pub(crate) fn gzip(archive: &[u8]) -> Vec<u8> {
    use std::io::Write;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(archive).unwrap();
    encoder.finish().unwrap()
}
