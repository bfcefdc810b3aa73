//! Other processes hold the lock, read, or save at the same time.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use molecule_token_store::{Token, TokenStore, TokenStoreError, Wait};
use rustix::fs::{FlockOperation, flock};

use crate::child::Process;
use crate::{
    PATIENT, check_loads, leftovers, mode, scratch, set_mode, store_with, token, wait_for_temp_file,
};

/// A second process that holds the store's lock.
fn holder(store: &TokenStore, lock: &str) -> Process {
    let mut process = Process::start();
    process.run(&[&format!("open {}", store.path().display()), lock]);
    process
}

fn check_contended<T: std::fmt::Debug>(store: &TokenStore, result: Result<T, TokenStoreError>) {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, TokenStoreError::Contended { path } if *path == store.path()),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("another process holds the token file"),
        "{error}"
    );
}

fn check_save_waits_for(lock: &str) {
    let dir = scratch();
    let store = store_with(&dir, "old");
    let mut process = holder(&store, lock);

    check_contended(&store, store.save(&token("new"), Wait::No));
    check_contended(
        &store,
        store.save(&token("new"), Wait::For(Duration::from_millis(5))),
    );
    assert_eq!(fs::read_to_string(store.path()).unwrap(), "old");
    assert!(
        leftovers(dir.path()).is_empty(),
        "a save that gives up cleans up"
    );

    thread::scope(|scope| {
        let save = scope.spawn(|| store.save(&token("new"), PATIENT));
        wait_for_temp_file(dir.path(), &save);
        assert_eq!(
            fs::read_to_string(store.path()).unwrap(),
            "old",
            "nothing changes under a lock"
        );
        process.run(&["unlock"]);
        save.join().unwrap().unwrap();
    });
    check_loads(&store, Some("new"));
    assert!(leftovers(dir.path()).is_empty());
}

#[test]
fn a_save_waits_for_a_process_that_writes_under_flock() {
    check_save_waits_for("lock-exclusive");
}

#[test]
fn a_save_waits_for_a_process_that_reads_under_flock() {
    check_save_waits_for("lock-shared");
}

#[test]
fn a_load_waits_for_a_writer_but_not_for_a_reader() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    let mut process = holder(&store, "lock-shared");
    assert_eq!(store.load(Wait::No).unwrap().unwrap().expose(), "token");

    process.run(&["lock-exclusive"]);
    check_contended(&store, store.load(Wait::No));
    check_contended(&store, store.load(Wait::For(Duration::from_millis(5))));
    thread::scope(|scope| {
        let load = scope.spawn(|| store.load(PATIENT));
        process.run(&["unlock"]);
        assert_eq!(load.join().unwrap().unwrap().unwrap().expose(), "token");
    });
}

#[test]
fn a_removal_waits_for_other_processes() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    let mut process = holder(&store, "lock-shared");
    check_contended(&store, store.remove(Wait::No));
    check_loads(&store, Some("token"));
    process.run(&["unlock"]);
    assert!(store.remove(Wait::No).unwrap());
}

#[test]
fn one_process_at_a_time_rotates() {
    let dir = scratch();
    let store = TokenStore::new(dir.path().join("new"));
    let rotate = format!("rotate {}", dir.path().join("new").display());
    let mut process = Process::start();
    process.run(&[&rotate]);
    for wait in [Wait::No, Wait::For(Duration::from_millis(5))] {
        let error = store.lock_rotation(wait).unwrap_err();
        assert!(
            matches!(&error, TokenStoreError::Rotating { path } if *path == store.path()),
            "{error:?}"
        );
    }
    process.kill();
    let held = store.lock_rotation(Wait::No).unwrap();
    let mut process = Process::start();
    let answer = process.ask(&rotate);
    assert!(answer.contains("another process is replacing"), "{answer}");
    drop(held);
    process.run(&[&rotate]);
    assert_eq!(mode(&dir.path().join("new/.rotation.lock")), 0o600);
}

#[test]
fn a_rotation_waits_until_the_other_one_is_done() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    let held = store.lock_rotation(Wait::No).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let _held = store.lock_rotation(PATIENT).unwrap();
            store.load(PATIENT).unwrap().unwrap().expose().to_owned()
        });
        store.save(&token("new"), PATIENT).unwrap();
        drop(held);
        assert_eq!(waiting.join().unwrap(), "new");
    });
}

#[test]
fn a_rotation_keeps_nobody_from_loading_and_saving() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    let _held = store.lock_rotation(Wait::No).unwrap();
    store.save(&token("new"), Wait::No).unwrap();
    check_loads(&store, Some("new"));
    assert!(store.remove(Wait::No).unwrap());
}

#[test]
fn what_is_no_file_is_no_lock_of_a_rotation() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    fs::create_dir(dir.path().join(".rotation.lock")).unwrap();
    let error = store.lock_rotation(Wait::No).unwrap_err();
    assert!(
        matches!(&error, TokenStoreError::NotAFile { path } if path.ends_with(".rotation.lock")),
        "{error:?}"
    );
}

#[test]
fn a_lock_dies_with_its_process() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    holder(&store, "lock-exclusive").kill();
    store.save(&token("new"), Wait::No).unwrap();
}

#[test]
fn nobody_waits_for_the_lock_of_a_file_that_is_gone() {
    let dir = scratch();
    let store = store_with(&dir, "old");
    let _process = holder(&store, "lock-exclusive");
    thread::scope(|scope| {
        let save = scope.spawn(|| store.save(&token("new"), PATIENT));
        wait_for_temp_file(dir.path(), &save);
        let other = dir.path().join("restored-from-backup");
        fs::write(&other, "backup").unwrap();
        set_mode(&other, 0o600);
        fs::rename(&other, store.path()).unwrap();
        save.join().unwrap().unwrap();
    });
    check_loads(&store, Some("new"));
}

/// A lock counts once the name still stands for the locked file. Whoever holds it then must see no
/// change: that fails when savers believe a lock on a file that another saver has renamed over.
#[test]
fn a_file_that_is_locked_and_current_is_not_replaced() {
    let dir = scratch();
    let store = store_with(&dir, "aaaa");
    let held = AtomicU32::new(0);
    let save_often = || (0..150).for_each(|_| store.save(&token("bbbb"), PATIENT).unwrap());
    thread::scope(|scope| {
        let savers = [0; 3].map(|_| scope.spawn(save_often));
        while !savers.iter().all(ScopedJoinHandle::is_finished) {
            hold_and_watch(&store.path(), &held);
        }
    });
    assert!(held.into_inner() > 0, "the lock was never held");
}

fn hold_and_watch(path: &Path, held: &AtomicU32) {
    let file = File::open(path).unwrap();
    let inode = file.metadata().unwrap().ino();
    let current = || fs::metadata(path).unwrap().ino() == inode;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() && current() {
        held.fetch_add(1, Ordering::Relaxed);
        (0..50).for_each(|_| assert!(current(), "replaced under a lock"));
    }
}

#[test]
fn readers_during_ten_thousand_saves_see_whole_private_tokens() {
    let dir = scratch();
    let (short, long) = (token("short"), token(&"long".repeat(1000)));
    let store = store_with(&dir, "short");
    let done = AtomicBool::new(false);
    let check_is_one = |text: &str| {
        let known = [&short, &long].iter().any(|token| token.expose() == text);
        assert!(known, "{text:?}");
    };
    let until_done = |read: &dyn Fn()| {
        let mut reads = 0;
        while !done.load(Ordering::Relaxed) {
            read();
            reads += 1;
        }
        assert!(reads > 100, "only {reads} reads");
    };
    thread::scope(|scope| {
        scope
            .spawn(|| until_done(&|| check_is_one(store.load(PATIENT).unwrap().unwrap().expose())));
        scope.spawn(|| until_done(&|| check_is_one(&naive_read(&store.path()))));
        let mut tokens = [&long, &short].into_iter().cycle().take(10_000);
        let saved = tokens.try_for_each(|token| store.save(token, PATIENT));
        done.store(true, Ordering::Relaxed);
        saved.unwrap();
    });
    assert!(leftovers(dir.path()).is_empty());
}

/// A reader that knows nothing of locks.
fn naive_read(path: &Path) -> String {
    let mut file = File::open(path).unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn concurrent_first_saves_all_succeed_and_leave_one_token() {
    for _ in 0..20 {
        let dir = scratch();
        let store = TokenStore::new(dir.path().join("new").join("workspace"));
        let tokens: Vec<Token> = (0..8)
            .map(|number| token(&format!("token-{number}")))
            .collect();
        thread::scope(|scope| {
            for token in &tokens {
                scope.spawn(|| store.save(token, PATIENT).unwrap());
            }
        });
        let loaded = store.load(Wait::No).unwrap().unwrap();
        assert!(tokens.iter().any(|token| token.same_as(&loaded)));
        assert_eq!(mode(&store.path()), 0o600);
        assert!(leftovers(store.path().parent().unwrap()).is_empty());
    }
}
