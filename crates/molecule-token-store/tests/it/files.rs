//! The rules for the store's directory and file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use molecule_token_store::{TokenStore, TokenStoreError, Wait};
use rustix::process::geteuid;

use crate::child::Process;
use crate::{PATIENT, check_loads, leftovers, mode, scratch, set_mode, store_with, token};

/// All three operations refuse, in the same way.
fn check_refused(store: &TokenStore, expect: fn(&TokenStoreError) -> bool) {
    let errors = [
        store.load(PATIENT).unwrap_err(),
        store.save(&token("new"), PATIENT).unwrap_err(),
        store.remove(PATIENT).unwrap_err(),
    ];
    for error in errors {
        assert!(expect(&error), "{error:?}");
    }
}

fn is_not_a_file(error: &TokenStoreError) -> bool {
    matches!(error, TokenStoreError::NotAFile { .. })
}

fn is_not_a_directory(error: &TokenStoreError) -> bool {
    matches!(error, TokenStoreError::NotADirectory { .. })
}

#[test]
fn a_token_is_saved_as_one_private_line() {
    let dir = scratch();
    let store = TokenStore::new(dir.path());
    store.save(&token(" token\n"), Wait::No).unwrap();
    assert_eq!(store.path(), dir.path().join(".auth_token"));
    assert_eq!(fs::read(store.path()).unwrap(), b"token");
    assert_eq!(mode(&store.path()), 0o600);
    assert!(leftovers(dir.path()).is_empty());
}

#[test]
fn a_missing_directory_has_no_token_and_is_not_created_by_looking() {
    let dir = scratch();
    let store = TokenStore::new(dir.path().join("missing"));
    check_loads(&store, None);
    assert!(!store.remove(Wait::No).unwrap());
    assert_eq!(store.revision().unwrap(), None);
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn removing_says_whether_there_was_a_token() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    assert!(store.remove(Wait::No).unwrap());
    check_loads(&store, None);
    assert!(!store.remove(Wait::No).unwrap());
}

#[test]
fn an_empty_file_is_no_token_but_can_be_saved_over() {
    let dir = scratch();
    let store = TokenStore::new(dir.path());
    for text in ["", "\n", " \t\r\n"] {
        fs::write(store.path(), text).unwrap();
        set_mode(&store.path(), 0o600);
        assert!(store.load(Wait::No).unwrap().is_none());
        assert!(
            store
                .load(Wait::For(Duration::from_secs(60)))
                .unwrap()
                .is_none(),
            "believed long before the wait ends"
        );
    }
    store.save(&token("token"), Wait::No).unwrap();
    check_loads(&store, Some("token"));
}

#[test]
fn new_directories_and_files_are_private_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let dir = scratch();
        let workspace = dir.path().join("molecule").join("workspace");
        let mut process = Process::start();
        process.run(&[
            &format!("umask {umask}"),
            &format!("save {} token", workspace.display()),
        ]);
        assert_eq!(mode(&dir.path().join("molecule")), 0o700, "umask {umask}");
        assert_eq!(mode(&workspace), 0o700, "umask {umask}");
        assert_eq!(mode(&workspace.join(".auth_token")), 0o600, "umask {umask}");

        process.run(&["umask 777", &format!("save {} newer", workspace.display())]);
        assert_eq!(mode(&workspace.join(".auth_token")), 0o600, "umask 777");
    }
}

#[test]
fn a_directory_open_to_others_is_restricted() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    for loose in [0o755, 0o770, 0o701, 0o777] {
        set_mode(dir.path(), loose);
        check_loads(&store, Some("token"));
        assert_eq!(mode(dir.path()), 0o700);
        set_mode(dir.path(), loose);
        store.save(&token("token"), Wait::No).unwrap();
        assert_eq!(mode(dir.path()), 0o700);
    }
}

#[test]
fn a_file_open_to_others_is_refused_with_a_hint_and_mended_by_a_save() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    for loose in [0o644, 0o640, 0o604, 0o660, 0o602] {
        set_mode(&store.path(), loose);
        for wait in [Wait::No, Wait::For(Duration::from_millis(1))] {
            let error = store.load(wait).unwrap_err();
            assert!(
                matches!(error, TokenStoreError::LooseMode { mode, .. } if mode == loose),
                "{error:?}"
            );
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        store.save(&token("token"), Wait::No).unwrap();
        assert_eq!(mode(&store.path()), 0o600);
    }
}

#[test]
fn a_symbolic_link_in_place_of_the_file_is_refused_and_its_target_untouched() {
    let (dir, elsewhere) = (scratch(), scratch());
    let store = TokenStore::new(dir.path());
    let target = elsewhere.path().join("target");
    symlink(&target, store.path()).unwrap();
    check_refused(&store, is_not_a_file);
    assert!(!target.exists(), "a dangling link creates nothing");

    fs::write(&target, "precious").unwrap();
    set_mode(&target, 0o600);
    check_refused(&store, is_not_a_file);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(leftovers(dir.path()).is_empty());
}

#[test]
fn what_is_no_file_is_refused_without_hanging() {
    let dir = scratch();
    let store = TokenStore::new(dir.path());
    fs::create_dir(store.path()).unwrap();
    check_refused(&store, is_not_a_file);
    fs::remove_dir(store.path()).unwrap();

    let _socket = UnixListener::bind(store.path()).unwrap();
    check_refused(&store, is_not_a_file);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_refused_without_hanging() {
    let dir = scratch();
    let store = TokenStore::new(dir.path());
    crate::mounted::make_pipe(&store.path());
    check_refused(&store, is_not_a_file);
}

#[test]
fn a_symbolic_link_in_place_of_the_directory_is_refused() {
    let (dir, elsewhere) = (scratch(), scratch());
    store_with(&elsewhere, "token");
    let link = dir.path().join("workspace");
    symlink(elsewhere.path(), &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        check_refused(&TokenStore::new(&path), is_not_a_directory);
    }
    check_loads(&TokenStore::new(elsewhere.path()), Some("token"));
}

#[test]
fn a_symbolic_link_above_the_directory_is_followed() {
    let (dir, elsewhere) = (scratch(), scratch());
    let link = dir.path().join("state");
    symlink(elsewhere.path(), &link).unwrap();
    let store = TokenStore::new(link.join("workspace"));
    store.save(&token("token"), Wait::No).unwrap();
    check_loads(
        &TokenStore::new(elsewhere.path().join("workspace")),
        Some("token"),
    );
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let dir = scratch();
    let file = dir.path().join("workspace");
    fs::write(&file, "").unwrap();
    check_refused(&TokenStore::new(&file), is_not_a_directory);
    check_refused(&TokenStore::new(file.join("below")), is_not_a_directory);
}

fn is_foreign(error: &TokenStoreError) -> bool {
    matches!(error, TokenStoreError::ForeignOwner { .. })
}

fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(geteuid().as_raw() + 1), None).unwrap();
}

/// Only root can give files away. For everybody else the root directory is the foreign one, and the
/// rule for files is the same function.
#[test]
fn what_belongs_to_another_user_is_refused() {
    if !geteuid().is_root() {
        return check_refused(&TokenStore::new("/"), is_foreign);
    }
    let dir = scratch();
    let store = store_with(&dir, "token");
    give_away(&store.path());
    check_refused(&store, is_foreign);

    let dir = scratch();
    let store = store_with(&dir, "token");
    set_mode(dir.path(), 0o755);
    give_away(dir.path());
    check_refused(&store, is_foreign);
    assert_eq!(mode(dir.path()), 0o755, "what is not ours is not changed");
}

#[test]
fn a_file_that_holds_no_token_is_an_error_that_does_not_show_it() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    for content in [
        &b"s3cr3t and more"[..],
        b"s3cr3t\nsecond line",
        b"s3cr3t\xff",
        b"s3cr3t\0",
    ] {
        fs::write(store.path(), content).unwrap();
        let error = store.load(Wait::No).unwrap_err();
        assert!(
            matches!(error, TokenStoreError::Invalid { .. }),
            "{error:?}"
        );
        assert!(
            !format!("{error} {error:?}").contains("s3cr3t"),
            "{error:?}"
        );
    }
    fs::write(store.path(), "x".repeat(8193)).unwrap();
    let error = store.load(Wait::No).unwrap_err();
    assert!(
        matches!(error, TokenStoreError::TooLarge { limit: 8192, .. }),
        "{error:?}"
    );
}

#[test]
fn the_revision_changes_with_the_file_and_only_then() {
    let dir = scratch();
    let store = store_with(&dir, "token");
    let first = store.revision().unwrap();
    assert!(first.is_some());
    check_loads(&store, Some("token"));
    assert_eq!(store.revision().unwrap(), first, "reading changes nothing");

    store.save(&token("token"), Wait::No).unwrap();
    let second = store.revision().unwrap();
    assert_ne!(second, first);

    fs::write(store.path(), "rewritten-in-place").unwrap();
    assert_ne!(store.revision().unwrap(), second);
    store.remove(Wait::No).unwrap();
    assert_eq!(store.revision().unwrap(), None);
}

#[test]
fn a_directory_that_cannot_be_created_is_an_error_that_names_it() {
    let dir = scratch();
    fs::DirBuilder::new()
        .mode(0o700)
        .create(dir.path().join("a"))
        .unwrap();
    symlink("nowhere/at/all", dir.path().join("a/dangling")).unwrap();
    let store = TokenStore::new(dir.path().join("a/dangling/workspace"));
    let error = store.save(&token("token"), Wait::No).unwrap_err();
    assert!(
        error.to_string().ends_with("/a/dangling/workspace"),
        "{error}"
    );
}
