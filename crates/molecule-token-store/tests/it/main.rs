//! The store against real files, real locks and real processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod child;
mod contention;
mod crash;
mod files;
mod mounted;
mod python;
mod round_trip;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use molecule_token_store::{Token, TokenStore, Wait};
use tempfile::TempDir;

/// Long enough for any machine; a test that waits this long has failed.
const PATIENT: Wait = Wait::For(Duration::from_secs(60));

/// A directory in memory where there is one, so that thousands of saves do not wait for a disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

/// A store in `dir` that holds a token.
fn store_with(dir: &TempDir, text: &str) -> TokenStore {
    let store = TokenStore::new(dir.path());
    store.save(&token(text), PATIENT).unwrap();
    store
}

fn check_loads(store: &TokenStore, expect: Option<&str>) {
    let loaded = store.load(PATIENT).unwrap();
    assert_eq!(loaded.as_ref().map(Token::expose), expect);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The files beside the token file.
fn leftovers(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| !path.ends_with(".auth_token"))
        .collect()
}

/// Until the save got as far as waiting for the lock.
fn wait_for_temp_file<T>(dir: &Path, save: &ScopedJoinHandle<'_, T>) {
    while leftovers(dir).is_empty() && !save.is_finished() {
        thread::yield_now();
    }
}
