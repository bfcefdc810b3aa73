//! Whatever does not work out leaves the old version live, and nothing of the new one.

use std::io::{self, Read};

use molecule_plugin::{Durability, InstallOptions, PluginErrorKind, install};

use super::{Files, Home, archive, declared, digest, gzip, name, options, plugin, told};

/// Tries an upgrade that must fail, with an old version and without one.
fn check(archive: &[u8], options: &InstallOptions, kind: PluginErrorKind, expect: &str) {
    let home = Home::with(&plugin("old"));
    let error = install(&home.store, &name("demo"), archive, options).unwrap_err();
    assert_eq!(error.kind(), kind, "{}", told(&error));
    assert!(told(&error).contains(expect), "{}", told(&error));
    home.check_holds(&plugin("old"));
    assert_eq!(
        home.store.list().unwrap()[0].version.as_deref(),
        Some("old")
    );

    let empty = Home::new();
    install(&empty.store, &name("demo"), archive, options).unwrap_err();
    super::check_only(empty.dir(), &[]);
}

fn with_manifest(manifest: &str) -> Files {
    let mut files = plugin("new");
    files.insert("plugin.yaml".to_owned(), manifest.to_owned());
    files
}

#[test]
fn content_that_is_not_what_the_caller_expects() {
    let options = options().with_expected(digest(&plugin("other")));
    // Its own manifest agrees, which does not help.
    let archive = archive(&declared(plugin("new")));
    check(
        &archive,
        &options,
        PluginErrorKind::Integrity,
        "the caller expects",
    );
}

#[test]
fn content_that_is_not_what_its_manifest_declares() {
    let declared = declared(plugin("new"));
    let mut tampered = declared.clone();
    tampered.insert("rules/r.md".to_owned(), "be evil\n".to_owned());
    check(
        &archive(&tampered),
        &options(),
        PluginErrorKind::Integrity,
        "the manifest expects",
    );
    // The caller agrees, which does not help either: both must hold.
    let pinned = options().with_expected(digest(&tampered));
    check(
        &archive(&tampered),
        &pinned,
        PluginErrorKind::Integrity,
        "the manifest expects",
    );
}

#[test]
fn a_manifest_that_cannot_be_read_even_if_the_caller_knows_the_hash() {
    for manifest in [
        "a: [",
        "sha256: &a x\n",
        "sha256: abc\n",
        "- list\n",
        "a: \u{1}\n",
    ] {
        let files = with_manifest(manifest);
        let pinned = options().with_expected(digest(&files));
        check(
            &archive(&files),
            &options(),
            PluginErrorKind::Integrity,
            "plugin.yaml",
        );
        check(
            &archive(&files),
            &pinned,
            PluginErrorKind::Integrity,
            "plugin.yaml",
        );
    }
}

#[test]
fn an_archive_that_breaks_a_rule_or_ends_early() {
    let whole = archive(&plugin("new"));
    for end in [0, 1, 10, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        check(&whole[..end], &options(), PluginErrorKind::Integrity, "");
    }
    check(
        &gzip(b"not a tar archive"),
        &options(),
        PluginErrorKind::Integrity,
        "",
    );
    let link = super::archive_with_link(&plugin("new"), "plugin.yaml", "/etc/passwd");
    check(&link, &options(), PluginErrorKind::Integrity, "plugin.yaml");
}

#[test]
fn a_reader_that_fails_at_any_point() {
    let whole = archive(&plugin("new"));
    for good in (0..whole.len()).step_by(37) {
        let home = Home::with(&plugin("old"));
        let failing = whole[..good].chain(Failing);
        let error = install(&home.store, &name("demo"), failing, &options()).unwrap_err();
        assert_eq!(error.kind(), PluginErrorKind::Source, "{}", told(&error));
        assert!(
            told(&error).contains("the line is dead"),
            "{}",
            told(&error)
        );
        home.check_holds(&plugin("old"));
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the line is dead"))
    }
}

#[test]
fn a_staged_plugin_that_is_dropped() {
    let home = Home::with(&plugin("old"));
    let options = options();
    let lock = home.store.lock(&name("demo"), options.wait).unwrap();
    let archive = archive(&plugin("new"));
    drop(lock.stage(&archive[..], &options).unwrap());
    drop(
        lock.stage(&archive[..], &options)
            .unwrap()
            .verify()
            .unwrap(),
    );
    drop(lock);
    home.check_holds(&plugin("old"));
}

#[test]
fn what_both_vouch_for_is_installed_and_the_caller_comes_first() {
    let home = Home::new();
    let files = declared(plugin("1"));
    let options = options()
        .with_expected(digest(&files))
        .with_durability(Durability::Sync);
    let report = install(&home.store, &name("demo"), &archive(&files)[..], &options).unwrap();
    assert!(report.verified);
    assert_eq!(
        report.expected_from,
        Some(molecule_plugin::ExpectedFrom::Caller)
    );
    home.check_holds(&files);
}
