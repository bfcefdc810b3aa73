//! The directory of plugins: who may use it, what is in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use molecule_plugin::{PluginError, PluginErrorKind, PluginStore, Wait};

use super::{Home, archive, check_only, declared, digest, install, name, options, plugin, told};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn check_refused(dir: &Path, expect: &str) {
    let error = PluginStore::open(dir).unwrap_err();
    assert!(matches!(error, PluginError::Unsafe { .. }), "{error:?}");
    assert!(told(&error).contains(expect), "{}", told(&error));
}

#[test]
fn a_new_store_is_private() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/b/plugins");
    let store = PluginStore::open(&dir).unwrap();
    assert_eq!(store.dir(), dir);
    for path in [
        "a",
        "a/b",
        "a/b/plugins",
        "a/b/plugins/.locks",
        "a/b/plugins/.receipts",
    ] {
        assert_eq!(mode(&temp.path().join(path)), 0o700, "{path}");
    }
    install(
        &store,
        &name("demo"),
        &archive(&plugin("1"))[..],
        &options(),
    )
    .unwrap();
    assert_eq!(mode(&dir.join("demo")), 0o700);
    assert_eq!(mode(&dir.join(".receipts/demo")), 0o600);
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    for (loose, expect) in [
        (0o770, "chmod go-w"),
        (0o707, "chmod go-w"),
        (0o1777, "chmod go-w"),
    ] {
        fs::set_permissions(temp.path(), Permissions::from_mode(loose)).unwrap();
        check_refused(temp.path(), expect);
    }
    fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
    PluginStore::open(temp.path()).unwrap();
}

#[test]
fn a_directory_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a directory away.
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(temp.path(), Some(4711), None).unwrap();
    check_refused(temp.path(), "another user");
}

#[test]
fn a_directory_of_the_stores_own_that_others_can_write_is_refused() {
    for own in [".locks", ".receipts"] {
        let home = Home::new();
        fs::set_permissions(home.dir().join(own), Permissions::from_mode(0o777)).unwrap();
        check_refused(home.dir(), own);
        fs::remove_dir(home.dir().join(own)).unwrap();
        symlink("/tmp", home.dir().join(own)).unwrap();
        check_refused(home.dir(), own);
    }
}

#[test]
fn a_link_or_a_file_is_no_store_however_it_is_spelled() {
    let home = Home::new();
    let link = home.temp.path().join("link");
    symlink(home.dir(), &link).unwrap();
    check_refused(&link, "symbolic link");
    check_refused(&home.temp.path().join("link/"), "symbolic link");
    check_refused(&home.temp.path().join("link/."), "symbolic link");
    check_refused(&home.file("file", b""), "no directory");
}

#[test]
fn the_list_names_every_plugin_with_what_vouches_for_it() {
    let home = Home::new();
    let vouched = declared(plugin("2.0"));
    home.install("zeta", &plugin("1.0")).unwrap();
    home.install("Alpha", &vouched).unwrap();
    fs::create_dir(home.dir().join("by-hand")).unwrap();
    fs::write(home.dir().join("a-file"), "").unwrap();
    symlink("zeta", home.dir().join("a-link")).unwrap();

    let list = home.store.list().unwrap();
    let listed: Vec<_> = list
        .iter()
        .map(|plugin| {
            let version = plugin.version.as_deref();
            (
                plugin.name.as_str(),
                version,
                plugin.digest,
                plugin.verified,
            )
        })
        .collect();
    let digests = (digest(&vouched), digest(&plugin("1.0")));
    assert_eq!(
        listed,
        [
            ("Alpha", Some("2.0"), Some(digests.0), true),
            ("by-hand", None, None, false),
            ("zeta", Some("1.0"), Some(digests.1), false),
        ]
    );
    assert_eq!(list[0].root, home.dir().join("Alpha"));
}

#[test]
fn a_removal_leaves_nothing() {
    let home = Home::with(&plugin("1"));
    fs::create_dir(home.root().join("locked")).unwrap();
    fs::write(home.root().join("locked/file"), "").unwrap();
    fs::set_permissions(home.root().join("locked"), Permissions::from_mode(0o000)).unwrap();
    home.store.remove(&name("demo"), Wait::No).unwrap();
    check_only(home.dir(), &[]);
    let error = home.store.remove(&name("demo"), Wait::No).unwrap_err();
    assert!(matches!(error, PluginError::NotInstalled(_)), "{error:?}");
}

#[test]
fn a_link_in_the_place_of_a_plugin_is_neither_followed_nor_removed() {
    let home = Home::new();
    let outside = home.temp.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    for target in ["../outside", "nowhere"] {
        symlink(target, home.root()).unwrap();
        let error = home.install("demo", &plugin("1")).unwrap_err();
        assert!(told(&error).contains("symbolic link"), "{}", told(&error));
        let error = home.store.remove(&name("demo"), Wait::No).unwrap_err();
        assert!(told(&error).contains("symbolic link"), "{}", told(&error));
        assert_eq!(super::names(home.dir()), [".locks", ".receipts", "demo"]);
        assert!(outside.join("precious").exists());
        fs::remove_file(home.root()).unwrap();
    }
    fs::write(home.root(), "a file").unwrap();
    let error = home.install("demo", &plugin("1")).unwrap_err();
    assert_eq!(error.kind(), PluginErrorKind::Usage);
    assert_eq!(fs::read_to_string(home.root()).unwrap(), "a file");
}

#[test]
fn names_that_differ_in_case_alone_are_one_plugin() {
    let home = Home::new();
    home.install("A", &plugin("1")).unwrap();
    let error = home.install("a", &plugin("2")).unwrap_err();
    assert!(
        matches!(&error, PluginError::CaseClash { other, .. } if other == "A"),
        "{error:?}"
    );
    assert!(home.store.remove(&name("a"), Wait::No).is_err());
    let _held = home.store.lock(&name("A"), Wait::No).unwrap();
    let error = home.store.lock(&name("a"), Wait::No).unwrap_err();
    assert!(matches!(error, PluginError::Busy(_)), "{error:?}");
    drop(_held);
    super::check_tree(&home.dir().join("A"), &plugin("1"));
    check_only(home.dir(), &["A"]);
}

#[test]
fn the_next_start_collects_what_is_left_and_nothing_else() {
    let home = Home::with(&plugin("1"));
    let left = [
        ".staging-demo-0123456789abcdef",
        ".staging-Other-0123456789abcdef",
        ".locks/other",
        ".locks/demo",
        ".receipts/gone",
        ".receipts/demo+4711",
        ".receipts/demo+new",
    ];
    let kept = [
        ".staging-demo-0123abcd",
        ".staging-demo",
        ".notes",
        ".receipts/.keep",
    ];
    for path in left.iter().chain(&kept) {
        fs::write(home.dir().join(path), "").unwrap();
    }
    PluginStore::open(home.dir()).unwrap();
    for path in left {
        assert!(!home.dir().join(path).exists(), "{path}");
    }
    for path in kept {
        fs::remove_file(home.dir().join(path)).unwrap();
    }
    home.check_holds(&plugin("1"));
}

#[test]
fn what_somebody_works_on_is_not_collected() {
    let home = Home::new();
    let held = home.store.lock(&name("demo"), Wait::No).unwrap();
    let tree = home.dir().join(".staging-demo-0123456789abcdef");
    fs::create_dir(&tree).unwrap();
    PluginStore::open(home.dir()).unwrap();
    assert!(tree.exists());
    drop(held);
    PluginStore::open(home.dir()).unwrap();
    check_only(home.dir(), &[]);
}

#[test]
fn a_report_says_what_was_installed() {
    let home = Home::new();
    let all = declared(plugin("1"));
    let archive = super::archive_with_link(&all, "link\u{1b}", "/etc/passwd");
    let result = install(&home.store, &name("demo"), &archive[..], &options());
    assert!(result.is_err(), "a control character");
    let archive = super::archive_with_link(&all, "link", "/etc/passwd");
    let report = install(&home.store, &name("demo"), &archive[..], &options()).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let expected = serde_json::json!({
        "name": "demo",
        "root": home.root(),
        "files": 3,
        "bytes": all.values().map(String::len).sum::<usize>(),
        "skipped": [{"name": "link", "reason": "symbolic-link"}],
        "digest": digest(&all).to_string(),
        "verified": true,
        "expected_from": "manifest",
        "setup": null,
    });
    assert_eq!(json, expected);
    home.check_holds(&all);
}
