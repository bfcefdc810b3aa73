//! Extractions in a process of narrow limits: this test binary again, running one of the ignored tests below in a directory of
//! its own.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use molecule_safe_tar::{Options, UnpackError, tree, unpack};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::builder::Tar;
use crate::sandbox::{gz, listing, mode, scratch};
use crate::tree::chain;

const ARCHIVE: &str = "archive";

/// Runs a test below after `limits`, as a shell sets them.
#[expect(
    clippy::disallowed_methods,
    reason = "limits and masks belong to a whole process"
)]
#[track_caller]
fn run_limited(dir: &TempDir, limits: &str, test: &str) {
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!(
            "{limits} && exec \"$0\" --exact child::{test} --ignored"
        ))
        .arg(std::env::current_exe().unwrap())
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// Whether this process is one that `run_limited` started.
fn is_child() -> bool {
    Path::new(ARCHIVE).exists()
}

fn unpack_here() -> Result<(), UnpackError> {
    let archive = fs::File::open(ARCHIVE).unwrap();
    unpack(archive, Path::new("."), "new", &Options::new(), &mut ())
        .map(|quarantine| drop(quarantine.release()))
}

#[track_caller]
fn check_fails(expected: Errno, path: &str) {
    match unpack_here() {
        Err(UnpackError::Disk {
            source,
            path: failed,
            ..
        }) => {
            assert_eq!(source.raw_os_error(), Some(expected.raw_os_error()));
            assert!(failed.ends_with(path), "{failed:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(listing(Path::new(".")).len(), 2);
}

fn with_archive(tar: Tar) -> TempDir {
    let dir = scratch();
    fs::write(dir.path().join(ARCHIVE), gz(&tar.end())).unwrap();
    dir
}

#[test]
fn any_umask_gives_the_same_modes() {
    for umask in ["000", "022", "077", "377", "777"] {
        let tar = Tar::new().directory("a/").file("a/b/c", "c").file("d", "d");
        let dir = with_archive(tar);
        run_limited(&dir, &format!("umask {umask}"), "unpacks");
        let at = |name: &str| mode(&dir.path().join("new").join(name));
        assert_eq!(
            ["", "a", "a/b", "a/b/c", "d"].map(at),
            [0o700, 0o755, 0o755, 0o644, 0o644]
        );
    }
}

#[test]
#[ignore = "the body of a child process"]
fn unpacks() {
    if is_child() {
        crate::sandbox::unprivileged(Path::new("."), || unpack_here().unwrap());
    }
}

#[test]
fn a_file_that_does_not_fit_is_a_typed_error_and_nothing_is_left() {
    for size in [100_000, 2_000_000] {
        let tar = Tar::new()
            .file("a/fits", "x")
            .file("a/too-large", vec![b'x'; size]);
        // The limit is in blocks of 512 bytes, and the signal would end the process.
        run_limited(
            &with_archive(tar),
            "trap '' XFSZ && ulimit -f 100",
            "finds_no_space",
        );
    }
}

#[test]
#[ignore = "the body of a child process"]
fn finds_no_space() {
    if is_child() {
        check_fails(Errno::FBIG, "new/a/too-large");
    }
}

#[test]
fn running_out_of_descriptors_is_a_typed_error_and_nothing_is_left() {
    let path = (0..45).fold(String::new(), |path, n| format!("{path}{}/", n % 10)) + "file";
    let tar = Tar::new().file(path, "x");
    run_limited(&with_archive(tar), "ulimit -n 40", "finds_no_descriptors");
}

#[test]
#[ignore = "the body of a child process"]
fn finds_no_descriptors() {
    if is_child() {
        check_fails(Errno::MFILE, "");
    }
}

#[test]
fn trees_of_any_depth_and_width_take_few_descriptors() {
    let tar = (0..500).fold(Tar::new(), |tar, n| tar.file(format!("{}/{n}", n % 7), "x"));
    run_limited(&with_archive(tar), "ulimit -n 110", "has_few_descriptors");
}

#[test]
#[ignore = "the body of a child process"]
fn has_few_descriptors() {
    if !is_child() {
        return;
    }
    unpack_here().unwrap();
    let new = Path::new("new");
    tree::sync(new).unwrap();
    chain(new, 500);
    tree::sync(new).unwrap();
    let mut nodes = 0;
    let walked = tree::walk(new, &mut |_, _| {
        nodes += 1;
        Ok(())
    });
    walked.unwrap();
    assert_eq!(nodes, 500 + 7 + 500 + 5);
    chain(&new.join("0"), 3000);
    let error = tree::walk(new, &mut |_, _| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilename);
    tree::remove(new).unwrap();
    assert_eq!(listing(Path::new(".")).len(), 2);
}
