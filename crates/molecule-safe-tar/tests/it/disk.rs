//! What is on the disk afterwards.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use molecule_safe_tar::{FileEntry, Observer, Options, UnpackError, tree, unpack};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::builder::{Header, Tar, at};
use crate::sandbox::{Sandbox, gz, listing, mode, scratch, set_mode, unprivileged};

fn plugin() -> Tar {
    Tar::new()
        .directory("skills/")
        .file("skills/deep/er/a.md", "a")
        .file("skills/deep/b.md", "b")
        .entry(
            Header::new(b'0', b"setup.sh", 4).put(at::MODE, b"0000755\0"),
            b"echo",
        )
        .file("top", "")
}

/// Longer than is unpacked without a second thread.
fn long(tar: Tar) -> Tar {
    tar.file("long", vec![b'x'; 300_000])
}

/// The system's word for a failure.
fn disk_error(result: Result<impl std::fmt::Debug, UnpackError>) -> ErrorKind {
    match result {
        Err(UnpackError::Disk { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn contents_and_modes_are_those_of_the_archive_and_nothing_else() {
    let sandbox = Sandbox::new();
    let quarantine = sandbox.unpack(&gz(&plugin().end())[..]).unwrap();
    let unpacked = listing(quarantine.path());
    let expected = [
        ("", 0o40700, ""),
        ("setup.sh", 0o100_755, "echo"),
        ("skills", 0o40755, ""),
        ("skills/deep", 0o40755, ""),
        ("skills/deep/b.md", 0o100_644, "b"),
        ("skills/deep/er", 0o40755, ""),
        ("skills/deep/er/a.md", 0o100_644, "a"),
        ("top", 0o100_644, ""),
    ];
    let expected = expected.map(|(path, mode, content)| (path.into(), (mode, content.into())));
    assert_eq!(unpacked, expected.into());
    let summary = quarantine.summary();
    assert_eq!(
        (summary.files, summary.directories, summary.bytes),
        (4, 3, 6)
    );
}

#[test]
fn modes_of_the_archive_do_not_get_in() {
    let sandbox = Sandbox::new();
    for bits in ["0007777", "0006755", "0000000", "0000400"] {
        let bits = format!("{bits}\0");
        let tar = Tar::new()
            .entry(
                Header::new(b'5', b"directory/", 0).put(at::MODE, bits.as_bytes()),
                b"",
            )
            .entry(
                Header::new(b'0', b"file", 0).put(at::MODE, bits.as_bytes()),
                b"",
            );
        let quarantine = sandbox.unpack(&gz(&tar.end())[..]).unwrap();
        let executable = &bits[4..5] == "7";
        assert_eq!(mode(&quarantine.path().join("directory")), 0o755);
        assert_eq!(
            mode(&quarantine.path().join("file")),
            if executable { 0o755 } else { 0o644 }
        );
    }
}

#[test]
fn the_group_bit_of_the_parent_is_not_handed_down() {
    let sandbox = Sandbox::new();
    set_mode(&sandbox.inside(), 0o2755);
    let quarantine = sandbox.unpack(&gz(&plugin().end())[..]).unwrap();
    assert_eq!(mode(quarantine.path()), 0o700);
    assert_eq!(mode(&quarantine.path().join("skills")), 0o755);
}

#[test]
fn links_are_left_out() {
    let sandbox = Sandbox::new();
    let tar = plugin()
        .symbolic_link("link", "../../file")
        .hard_link("hard", "top");
    let quarantine = sandbox.unpack(&gz(&tar.end())[..]).unwrap();
    assert_eq!(quarantine.summary().skipped_in_all, 2);
    assert!(fs::symlink_metadata(quarantine.path().join("link")).is_err());
    assert!(fs::symlink_metadata(quarantine.path().join("hard")).is_err());
}

#[test]
fn what_nobody_takes_is_removed() {
    let sandbox = Sandbox::new();
    let archive = gz(&plugin().end());
    drop(sandbox.unpack(&archive[..]).unwrap());
    sandbox.is_untouched();
    sandbox.unpack(&archive[..]).unwrap().discard().unwrap();
    sandbox.is_untouched();
}

#[test]
fn what_is_released_stays() {
    let sandbox = Sandbox::new();
    let path = sandbox.unpack(&gz(&plugin().end())[..]).unwrap().release();
    assert_eq!(fs::read(path.join("setup.sh")).unwrap(), b"echo");
}

#[test]
fn what_was_moved_away_is_not_removed() {
    let sandbox = Sandbox::new();
    let quarantine = sandbox.unpack(&gz(&plugin().end())[..]).unwrap();
    let moved = sandbox.inside().join("moved");
    fs::rename(quarantine.path(), &moved).unwrap();
    quarantine.discard().unwrap();
    assert!(moved.join("setup.sh").exists());
}

#[test]
fn it_is_removed_where_it_was_made_although_the_parent_was_moved() {
    let sandbox = Sandbox::new();
    let quarantine = sandbox.unpack(&gz(&plugin().end())[..]).unwrap();
    let (here, there) = (sandbox.inside(), sandbox.outer().join("there"));
    fs::rename(&here, &there).unwrap();
    fs::create_dir_all(here.join("new")).unwrap();
    drop(quarantine);
    assert!(here.join("new").exists());
    assert!(!there.join("new").exists());
}

#[test]
fn a_synced_directory_is_unchanged() {
    let sandbox = Sandbox::new();
    let quarantine = sandbox.unpack(&gz(&long(plugin()).end())[..]).unwrap();
    let before = listing(quarantine.path());
    quarantine.sync().unwrap();
    assert_eq!(listing(quarantine.path()), before);
}

#[test]
fn a_refusal_at_any_entry_leaves_nothing() {
    let sandbox = Sandbox::new();
    let bad: [fn(Tar) -> Tar; 3] = [
        |tar| tar.file("../escape", "x"),
        |tar| tar.directory("x/").symbolic_link("x", "/"),
        |tar| tar.entry(Header::new(b'0', b"late", 4).put(at::SIZE, b"9"), b"four"),
    ];
    for spoil in bad {
        for before in [
            Tar::new(),
            plugin(),
            long(plugin()),
            long(Tar::new()).directory("skills/"),
        ] {
            sandbox.refusal(&gz(&spoil(before).end()), &Options::new());
        }
    }
}

#[test]
fn what_stands_in_the_way_is_left_alone() {
    let archive = gz(&plugin().end());
    let obstacles: [fn(&Path); 4] = [
        |path| fs::create_dir(path).unwrap(),
        |path| fs::write(path, "mine").unwrap(),
        |path| symlink("../private", path).unwrap(),
        |path| symlink("nowhere", path).unwrap(),
    ];
    for obstacle in obstacles {
        let sandbox = Sandbox::new();
        obstacle(&sandbox.inside().join("new"));
        let before = listing(sandbox.outer());
        assert_eq!(
            disk_error(sandbox.unpack(&archive[..])),
            ErrorKind::AlreadyExists
        );
        assert_eq!(listing(sandbox.outer()), before);
    }
}

#[test]
fn a_parent_that_is_no_directory_of_its_own_is_an_error() {
    let sandbox = Sandbox::new();
    let archive = gz(&plugin().end());
    for parent in ["missing", "file", "link", "link/", "link/."] {
        let parent = sandbox.outer().join(parent);
        let result = unpack(&archive[..], &parent, "new", &Options::new(), &mut ());
        disk_error(result);
        sandbox.is_untouched();
    }
}

#[test]
fn a_name_that_is_a_path_is_an_error() {
    let sandbox = Sandbox::new();
    let archive = gz(&plugin().end());
    for name in [
        "", ".", "..", "../x", "a/b", "a/", "a/.", "/a", "./a", "a\0b",
    ] {
        let result = unpack(
            &archive[..],
            &sandbox.inside(),
            name,
            &Options::new(),
            &mut (),
        );
        assert_eq!(disk_error(result), ErrorKind::InvalidInput, "{name:?}");
        sandbox.is_untouched();
    }
}

#[test]
fn a_panic_of_the_observer_goes_through_and_nothing_is_left() {
    struct Panics(&'static str);
    impl Observer for Panics {
        fn begin(&mut self, file: FileEntry<'_>) {
            assert_ne!(file.path, self.0, "the observer panics");
        }
        fn data(&mut self, _: &[u8]) {}
        fn end(&mut self) {}
    }
    let sandbox = Sandbox::new();
    let far = (0..20).fold(long(plugin()), |tar, n| {
        tar.file(format!("{n}"), vec![b'y'; 100_000])
    });
    for (tar, at) in [
        (plugin(), "setup.sh"),
        (far.clone(), "setup.sh"),
        (far.clone(), "1"),
        (far, "19"),
    ] {
        let archive = gz(&tar.end());
        let unpack = || sandbox.unpack_watched(&archive[..], &Options::new(), &mut Panics(at));
        assert!(catch_unwind(AssertUnwindSafe(unpack)).is_err());
        sandbox.is_untouched();
    }
}

#[test]
fn the_observer_sees_what_is_written() {
    #[derive(Default)]
    struct Sees(Vec<(String, u64, bool, Vec<u8>)>, usize);
    impl Observer for Sees {
        fn begin(&mut self, file: FileEntry<'_>) {
            assert_eq!(self.0.len(), self.1);
            self.0
                .push((file.path.into(), file.size, file.executable, Vec::new()));
        }
        fn data(&mut self, bytes: &[u8]) {
            self.0.last_mut().unwrap().3.extend_from_slice(bytes);
        }
        fn end(&mut self) {
            self.1 += 1;
        }
    }
    let sandbox = Sandbox::new();
    let mut sees = Sees::default();
    let archive = gz(&long(plugin()).end());
    let quarantine = sandbox
        .unpack_watched(&archive[..], &Options::new(), &mut sees)
        .unwrap();
    assert_eq!((sees.0.len(), sees.1), (5, 5));
    for (path, size, executable, content) in sees.0 {
        let on_disk = quarantine.path().join(path);
        assert_eq!(content.len() as u64, size);
        assert_eq!(fs::read(&on_disk).unwrap(), content);
        assert_eq!(mode(&on_disk) & 0o100 != 0, executable);
    }
}

#[test]
fn many_threads_unpack_at_once() {
    let dir = scratch();
    let archive = gz(&long(plugin()).end());
    thread::scope(|scope| {
        for n in 0..8 {
            let (archive, dir) = (&archive, dir.path());
            scope.spawn(move || {
                for round in 0..5 {
                    let name = format!("{n}-{round}");
                    drop(unpack(&archive[..], dir, &name, &Options::new(), &mut ()).unwrap());
                }
            });
        }
    });
    assert_eq!(listing(dir.path()).len(), 1);
}

/// Takes the rights to the new directory's parent away, so that it cannot be removed.
struct Locks<'a>(&'a Path);

impl Observer for Locks<'_> {
    fn begin(&mut self, _: FileEntry<'_>) {
        set_mode(self.0, 0o500);
    }
    fn data(&mut self, _: &[u8]) {}
    fn end(&mut self) {}
}

#[test]
fn what_cannot_be_removed_is_reported_with_the_reason_it_should_have_been() {
    let dir = scratch();
    let archive = gz(&Tar::new().file("a", "a").file("..", "").end());
    let result = unprivileged(dir.path(), || {
        unpack(
            &archive[..],
            dir.path(),
            "new",
            &Options::new(),
            &mut Locks(dir.path()),
        )
    });
    match result {
        Err(UnpackError::Residue {
            path,
            cause,
            source,
        }) => {
            assert_eq!(path, dir.path().join("new"));
            assert!(matches!(*cause, UnpackError::Refused(_)), "{cause:?}");
            assert_eq!(source.kind(), ErrorKind::PermissionDenied);
        }
        other => panic!("{other:?}"),
    }
    set_mode(dir.path(), 0o700);
    assert!(dir.path().join("new").exists());
}

#[test]
fn a_parent_that_cannot_be_written_is_an_error() {
    let dir = scratch();
    set_mode(dir.path(), 0o500);
    let archive = gz(&plugin().end());
    let result = unprivileged(dir.path(), || {
        unpack(&archive[..], dir.path(), "new", &Options::new(), &mut ())
    });
    assert_eq!(disk_error(result), ErrorKind::PermissionDenied);
}

#[test]
fn what_a_setup_made_unreadable_is_removed_too() {
    let dir = scratch();
    let archive = gz(&plugin().end());
    unprivileged(dir.path(), || {
        let quarantine = unpack(&archive[..], dir.path(), "new", &Options::new(), &mut ()).unwrap();
        set_mode(&quarantine.path().join("skills/deep/er"), 0);
        set_mode(&quarantine.path().join("skills"), 0o100);
        quarantine.discard().unwrap();
    });
    assert_eq!(listing(dir.path()).len(), 1);
}

/// Files by path; no path is a directory of another, because each is as deep as the first character says.
fn files() -> impl Strategy<Value = std::collections::BTreeMap<String, (Vec<u8>, bool)>> {
    let path = prop_oneof!["0[a-c]{1,8}", "1[ab]/[a-c]{1,8}", "2[ab]/x/[yz]/[a-c]{1,8}"];
    btree_map(path, (vec(any::<u8>(), 0..1500), any::<bool>()), 0..30)
}

fn written(files: &std::collections::BTreeMap<String, (Vec<u8>, bool)>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, (content, executable)) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(if *executable { 0o755 } else { 0o600 });
        header.set_entry_type(tar::EntryType::Regular);
        builder
            .append_data(&mut header, path, &content[..])
            .unwrap();
    }
    builder.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_tar_crate_packs_unpacks_to_the_same(files in files()) {
        let sandbox = Sandbox::new();
        let quarantine = sandbox.unpack(&gz(&written(&files))[..]).unwrap();
        let on_disk = listing(quarantine.path());
        for (path, (content, executable)) in &files {
            let mode = if *executable { 0o100_755 } else { 0o100_644 };
            prop_assert_eq!(&on_disk[Path::new(path)], &(mode, content.clone()));
        }
        let regular = on_disk.values().filter(|(mode, _)| mode & 0o170_000 == 0o100_000);
        prop_assert_eq!(regular.count(), files.len());
    }

    #[test]
    fn a_damaged_archive_changes_nothing_outside(
        files in files(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        in_tar in any::<bool>(),
    ) {
        let mut archive = written(&files);
        if !in_tar {
            archive = gz(&archive);
        }
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if in_tar {
            archive = gz(&archive);
        }
        let sandbox = Sandbox::new();
        match sandbox.unpack(&archive[..]) {
            Ok(quarantine) => {
                tree::walk(quarantine.path(), &mut |_, _| Ok(())).unwrap();
                quarantine.discard().unwrap();
            }
            Err(UnpackError::Refused(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
        sandbox.is_untouched();
    }
}
