//! Sharing the file with the Python SDK, whose `save_token` truncates, locks, unlocks, writes (its
//! buffer is flushed on close, after the unlock) and sets the mode, in this order; and whose
//! `load_token` reads under a shared lock.

use std::fs;
use std::thread;

use molecule_token_store::{TokenStore, TokenStoreError, Wait};

use crate::child::Process;
use crate::{PATIENT, check_loads, mode, scratch, store_with, token, wait_for_temp_file};

fn truncate(store: &TokenStore) -> String {
    format!("truncate {}", store.path().display())
}

fn chmod(store: &TokenStore) -> String {
    format!("chmod {}", store.path().display())
}

#[test]
fn a_token_saved_by_python_is_loaded() {
    let dir = scratch();
    let store = TokenStore::new(dir.path());
    let mut python = Process::start();
    python.run(&[
        "umask 022",
        &truncate(&store),
        "lock-exclusive",
        "unlock",
        "write from-python",
        "close",
    ]);
    assert_eq!(mode(&store.path()), 0o644);
    python.run(&[&chmod(&store)]);
    check_loads(&store, Some("from-python"));
}

#[test]
fn a_token_of_ours_is_loaded_by_python_and_saved_over() {
    let dir = scratch();
    let store = store_with(&dir, "ours");
    let mut python = Process::start();
    python.run(&[
        &format!("open {}", store.path().display()),
        "lock-shared",
        "unlock",
        "close",
    ]);
    python.run(&[
        &truncate(&store),
        "lock-exclusive",
        "unlock",
        "write from-python",
        "close",
        &chmod(&store),
    ]);
    check_loads(&store, Some("from-python"));
}

#[test]
fn every_stage_of_a_python_save_is_told_from_a_token() {
    let dir = scratch();
    let store = store_with(&dir, "a-longer-old-token");
    let before = store.revision().unwrap();
    let mut python = Process::start();

    python.run(&[&truncate(&store)]);
    assert!(
        store.load(Wait::No).unwrap().is_none(),
        "truncated, not locked yet"
    );
    assert_ne!(store.revision().unwrap(), before);
    python.run(&["lock-exclusive"]);
    assert!(
        matches!(store.load(Wait::No), Err(TokenStoreError::Contended { .. })),
        "locked"
    );
    python.run(&["unlock"]);
    assert!(
        store.load(Wait::No).unwrap().is_none(),
        "unlocked, not written yet"
    );
    python.run(&["write from-python"]);
    check_loads(&store, Some("from-python"));
}

#[test]
fn a_save_that_meets_a_python_save_waits_and_is_the_last() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    let mut python = Process::start();
    python.run(&[&truncate(&store), "lock-exclusive"]);
    thread::scope(|scope| {
        let save = scope.spawn(|| store.save(&token("ours"), PATIENT));
        wait_for_temp_file(dir.path(), &save);
        python.run(&["write from-python"]);
        assert_eq!(fs::read_to_string(store.path()).unwrap(), "from-python");
        python.run(&["unlock", "close"]);
        save.join().unwrap().unwrap();
    });
    check_loads(&store, Some("ours"));
}

/// The damage it does meanwhile is mended: it truncates the file, then gives up because the file is
/// locked.
#[test]
fn a_contended_python_save_cannot_empty_what_we_save() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    let (mut reader, mut python) = (Process::start(), Process::start());
    reader.run(&[&format!("open {}", store.path().display()), "lock-shared"]);
    thread::scope(|scope| {
        let save = scope.spawn(|| store.save(&token("ours"), PATIENT));
        wait_for_temp_file(dir.path(), &save);
        python.run(&[&truncate(&store)]);
        assert_eq!(python.ask("lock-exclusive"), "busy");
        python.run(&["close"]);
        reader.run(&["unlock"]);
        save.join().unwrap().unwrap();
    });
    check_loads(&store, Some("ours"));
}
