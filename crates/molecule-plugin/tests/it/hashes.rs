//! The manifest hash: the original's, from a directory and from an archive.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use molecule_plugin::{
    Manifest, ManifestHash, PluginError, PluginErrorKind, Sha256Digest, manifest_digest,
    verify_plugin_sha256,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::tree::{Files, check_tar, directory, files, scratch, write};

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    files: BTreeMap<String, String>,
    directories: Vec<String>,
    manifest_json: String,
    sha256: String,
}

impl Vector {
    fn files(&self) -> Files {
        files(self.files.iter().map(|(path, text)| (&**path, &**text)))
    }
}

fn vectors() -> Vec<Vector> {
    let file = include_str!("../vectors/manifest-hash.json");
    let Vectors { vectors } = serde_json::from_str(file).unwrap();
    assert!(vectors.len() >= 24);
    vectors
}

#[test]
fn texts_and_hashes_are_the_originals() {
    for vector in vectors() {
        let mut hash = ManifestHash::default();
        // In reverse, so that the order of adding is not the order of the text.
        for (path, content) in vector.files.iter().rev() {
            hash.add(path, Sha256Digest::of(content));
        }
        assert_eq!(hash.to_json(), vector.manifest_json, "{}", vector.name);
        assert_eq!(hash.digest().to_string(), vector.sha256, "{}", vector.name);
    }
}

#[test]
fn directories_have_the_originals_hashes() {
    for vector in vectors() {
        let dir = directory(&vector.files());
        for name in &vector.directories {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let digest = manifest_digest(dir.path()).unwrap();
        assert_eq!(digest.to_string(), vector.sha256, "{}", vector.name);
        assert!(verify_plugin_sha256(dir.path(), &vector.sha256).unwrap());
    }
}

/// Archives may hold no control characters, no backslashes and none of the names that only some systems take; the directories of the
/// test above do.
#[test]
fn archives_have_the_originals_hashes_too() {
    let mut compared = 0;
    for vector in vectors() {
        let archive = tar_of(&vector.files());
        let mut observer = molecule_plugin::HashObserver::default();
        let options = molecule_plugin::safe_tar::Options::new();
        let checked = molecule_plugin::safe_tar::check_tar(&archive[..], &options, &mut observer);
        if checked.is_ok() {
            let digest = observer.hash().digest();
            assert_eq!(digest.to_string(), vector.sha256, "{}", vector.name);
            compared += 1;
        }
    }
    assert!(compared >= 12, "{compared}");
}

fn tar_of(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, path, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn mode_and_times_do_not_count() {
    let dir = directory(&files([("setup.sh", "#!/bin/sh\n")]));
    let before = manifest_digest(dir.path()).unwrap();
    let setup = dir.path().join("setup.sh");
    fs::set_permissions(&setup, Permissions::from_mode(0o755)).unwrap();
    fs::File::open(&setup)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(manifest_digest(dir.path()).unwrap(), before);
}

#[test]
fn a_changed_an_added_and_a_renamed_file_each_change_the_hash() {
    let of = |pairs| manifest_digest(directory(&files(pairs)).path()).unwrap();
    let digests = [
        of([("a", "1"), ("b", "2")]),
        of([("a", "1"), ("b", "3")]),
        of([("a", "2"), ("b", "1")]),
        of([("a", "1"), ("c", "2")]),
        of([("a", "1"), ("b/c", "2")]),
        of([("a", "1"), ("B", "2")]),
    ];
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn the_originals_function_says_yes_no_or_why_not() {
    let dir = directory(&files([("a", "1")]));
    let digest = manifest_digest(dir.path()).unwrap().to_string();
    assert!(verify_plugin_sha256(dir.path(), &digest).unwrap());
    assert!(!verify_plugin_sha256(dir.path(), &"0".repeat(64)).unwrap());
    let error = verify_plugin_sha256(dir.path(), &digest.to_uppercase()).unwrap_err();
    assert_eq!(error.kind(), PluginErrorKind::Usage);
}

/// A directory whose hash is refused because of `name`, and for this reason.
fn foreign(dir: &std::path::Path, name: &OsStr, reason: &str) {
    match manifest_digest(dir) {
        Err(PluginError::Foreign { path, what }) => {
            assert_eq!(path, dir.join(name));
            assert!(what.contains(reason), "{what}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_symbolic_link_is_neither_followed_nor_left_out() {
    let outside = directory(&files([("secret", "s")]));
    for target in ["secret", "nowhere", "."] {
        let dir = directory(&files([("a", "1")]));
        symlink(outside.path().join(target), dir.path().join("link")).unwrap();
        foreign(dir.path(), OsStr::new("link"), "symbolic link");
    }
}

#[test]
fn the_directory_itself_may_not_be_a_link() {
    let dir = directory(&files([("a", "1")]));
    let other = scratch();
    let link = other.path().join("link");
    symlink(dir.path(), &link).unwrap();
    assert!(manifest_digest(&link).is_err());
}

#[test]
fn a_socket_is_refused_without_hanging() {
    let dir = directory(&files([("a", "1")]));
    let _listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    foreign(dir.path(), OsStr::new("socket"), "socket");
}

#[test]
fn a_name_that_is_not_utf_8_is_refused() {
    let dir = directory(&files([("a", "1")]));
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::write(dir.path().join(name), "").unwrap();
    foreign(dir.path(), name, "not UTF-8");
}

#[test]
fn an_error_about_a_file_shows_no_raw_control_characters() {
    let dir = directory(&files([("a", "1")]));
    symlink("x", dir.path().join("\u{1b}[2J\n")).unwrap();
    let message = manifest_digest(dir.path()).unwrap_err().to_string();
    assert!(message.contains(r"\u{1b}[2J\n"), "{message}");
    assert!(!message.contains(['\u{1b}', '\n']), "{message}");
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_left_out() {
    let missing = scratch().path().join("missing");
    let error = manifest_digest(&missing).unwrap_err();
    assert_eq!(error.kind(), PluginErrorKind::Disk);

    if rustix::process::geteuid().is_root() {
        return;
    }
    for mode in [0o000, 0o300] {
        let dir = directory(&files([("a", "1"), ("hidden/b", "2")]));
        let hidden = dir.path().join("hidden");
        fs::set_permissions(&hidden, Permissions::from_mode(mode)).unwrap();
        let read = manifest_digest(dir.path());
        fs::set_permissions(&hidden, Permissions::from_mode(0o700)).unwrap();
        assert!(read.is_err());
    }
}

#[test]
fn the_observer_keeps_the_manifest_at_the_root_and_no_more_than_is_read() {
    let root = "name: root\n";
    let (_, seen) = check_tar(&tar_of(&files([
        ("a/plugin.yaml", "name: other\n"),
        ("plugin.yaml", root),
        ("z", "1"),
    ])));
    assert_eq!(seen.manifest(), Some(root.as_bytes()));
    assert_eq!(seen.hash().files().len(), 3);

    let (_, seen) = check_tar(&tar_of(&files([("a/plugin.yaml", "name: other\n")])));
    assert_eq!(seen.manifest(), None);

    let (_, seen) = check_tar(&tar_of(&files([("plugin.yaml", "")])));
    assert_eq!(seen.manifest(), Some(&b""[..]));

    let large = "#".repeat(300_000);
    let (_, seen) = check_tar(&tar_of(&files([("plugin.yaml", large.as_str())])));
    let kept = seen.manifest().unwrap();
    assert_eq!(kept.len() as u64, Manifest::MAX_BYTES + 1);
    assert!(Manifest::parse(kept).is_err());
}

/// The rule of JSON text once more: through serde_json, and then everything outside of ASCII, and 0x7f, as UTF-16.
fn python_json(paths: &[(String, Sha256Digest)]) -> String {
    let escaped = |text: &str| {
        let json = serde_json::to_string(text).unwrap();
        let units = json.chars().map(|c| match c {
            ' '..='~' => c.to_string(),
            _ => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        });
        units.collect::<String>()
    };
    let pairs: Vec<String> = paths
        .iter()
        .map(|(path, digest)| format!("[{}, \"{digest}\"]", escaped(path)))
        .collect();
    format!("[{}]", pairs.join(", "))
}

proptest! {
    #[test]
    fn the_text_is_the_json_of_python(
        paths in prop::collection::btree_set(
            prop_oneof!["[a-c./-]{1,5}", ".{1,6}", "[\\x00-\\x1f\"\\\\\\x7f-\\xa0]{1,4}", "[\\u{d000}-\\u{10ffff}]{1,3}"],
            0..8,
        ),
        reverse: bool,
    ) {
        let expected: Vec<_> = paths
            .iter()
            .filter(|path| *path != "plugin.yaml")
            .map(|path| (path.clone(), Sha256Digest::of(path)))
            .collect();
        let mut order: Vec<_> = paths.iter().collect();
        if reverse {
            order.reverse();
        }
        let mut hash = ManifestHash::default();
        for path in order {
            hash.add(path, Sha256Digest::of(path));
        }
        prop_assert_eq!(hash.to_json(), python_json(&expected));
        prop_assert_eq!(hash.digest(), Sha256Digest::of(hash.to_json()));
        prop_assert!(hash.to_json().is_ascii());
    }

    #[test]
    fn an_archive_and_its_directory_have_one_hash(
        contents in prop::collection::btree_map(
            "([a-f]{1,2}/){0,3}[a-f\\u{e9}\\u{65e5}]{1,3}\\.f",
            prop::collection::vec(any::<u8>(), 0..2000),
            0..6,
        ),
    ) {
        let dir = directory(&contents);
        let (_, seen) = check_tar(&tar_of(&contents));
        prop_assert_eq!(seen.hash().digest(), manifest_digest(dir.path()).unwrap());
        let on_disk = ManifestHash::of_directory(dir.path()).unwrap();
        prop_assert_eq!(on_disk.files(), seen.hash().files());
    }
}

#[test]
fn a_file_that_is_written_to_is_not_skipped() {
    let dir = directory(&files([("a", "1")]));
    let before = manifest_digest(dir.path()).unwrap();
    write(dir.path(), "a", "2");
    assert_ne!(manifest_digest(dir.path()).unwrap(), before);
}
