//! Trees, walked, removed and synced, whatever is in them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use molecule_safe_tar::tree::{self, Node};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::sandbox::{Sandbox, listing, scratch, set_mode, unprivileged};

/// Everything that `walk` meets, in words.
fn walked(root: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut seen = BTreeMap::new();
    tree::walk(root, &mut |path, node| {
        let word = match node {
            Node::File(mut file) => {
                let mut content = String::new();
                file.read_to_string(&mut content)?;
                content
            }
            Node::Directory => "<directory>".to_owned(),
            Node::SymbolicLink => "<link>".to_owned(),
            Node::Special => "<special>".to_owned(),
            other => panic!("{other:?}"),
        };
        let path = path.escape_ascii().to_string();
        assert_eq!(seen.insert(path, word), None);
        Ok(())
    })?;
    Ok(seen)
}

/// The error, with what it says and what the system said.
#[track_caller]
fn check_error(result: io::Result<impl std::fmt::Debug>, kind: ErrorKind, text: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().ends_with(text), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

/// What would block whoever opens it.
#[cfg(target_os = "linux")]
fn pipe(path: &Path) {
    use rustix::fs::{FileType, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn pipe(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

/// A chain of directories, through handles, because the path becomes too long for the system.
pub(crate) fn chain(top: &Path, depth: usize) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = openat(CWD, top, flags, Mode::empty()).unwrap();
    for level in 0..depth {
        mkdirat(&at, "d", Mode::RWXU).unwrap();
        let file = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        if level % 100 == 0 {
            openat(&at, "file", file, Mode::RUSR).unwrap();
        }
        at = openat(&at, "d", flags, Mode::empty()).unwrap();
    }
}

#[test]
fn a_walk_meets_everything_once_and_follows_nothing() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("top"), "1").unwrap();
    fs::write(at("a/b/c/deep"), "2").unwrap();
    fs::write(at("a/x"), "3").unwrap();
    symlink("..", at("a/up")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    pipe(&at("pipe"));
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let expected = [
        ("a", "<directory>"),
        ("a/b", "<directory>"),
        ("a/b/c", "<directory>"),
        ("a/b/c/deep", "2"),
        ("a/up", "<link>"),
        ("a/x", "3"),
        ("dangling", "<link>"),
        ("empty", "<directory>"),
        ("pipe", "<special>"),
        ("socket", "<special>"),
        ("top", "1"),
    ];
    let expected = expected.map(|(path, word)| (path.to_owned(), word.to_owned()));
    assert_eq!(walked(dir.path()).unwrap(), expected.into());
}

#[test]
fn a_directory_comes_before_what_it_holds() {
    let dir = scratch();
    for path in ["a/b/c", "a/d", "e/f", "g"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
        fs::write(dir.path().join(path).join("file"), "").unwrap();
    }
    let mut order: Vec<String> = Vec::new();
    tree::walk(dir.path(), &mut |path, _| {
        order.push(String::from_utf8(path.to_owned()).unwrap());
        Ok(())
    })
    .unwrap();
    assert_eq!(order.len(), 11);
    for (at, path) in order.iter().enumerate() {
        let below = format!("{path}/");
        assert!(
            order[..at].iter().all(|other| !other.starts_with(&below)),
            "{order:?}"
        );
    }
}

#[test]
fn a_visitor_bounds_how_many_directories_are_kept() {
    let dir = scratch();
    for n in 0..50 {
        fs::create_dir(dir.path().join(n.to_string())).unwrap();
    }
    let mut visited = 0;
    let walked = tree::walk(dir.path(), &mut |_, _| {
        visited += 1;
        match visited {
            10 => Err(io::Error::other("enough")),
            _ => Ok(()),
        }
    });
    assert_eq!(walked.unwrap_err().to_string(), "enough");
    assert_eq!(visited, 10);
}

#[test]
fn names_that_are_not_utf8_are_walked() {
    use std::os::unix::ffi::OsStrExt;
    let dir = scratch();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff\n")), "x").unwrap();
    assert_eq!(
        walked(dir.path()).unwrap(),
        [("\\xff\\n".to_owned(), "x".to_owned())].into()
    );
}

#[test]
fn a_walk_begins_at_a_directory_and_at_no_link() {
    let sandbox = Sandbox::new();
    for name in ["link", "link/", "link/.", "file", "missing"] {
        assert!(walked(&sandbox.outer().join(name)).is_err(), "{name}");
    }
    assert_eq!(walked(&sandbox.outer().join("inside/")).unwrap().len(), 1);
}

#[test]
fn what_the_visitor_says_ends_the_walk() {
    let sandbox = Sandbox::new();
    let result = tree::walk(sandbox.outer(), &mut |_, _| Err(io::Error::other("enough")));
    assert_eq!(result.unwrap_err().to_string(), "enough");
}

#[test]
fn a_walk_does_not_pass_over_what_it_cannot_read() {
    let dir = scratch();
    for (name, mode) in [("file", 0), ("listed", 0o400), ("entered", 0o300)] {
        let root = dir.path().join(name);
        unprivileged(dir.path(), || {
            fs::create_dir(&root).unwrap();
            fs::create_dir(root.join("d")).unwrap();
            fs::write(root.join("d/f"), "").unwrap();
            match name {
                "file" => set_mode(&root.join("d/f"), mode),
                _ => set_mode(&root.join("d"), mode),
            }
            let text = if name == "file" { "/d/f" } else { "/d" };
            check_error(walked(&root), ErrorKind::PermissionDenied, text);
        });
    }
}

#[test]
fn a_walk_through_an_absurd_depth_ends_in_an_error() {
    let dir = scratch();
    chain(dir.path(), 3000);
    let error = walked(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilename);
    tree::remove(&dir.path().join("d")).unwrap();
}

#[test]
fn a_deep_tree_is_walked() {
    let dir = scratch();
    chain(dir.path(), 1000);
    assert_eq!(walked(dir.path()).unwrap().len(), 1010);
    tree::sync(dir.path()).unwrap();
    tree::remove(&dir.path().join("d")).unwrap();
}

#[test]
fn what_is_removed_is_gone_and_nothing_else() {
    let sandbox = Sandbox::new();
    let root = sandbox.inside().join("new");
    let at = |name: &str| root.join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/file"), "").unwrap();
    set_mode(&at("a/b/file"), 0);
    symlink("../../private", at("a/link")).unwrap();
    symlink("/", at("root")).unwrap();
    pipe(&at("a/pipe"));
    tree::remove(&root).unwrap();
    sandbox.is_untouched();
}

#[test]
fn removing_what_is_not_a_directory_removes_just_that() {
    let sandbox = Sandbox::new();
    let root = sandbox.inside().join("new");
    for slash in ["", "/"] {
        symlink("../private", &root).unwrap();
        tree::remove(Path::new(&format!("{}{slash}", root.display()))).unwrap();
        sandbox.is_untouched();
    }
    fs::write(&root, "").unwrap();
    tree::remove(&root).unwrap();
    sandbox.is_untouched();
}

#[test]
fn removing_what_is_not_there_is_no_error() {
    let sandbox = Sandbox::new();
    tree::remove(&sandbox.inside().join("missing")).unwrap();
    tree::remove(&sandbox.outer().join("missing/new")).unwrap();
    sandbox.is_untouched();
}

#[test]
fn a_path_without_a_name_is_not_removed() {
    let sandbox = Sandbox::new();
    for path in ["/", "..", "inside/.."] {
        let path = match path {
            "inside/.." => sandbox.outer().join(path),
            path => path.into(),
        };
        assert_eq!(
            tree::remove(&path).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
    sandbox.is_untouched();
}

#[test]
fn read_only_and_unreadable_directories_are_removed() {
    let dir = scratch();
    unprivileged(dir.path(), || {
        for mode in [0, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600] {
            let root = dir.path().join("new");
            fs::create_dir_all(root.join("a/b/c")).unwrap();
            for path in ["a/b/c", "a/b", "a", ""] {
                fs::write(root.join(path).join("file"), "").unwrap();
            }
            for path in ["a/b/c", "a/b", "a", ""] {
                set_mode(&root.join(path), mode);
            }
            tree::remove(&root).unwrap();
            assert!(!root.exists(), "{mode:o}");
        }
    });
}

#[test]
fn deep_trees_of_directories_without_rights_are_removed() {
    use rustix::fs::{chmod, fchmod};
    let dir = scratch();
    unprivileged(dir.path(), || {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = dir.path().join("new");
        fs::create_dir(&root).unwrap();
        let mut handles = vec![openat(CWD, &root, flags, Mode::empty()).unwrap()];
        for _ in 0..100 {
            let at = handles.last().unwrap();
            mkdirat(at, "d", Mode::RWXU).unwrap();
            mkdirat(at, "e", Mode::RWXU).unwrap();
            let next = openat(at, "d", flags, Mode::empty()).unwrap();
            handles.push(next);
        }
        for handle in &handles {
            fchmod(handle, Mode::empty()).unwrap();
        }
        drop(handles);
        tree::remove(&root).unwrap();
        assert!(chmod(&root, Mode::RWXU).is_err());
    });
    assert_eq!(listing(dir.path()).len(), 1);
}

#[test]
fn names_that_the_removal_itself_would_choose_may_be_taken() {
    let sandbox = Sandbox::new();
    let root = sandbox.inside().join("new");
    // In turns, so that some are there while a deep tree is removed, in whatever order the disk lists them.
    for n in 0..10 {
        let deep = root.join(n.to_string());
        fs::create_dir_all(&deep).unwrap();
        chain(&deep, 40);
        fs::create_dir_all(root.join(format!(".removing-{n}/full"))).unwrap();
    }
    tree::remove(&root).unwrap();
    sandbox.is_untouched();
}

#[test]
fn a_very_deep_tree_is_removed() {
    let sandbox = Sandbox::new();
    let root = sandbox.inside().join("new");
    fs::create_dir(&root).unwrap();
    chain(&root, 5000);
    tree::remove(&root).unwrap();
    sandbox.is_untouched();
}

#[test]
fn what_cannot_be_removed_is_named() {
    let dir = scratch();
    unprivileged(dir.path(), || {
        let root = dir.path().join("new");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("file"), "").unwrap();
        set_mode(dir.path(), 0o500);
        check_error(tree::remove(&root), ErrorKind::PermissionDenied, "/new");
        set_mode(dir.path(), 0o700);
    });
}

#[test]
fn a_tree_is_synced_and_what_cannot_be_is_named() {
    let dir = scratch();
    unprivileged(dir.path(), || {
        let root = dir.path().join("new");
        fs::create_dir_all(root.join("a/b")).unwrap();
        for n in 0..100 {
            fs::write(root.join(format!("a/b/{n}")), "x").unwrap();
        }
        symlink("nowhere", root.join("link")).unwrap();
        pipe(&root.join("pipe"));
        tree::sync(&root).unwrap();
        set_mode(&root.join("a/b/7"), 0);
        check_error(tree::sync(&root), ErrorKind::PermissionDenied, "/new/a/b/7");
    });
    check_error(
        tree::sync(&dir.path().join("missing")),
        ErrorKind::NotFound,
        "/missing",
    );
}
