//! Savers that are killed.

use std::fs::{self, File};
use std::hint::spin_loop;
use std::path::Path;

use molecule_token_store::{TokenStore, Wait};
use rustix::fs::{FlockOperation, flock};

use crate::child::Process;
use crate::{check_loads, leftovers, mode, scratch, set_mode, store_with, token};

const TOKENS: [&str; 2] = ["first-token", "the-second-token-is-longer"];

/// Starts a process that saves as fast as it can and kills it, later from round to round.
fn kill_while_saving(dir: &Path, round: usize) {
    let mut process = Process::start();
    process.send(&format!(
        "save-forever {} {}",
        dir.display(),
        TOKENS.join(" ")
    ));
    assert_eq!(process.answer(), "ready");
    for _ in 0..round % 4 {
        assert_eq!(process.answer(), "saved");
    }
    (0..round * 7919 % 20_000).for_each(|_| spin_loop());
    process.kill();
}

/// Checks what the killed process left, and says how many files it left beside the token.
fn check_after_kill(dir: &Path, may_be_missing: bool) -> usize {
    let store = TokenStore::new(dir);
    match fs::read_to_string(store.path()) {
        Ok(text) => {
            assert!(TOKENS.contains(&text.as_str()), "{text:?}");
            assert_eq!(mode(&store.path()), 0o600);
        }
        Err(error) => assert!(may_be_missing, "{error}"),
    }
    let left = leftovers(dir);
    left.iter()
        .for_each(|path| assert_eq!(mode(path), 0o600, "{path:?}"));
    store.save(&token(TOKENS[0]), Wait::No).unwrap();
    assert!(
        leftovers(dir).is_empty(),
        "the next save collects what was left"
    );
    check_loads(&store, Some(TOKENS[0]));
    left.len()
}

#[test]
fn a_saver_killed_at_any_moment_leaves_a_whole_private_token() {
    let dir = scratch();
    store_with(&dir, TOKENS[0]);
    let killed_within = (0..150).filter(|&round| {
        kill_while_saving(dir.path(), round);
        check_after_kill(dir.path(), false) > 0
    });
    assert!(killed_within.count() > 0, "no kill hit a save");
}

#[test]
fn a_first_save_killed_at_any_moment_leaves_a_whole_token_or_none() {
    for round in 0..50 {
        let dir = scratch();
        kill_while_saving(dir.path(), round * 4);
        check_after_kill(dir.path(), true);
    }
}

#[test]
fn the_temporary_file_of_a_living_saver_is_not_collected() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    let path = dir.path().join(".auth_token.1.0.tmp");
    let file = File::create(&path).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();

    store.save(&token("newer"), Wait::No).unwrap();
    assert!(path.exists());
    flock(&file, FlockOperation::NonBlockingUnlock).unwrap();
    store.save(&token("newest"), Wait::No).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_removal_collects_leftovers_too_and_nothing_else() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    let names = [
        ".auth_token.1.0.tmp",
        "cursor",
        ".auth_token.bak",
        ".auth_token.tmp",
    ];
    for name in names {
        fs::write(dir.path().join(name), "text").unwrap();
        set_mode(&dir.path().join(name), 0o600);
    }
    assert!(store.remove(Wait::No).unwrap());
    let left: Vec<bool> = names
        .iter()
        .map(|name| dir.path().join(name).exists())
        .collect();
    assert_eq!(left, [false, true, true, true]);
}
