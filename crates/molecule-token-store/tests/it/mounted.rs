//! Tokens that something else mounted.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use molecule_token_store::{TokenStoreError, read_mounted};

use crate::{scratch, set_mode};

fn check(path: &Path, expect: Option<(&str, bool)>) {
    let mounted = read_mounted(path).unwrap();
    assert_eq!(
        mounted
            .as_ref()
            .map(|mounted| (mounted.token.expose(), mounted.world_readable)),
        expect
    );
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    set_mode(path, mode);
}

#[cfg(target_os = "linux")]
pub(crate) fn make_pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn check_not_a_file(path: &Path) {
    let error = read_mounted(path).unwrap_err();
    assert!(
        matches!(error, TokenStoreError::NotAFile { .. }),
        "{error:?}"
    );
}

#[test]
fn any_mode_is_read_and_a_world_readable_one_is_reported() {
    let dir = scratch();
    let path = dir.path().join(".auth_token");
    for (mode, world_readable) in [
        (0o644, true),
        (0o444, true),
        (0o600, false),
        (0o440, false),
        (0o400, false),
    ] {
        write(&path, "token\n", mode);
        check(&path, Some(("token", world_readable)));
        set_mode(&path, 0o600);
    }
}

#[test]
fn a_secret_mounted_by_kubernetes_is_read_through_its_links() {
    let dir = scratch();
    let data = dir.path().join("..2026_01_01");
    fs::create_dir(&data).unwrap();
    write(&data.join("token"), "token", 0o644);
    symlink("..2026_01_01", dir.path().join("..data")).unwrap();
    symlink("..data/token", dir.path().join("token")).unwrap();
    check(&dir.path().join("token"), Some(("token", true)));
}

#[test]
fn a_missing_or_empty_file_is_no_token() {
    let dir = scratch();
    check(&dir.path().join("missing"), None);
    check(&dir.path().join("missing/token"), None);
    let path = dir.path().join("empty");
    write(&path, " \n", 0o600);
    check(&path, None);
}

#[test]
fn only_regular_files_are_read_and_nothing_hangs() {
    let dir = scratch();
    check_not_a_file(dir.path());
    check_not_a_file(Path::new("/dev/null"));
    check_not_a_file(Path::new("/dev/zero"));
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    check_not_a_file(&socket);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_without_a_writer_is_refused_at_once() {
    let dir = scratch();
    let pipe = dir.path().join("pipe");
    make_pipe(&pipe);
    check_not_a_file(&pipe);
}

#[test]
fn what_is_no_token_is_an_error_that_does_not_show_it() {
    let dir = scratch();
    let path = dir.path().join("token");
    write(&path, "s3cr3t s3cr3t", 0o600);
    let error = read_mounted(&path).unwrap_err();
    assert!(
        matches!(error, TokenStoreError::Invalid { .. }),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));

    write(&path, &"x".repeat(100_000), 0o600);
    let error = read_mounted(&path).unwrap_err();
    assert!(
        matches!(error, TokenStoreError::TooLarge { .. }),
        "{error:?}"
    );
}

#[test]
fn debug_of_a_mounted_token_shows_no_secret() {
    let dir = scratch();
    let path = dir.path().join("token");
    write(&path, "s3cr3t-s3cr3t-s3cr3t", 0o600);
    let mounted = read_mounted(&path).unwrap().unwrap();
    assert_eq!(
        format!("{mounted:?}"),
        "MountedToken { token: Token([redacted]), world_readable: false }"
    );
}
