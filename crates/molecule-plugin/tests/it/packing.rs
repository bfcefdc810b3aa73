//! `pack`: one archive for one content, and only what can be installed.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use molecule_plugin::{
    Manifest, PackOptions, Packed, PluginError, PluginErrorKind, manifest_digest, pack,
};
use proptest::prelude::*;

use crate::tree::{Files, check_tar, directory, files, scratch, write};

fn packed(dir: &Path, options: &PackOptions) -> Result<(Packed, Vec<u8>), PluginError> {
    let mut archive = Vec::new();
    let packed = pack(dir, &mut archive, options);
    match packed {
        Ok(packed) => Ok((packed, archive)),
        Err(error) => {
            assert!(archive.is_empty(), "nothing is written before an error");
            Err(error)
        }
    }
}

fn plain(dir: &Path) -> (Packed, Vec<u8>) {
    packed(dir, &PackOptions::new()).unwrap()
}

fn declared(dir: &Path) -> (Packed, Vec<u8>) {
    packed(dir, &PackOptions::new().with_declared_hash(true)).unwrap()
}

fn refused(dir: &Path, code: &str) -> PluginError {
    let error = packed(dir, &PackOptions::new()).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error
}

/// What another reader finds in an archive: paths, and contents of files.
fn contents(archive: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let is_file = entry.header().entry_type().is_file();
        (path, is_file.then_some(bytes))
    });
    entries.collect()
}

fn manifest_in(archive: &[u8]) -> String {
    let found = contents(archive);
    let (_, manifest) = found
        .iter()
        .find(|(path, _)| path == "plugin.yaml")
        .unwrap();
    String::from_utf8(manifest.clone().unwrap()).unwrap()
}

#[test]
fn entries_are_sorted_relative_and_as_the_platform_writes_them() {
    let dir = directory(&files([
        ("plugin.yaml", "name: demo\n"),
        ("setup.sh", "#!/bin/sh\n"),
        ("rules/r.md", "be kind\n"),
        ("rules-b", "x"),
        ("B", ""),
    ]));
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::set_permissions(dir.path().join("setup.sh"), Permissions::from_mode(0o4700)).unwrap();
    fs::set_permissions(dir.path().join("rules/r.md"), Permissions::from_mode(0o611)).unwrap();
    let (packed, bytes) = plain(dir.path());

    let mut archive = tar::Archive::new(&bytes[..]);
    let shown: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert!(header.as_ustar().is_some());
            let zeros = (
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap(),
            );
            assert_eq!(zeros, (0, 0, 0));
            let kind = char::from(header.entry_type().as_byte());
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            format!("{kind} {:04o} {path}", header.mode().unwrap())
        })
        .collect();
    let expected = [
        "0 0644 B",
        "5 0755 empty",
        "0 0644 plugin.yaml",
        "5 0755 rules",
        "0 0644 rules-b",
        "0 0644 rules/r.md",
        "0 0755 setup.sh",
    ];
    assert_eq!(shown, expected);
    assert_eq!(bytes.len() % 512, 0);
    assert_eq!((packed.files, packed.bytes), (5, 30));
    assert_eq!(packed.digest, manifest_digest(dir.path()).unwrap());
}

#[test]
fn owner_time_and_order_on_the_disk_change_no_byte() {
    let some = [
        ("plugin.yaml", "name: demo\n"),
        ("a", "1"),
        ("b/c", "2"),
        ("b/d", "3"),
    ];
    let one = directory(&files(some));
    let other = scratch();
    for (path, content) in some.into_iter().rev() {
        let path = write(other.path(), path, content);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let file = fs::File::open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    assert_eq!(plain(one.path()).1, plain(other.path()).1);
    assert_eq!(declared(one.path()).1, declared(other.path()).1);
}

#[test]
fn paths_too_long_for_the_old_format_are_packed_for_every_reader() {
    let long = "n".repeat(255);
    let deep = format!("{}/{}/f", "d".repeat(90), "e".repeat(90));
    let accents = format!("x{}", "\u{e9}".repeat(101));
    let some = files([
        (long.as_str(), "1"),
        (deep.as_str(), "2"),
        (accents.as_str(), "3"),
        ("z", "4"),
    ]);
    let dir = directory(&some);
    write(
        dir.path(),
        &format!("{}/{}/x", "p".repeat(200), "q".repeat(200)),
        "5",
    );
    let (packed, archive) = plain(dir.path());
    assert_eq!(packed.files, 5);
    let found = contents(&archive);
    for (path, content) in &some {
        assert!(
            found.contains(&(path.clone(), Some(content.clone()))),
            "{path}"
        );
    }
    assert!(found.contains(&(format!("{}/{}", "p".repeat(200), "q".repeat(200)), None)));
}

#[test]
fn an_empty_directory_is_an_archive_without_entries() {
    let dir = scratch();
    let (packed, archive) = plain(dir.path());
    assert_eq!((packed.files, packed.bytes), (0, 0));
    assert_eq!(archive, [0; 1024]);
}

#[test]
fn what_an_installation_would_refuse_or_skip_is_not_packed() {
    let dir = directory(&files([("a", "1")]));
    symlink("a", dir.path().join("link")).unwrap();
    refused(dir.path(), "foreign-file");

    let dir = directory(&files([("back\\slash", "1")]));
    assert_eq!(
        packed(dir.path(), &PackOptions::new()).unwrap_err().kind(),
        PluginErrorKind::Integrity
    );

    for names in [
        ["Readme", "README"],
        ["\u{e9}", "e\u{301}"],
        ["x", "PLUGIN.yaml"],
    ] {
        let dir = directory(&files(names.map(|name| (name, "1"))));
        let error = packed(dir.path(), &PackOptions::new()).unwrap_err();
        assert!(matches!(error, PluginError::Unpack(_)), "{error}");
    }

    let deep = vec!["d"; 70].join("/");
    let dir = directory(&files([(deep.as_str(), "1")]));
    let error = packed(dir.path(), &PackOptions::new()).unwrap_err();
    assert!(matches!(error, PluginError::Unpack(_)), "{error}");

    let dir = scratch();
    fs::create_dir(dir.path().join("plugin.yaml")).unwrap();
    assert!(packed(dir.path(), &PackOptions::new()).is_err());

    let error = refused(&scratch().path().join("missing"), "disk");
    assert_eq!(error.kind(), PluginErrorKind::Disk);
}

#[test]
fn a_manifest_that_an_installation_would_refuse_is_not_packed() {
    for text in ["", "- a\n", "sha256: null\n", "a: &b c\n"] {
        let dir = directory(&files([("plugin.yaml", text)]));
        refused(dir.path(), "manifest");
    }
    let large = "#".repeat(70_000);
    refused(
        directory(&files([("plugin.yaml", large.as_str())])).path(),
        "manifest",
    );

    let stale = format!("sha256: '{}'\n", "0".repeat(64));
    let dir = directory(&files([("plugin.yaml", stale.as_str()), ("a", "1")]));
    let error = refused(dir.path(), "mismatch");
    assert!(
        error.to_string().contains("manifest expects 0000"),
        "{error}"
    );
}

/// What becomes of a `plugin.yaml` when the hash `H` is declared in it.
fn declaring(before: &str, after: &str) {
    let some = files([("plugin.yaml", before), ("a", "1")]);
    let dir = directory(&some);
    let (packed, archive) = declared(dir.path());
    let digest = packed.digest.to_string();
    assert_eq!(
        manifest_in(&archive),
        after.replace('H', &digest),
        "{before:?}"
    );
    let parsed = Manifest::parse(manifest_in(&archive).as_bytes()).unwrap();
    assert_eq!(parsed.sha256, Some(packed.digest));
    assert_eq!(packed.digest, manifest_digest(dir.path()).unwrap());
    assert_eq!(
        fs::read(dir.path().join("plugin.yaml")).unwrap(),
        before.as_bytes()
    );
}

#[test]
fn the_hash_is_declared_in_the_archive_and_no_other_byte_of_the_manifest_changes() {
    declaring("name: x\n", "name: x\nsha256: \"H\"\n");
    declaring("name: x", "name: x\nsha256: \"H\"\n");
    declaring(
        "name: x\r\nb: 1\r\n",
        "name: x\r\nb: 1\r\nsha256: \"H\"\r\n",
    );
    declaring("name: x\r\nb: 1", "name: x\r\nb: 1\r\nsha256: \"H\"\r\n");
    declaring("sha256: TODO\nname: x\n", "sha256: \"H\"\nname: x\n");
    declaring(
        "a: 1 # c\n\nsha256:\nname:   x\n",
        "a: 1 # c\n\nsha256: \"H\"\nname:   x\n",
    );
    declaring("'sha256' : 1\nname: x\n", "sha256: \"H\"\nname: x\n");
    declaring("name: x\n\"sha256\": 1\n", "name: x\nsha256: \"H\"\n");
    declaring("sha256: old", "sha256: \"H\"\n");
    declaring("a:\n  sha256: 1\n", "a:\n  sha256: 1\nsha256: \"H\"\n");
    declaring("sha256x: 1\n", "sha256x: 1\nsha256: \"H\"\n");
    declaring("", "sha256: \"H\"\n");
    declaring("# only a comment\n", "# only a comment\nsha256: \"H\"\n");
    declaring("text: |\n  a\n\n", "text: |\n  a\n\nsha256: \"H\"\n");
}

#[test]
fn declaring_twice_is_declaring_once() {
    let dir = directory(&files([
        ("plugin.yaml", "name: x\nsha256: 0\nb: 1\n"),
        ("a", "1"),
    ]));
    let (_, first) = declared(dir.path());
    write(dir.path(), "plugin.yaml", manifest_in(&first));
    assert_eq!(declared(dir.path()).1, first);
    assert_eq!(plain(dir.path()).1, first);
}

#[test]
fn the_text_of_a_manifest_is_made_to_declare_the_hash_without_packing() {
    let digest = molecule_plugin::Sha256Digest::of(b"x");
    let text = molecule_plugin::declare_hash(b"sha256: old\r\nname: x\r\n", digest).unwrap();
    assert_eq!(
        text,
        format!("sha256: \"{digest}\"\r\nname: x\r\n").as_bytes()
    );
    let error = molecule_plugin::declare_hash(b"{name: x}\n", digest).unwrap_err();
    assert_eq!(error.code(), "undeclared");
}

#[test]
fn a_manifest_that_one_line_cannot_make_declare_the_hash_is_an_error() {
    for (text, hint) in [
        ("{name: x}\n", "one line"),
        ("sha256:\n  continued\n", "one line"),
        ("sha256: 1\nsha256: 2\n", "one line"),
        ("? sha256\n: 1\n", "one line"),
        ("name: &a x\n", "one line"),
        ("name: x\n...\n", "one line"),
        ("a: {\n  b: {},\nsha256: 1\n}\n", "one line"),
        ("a: \"b\nsha256: 1\n  c\"\n", "one line"),
    ] {
        let dir = directory(&files([("plugin.yaml", text)]));
        let error = packed(dir.path(), &PackOptions::new().with_declared_hash(true)).unwrap_err();
        assert_eq!(error.code(), "undeclared", "{text:?}: {error}");
        assert!(error.to_string().contains(hint), "{text:?}: {error}");
    }
    let dir = directory(&files([("a", "1")]));
    let error = packed(dir.path(), &PackOptions::new().with_declared_hash(true)).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
}

struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_archive_that_cannot_be_written_is_an_error_about_the_archive() {
    let content = "x".repeat(100_000);
    let dir = directory(&files([("a", content.as_str())]));
    for room in [0, 10_000] {
        let error = pack(dir.path(), Full(room), &PackOptions::new()).unwrap_err();
        assert_eq!(error.kind(), PluginErrorKind::Disk);
        assert!(
            error.to_string().contains("cannot write the archive"),
            "{error}"
        );
    }
}

/// Changes the directory as soon as the first byte of the archive is written.
struct Changing<'a>(&'a mut dyn FnMut());

impl Write for Changing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_directory_that_changes_while_it_is_packed_is_an_error() {
    let changes: [fn(&Path); 6] = [
        |dir| fs::write(dir.join("z"), "longer than before").unwrap(),
        |dir| fs::write(dir.join("z"), "s").unwrap(),
        |dir| fs::write(dir.join("z"), "other").unwrap(),
        |dir| fs::remove_file(dir.join("z")).unwrap(),
        |dir| fs::write(dir.join("plugin.yaml"), "name: y\n").unwrap(),
        |dir| {
            fs::remove_file(dir.join("z")).unwrap();
            symlink("same", dir.join("z")).unwrap();
        },
    ];
    // Larger than what is read ahead of the first write.
    let large = "x".repeat(3 << 20);
    for (index, change) in changes.into_iter().enumerate() {
        let dir = directory(&files([
            ("a", large.as_str()),
            ("plugin.yaml", "name: x\n"),
            ("same", "first"),
            ("z", "first"),
        ]));
        let mut pending = Some(change);
        let mut now = || {
            if let Some(change) = pending.take() {
                change(dir.path());
            }
        };
        let error = pack(dir.path(), Changing(&mut now), &PackOptions::new()).unwrap_err();
        assert_eq!(error.code(), "disk", "change {index}: {error}");
    }
}

#[cfg(feature = "install")]
fn installs(archive: &[u8], packed: &Packed) {
    use molecule_plugin::{InstallOptions, PluginStore, SetupPolicy, install};

    use crate::tree::gzip;

    let home = scratch();
    let store = PluginStore::open(home.path().join("plugins")).unwrap();
    let options = InstallOptions::new()
        .with_expected(packed.digest)
        .with_setup(SetupPolicy::Never);
    let name = "demo".parse().unwrap();
    let report = install(&store, &name, &gzip(archive)[..], &options).unwrap();
    assert!(report.verified);
    assert_eq!(report.digest, packed.digest);
}

#[cfg(feature = "install")]
#[test]
fn what_is_packed_installs() {
    let dir = directory(&files([("plugin.yaml", "name: x\n"), ("a/b", "1")]));
    let (packed, archive) = declared(dir.path());
    installs(&archive, &packed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_packed_is_read_back_with_the_same_hash_and_contents(
        some in prop::collection::btree_map(
            "([a-c]{1,2}/){0,3}[a-c\\u{e9}]{1,3}\\.f",
            prop::collection::vec(any::<u8>(), 0..1500),
            0..6,
        ),
        declare: bool,
    ) {
        let mut some: Files = some;
        some.insert("plugin.yaml".to_owned(), b"name: x\n".to_vec());
        let dir = directory(&some);
        let options = PackOptions::new().with_declared_hash(declare);
        let (packed, archive) = packed(dir.path(), &options).unwrap();
        let (summary, seen) = check_tar(&archive);
        prop_assert_eq!(summary.skipped_in_all, 0);
        prop_assert_eq!(seen.hash().digest(), packed.digest);
        prop_assert_eq!(packed.digest, manifest_digest(dir.path()).unwrap());
        prop_assert_eq!((summary.files, summary.bytes), (packed.files, packed.bytes));
        let read: Files = contents(&archive)
            .into_iter()
            .filter_map(|(path, content)| Some((path, content?)))
            .collect();
        if declare {
            some.insert("plugin.yaml".to_owned(), format!("name: x\nsha256: \"{}\"\n", packed.digest).into_bytes());
        }
        prop_assert_eq!(read, some);
    }
}
