//! Telling what became of an installed plugin.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread;

use molecule_plugin::{
    ComparedWith, PluginError, SetupPolicy, Sha256Digest, Verification, Wait, install,
    manifest_digest, verify_installed,
};

use super::{Files, Home, archive, declared, digest, name, options, plugin, told, with_setup};

fn verify(home: &Home) -> Verification {
    verify_installed(&home.root(), None).unwrap()
}

/// Installs and runs the script.
fn set_up(files: &Files) -> Home {
    let home = Home::new();
    let always = options().with_setup(SetupPolicy::Always);
    let report = install(&home.store, &name("demo"), &archive(files)[..], &always).unwrap();
    assert!(report.setup.is_some());
    home
}

fn check(verification: &Verification, intact: bool, lists: [&[&str]; 4]) {
    let found = [
        &verification.changed,
        &verification.missing,
        &verification.added,
        &verification.by_setup,
    ];
    let found = found.map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(found, lists.map(<[_]>::to_vec));
    assert_eq!(verification.intact, intact);
}

#[test]
fn what_was_not_touched_is_intact() {
    let home = Home::with(&plugin("1"));
    let verification = verify(&home);
    check(&verification, true, [&[], &[], &[], &[]]);
    assert_eq!(verification.expected, Some(digest(&plugin("1"))));
    assert_eq!(
        verification.digest,
        Some(manifest_digest(&home.root()).unwrap())
    );
    home.check_holds(&plugin("1"));
}

#[test]
fn tampering_is_told_from_additions() {
    let home = Home::with(&plugin("1"));
    fs::write(home.root().join("notes"), "mine").unwrap();
    check(&verify(&home), true, [&[], &[], &["notes"], &[]]);
    fs::remove_file(home.root().join("rules/r.md")).unwrap();
    let expect: [&[&str]; 4] = [&[], &["rules/r.md"], &["notes"], &[]];
    check(&verify(&home), false, expect);
    fs::write(home.root().join("plugin.yaml"), "name: other\n").unwrap();
    let expect: [&[&str]; 4] = [&["plugin.yaml"], &["rules/r.md"], &["notes"], &[]];
    check(&verify(&home), false, expect);
}

#[test]
fn a_link_or_a_pipe_in_the_place_of_a_file_is_a_change() {
    let home = Home::with(&plugin("1"));
    let rule = home.root().join("rules/r.md");
    fs::rename(&rule, home.root().join("moved")).unwrap();
    symlink("../moved", &rule).unwrap();
    let verification = verify(&home);
    check(
        &verification,
        false,
        [&["rules/r.md"], &[], &["moved"], &[]],
    );
    assert_eq!(verification.digest, None);
}

#[test]
fn what_the_script_did_is_no_tampering() {
    let script = "echo made >made; mkdir -p venv/bin; ln -s /bin/sh venv/bin/sh; mkfifo pipe
        echo more >>rules/r.md; rm skills/hello/SKILL.md; printf x >$'odd\\377\\n'";
    let home = set_up(&with_setup(script));
    let made = [
        "made",
        r"odd\xff\n",
        "pipe",
        "rules/r.md",
        "skills/hello/SKILL.md",
        "venv/bin/sh",
    ];
    let verification = verify(&home);
    check(&verification, true, [&[], &[], &[], &made]);
    assert_eq!(verification.expected, Some(digest(&with_setup(script))));

    fs::write(home.root().join("made"), "by somebody else").unwrap();
    fs::remove_file(home.root().join("venv/bin/sh")).unwrap();
    symlink("/tmp/evil", home.root().join("venv/bin/sh")).unwrap();
    fs::write(home.root().join("skills/hello/SKILL.md"), "").unwrap();
    fs::remove_file(home.root().join("pipe")).unwrap();
    let changed: [&[&str]; 4] = [
        &["made", "skills/hello/SKILL.md", "venv/bin/sh"],
        &["pipe"],
        &[],
        &[r"odd\xff\n", "rules/r.md"],
    ];
    check(&verify(&home), false, changed);
}

#[test]
fn a_script_that_fails_is_recorded_too() {
    let home = set_up(&with_setup("echo half >half; exit 1"));
    check(&verify(&home), true, [&[], &[], &[], &["half"]]);
}

#[test]
fn an_upgrade_forgets_what_the_script_of_the_old_version_did() {
    let home = set_up(&with_setup("echo >made"));
    home.install("demo", &plugin("2")).unwrap();
    check(&verify(&home), true, [&[], &[], &[], &[]]);
}

#[test]
fn the_expectation_of_the_caller_must_be_met_as_well() {
    let home = set_up(&with_setup("echo >made"));
    let right = digest(&with_setup("echo >made"));
    let verification = verify_installed(&home.root(), Some(right)).unwrap();
    check(&verification, true, [&[], &[], &[], &["made"]]);
    let wrong = digest(&plugin("1"));
    let verification = verify_installed(&home.root(), Some(wrong)).unwrap();
    check(&verification, false, [&[], &[], &[], &["made"]]);
    assert_eq!(verification.expected, Some(wrong));
}

/// Changes a file, and the receipt so that it covers for that.
fn check_forged(forge: impl FnOnce(&str, &str) -> String) {
    let home = Home::with(&plugin("1"));
    let pinned = Some(digest(&plugin("1")));
    let rule = home.root().join("rules/r.md");
    let was = Sha256Digest::of(fs::read(&rule).unwrap()).to_string();
    fs::write(&rule, "be evil").unwrap();
    let is = Sha256Digest::of(b"be evil").to_string();
    let path = home.store.dir().join(".receipts/demo");
    let receipt = fs::read_to_string(&path).unwrap();
    let forged = forge(&receipt.replace(&was, &is), &receipt);
    assert_ne!(forged, receipt);
    fs::write(&path, forged).unwrap();
    assert!(!verify_installed(&home.root(), pinned).unwrap().intact);
}

#[test]
fn a_forged_receipt_does_not_meet_the_expectation_of_the_caller() {
    check_forged(|listed_anew, _| listed_anew.to_owned());
    check_forged(|_, receipt| {
        let line = format!(
            "setup 1\nfile {} rules/r.md\nend",
            Sha256Digest::of(b"be evil")
        );
        receipt.replace("\nend", &format!("\n{line}"))
    });
}

#[test]
fn what_was_added_does_not_meet_the_expectation_of_the_caller() {
    let home = Home::with(&plugin("1"));
    fs::write(home.root().join("notes"), "mine").unwrap();
    let pinned = Some(digest(&plugin("1")));
    let verification = verify_installed(&home.root(), pinned).unwrap();
    check(&verification, false, [&[], &[], &["notes"], &[]]);
}

#[test]
fn without_a_receipt_the_hash_of_the_caller_or_of_the_manifest_decides() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("demo");
    let files = declared(plugin("1"));
    write_tree(&root, &files);
    let intact = |expected| verify_installed(&root, expected).unwrap().intact;
    assert!(intact(None));
    assert!(intact(Some(digest(&files))));
    assert!(!intact(Some(digest(&plugin("2")))));
    fs::write(root.join("added"), "").unwrap();
    assert!(!intact(None));
    fs::write(root.join("plugin.yaml"), "name: demo\n").unwrap();
    let error = verify_installed(&root, None).unwrap_err();
    assert!(told(&error).contains("give the hash"), "{}", told(&error));
    fs::write(root.join("plugin.yaml"), "sha256: [").unwrap();
    assert!(matches!(
        verify_installed(&root, None),
        Err(PluginError::Manifest(_))
    ));
    assert_eq!(super::names(temp.path()), ["demo"], "it leaves nothing");
}

fn write_tree(root: &Path, files: &Files) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_directory_that_is_a_link_or_is_not_there_is_an_error() {
    let home = Home::with(&plugin("1"));
    symlink("demo", home.dir().join("link")).unwrap();
    for (dir, expected) in [
        ("link", None),
        ("none", None),
        ("none", Some(digest(&plugin("1")))),
    ] {
        assert!(
            verify_installed(&home.dir().join(dir), expected).is_err(),
            "{dir}"
        );
    }
}

#[test]
fn a_receipt_that_others_can_write_proves_nothing() {
    let home = Home::with(&plugin("1"));
    let receipts = home.dir().join(".receipts");
    fs::set_permissions(receipts, fs::Permissions::from_mode(0o777)).unwrap();
    let error = verify_installed(&home.root(), None).unwrap_err();
    assert!(matches!(error, PluginError::Unsafe { .. }), "{error:?}");
}

#[test]
fn a_receipt_of_another_version_or_half_a_one_is_a_clear_error_until_the_next_installation() {
    let home = Home::with(&plugin("1"));
    home.install("other", &plugin("3")).unwrap();
    let receipt = home.dir().join(".receipts/demo");
    let text = fs::read_to_string(&receipt).unwrap();
    for (text, expect) in [
        (
            text.replacen("receipt 1", "receipt 2", 1),
            "another version",
        ),
        (text[..text.len() / 2].to_owned(), "no whole receipt"),
    ] {
        fs::write(&receipt, text).unwrap();
        let error = verify_installed(&home.root(), None).unwrap_err();
        assert!(told(&error).contains(expect), "{}", told(&error));
        check_noted(&home, expect);
    }
    home.install("demo", &plugin("2")).unwrap();
    assert!(verify(&home).intact);
    assert_eq!(home.store.list().unwrap()[0].note, None);
}

/// The receipt of `demo` cannot be read; `other` is listed all the same.
fn check_noted(home: &Home, expect: &str) {
    let list = home.store.list().unwrap();
    let [demo, other] = &list[..] else {
        panic!("{list:?}");
    };
    assert_eq!(
        (demo.digest, &demo.version, demo.verified),
        (None, &None, false)
    );
    let note = demo.note.as_deref().unwrap_or_default();
    assert!(
        note.contains(expect) && note.contains("install the plugin again"),
        "{note}"
    );
    assert_eq!(
        (other.digest, &other.note),
        (Some(digest(&plugin("3"))), &None)
    );
}

#[test]
fn the_receipt_of_a_plugin_under_another_name_is_not_taken_for_its_own() {
    let home = Home::new();
    let files = declared(plugin("1"));
    home.install("Demo", &files).unwrap();
    fs::rename(home.dir().join("Demo"), home.root()).unwrap();
    check_unknown(&home);
    assert_eq!(home.store.list().unwrap()[0].digest, None);
}

/// A plugin in a store without a receipt is not taken at its word.
fn check_unknown(home: &Home) {
    let error = verify_installed(&home.root(), None).unwrap_err();
    let told = told(&error);
    assert!(
        told.contains("no receipt") && told.contains("install the plugin again"),
        "{told}"
    );
    assert!(told.contains("give the hash"), "{told}");
}

#[test]
fn a_plugin_that_lost_its_receipt_is_not_taken_at_its_word() {
    let home = Home::new();
    let files = declared(plugin("1"));
    home.install("demo", &files).unwrap();
    assert_eq!(verify(&home).compared_with, ComparedWith::Receipt);
    fs::remove_file(home.dir().join(".receipts/demo")).unwrap();
    check_unknown(&home);
    let pinned = verify_installed(&home.root(), Some(digest(&files))).unwrap();
    assert!(pinned.intact);
    assert_eq!(pinned.compared_with, ComparedWith::Caller);
}

#[test]
fn the_result_says_what_the_directory_was_compared_with() {
    let home = Home::new();
    let files = declared(plugin("1"));
    home.install("demo", &files).unwrap();
    let elsewhere = home.temp.path().join("elsewhere");
    write_tree(&elsewhere, &files);
    let check = |dir: &Path, expected, expect: &str| {
        let verification = verify_installed(dir, expected).unwrap();
        let json = serde_json::to_value(verification).unwrap();
        assert_eq!(
            (&json["intact"], &json["compared_with"]),
            (&true.into(), &expect.into())
        );
    };
    let pinned = Some(digest(&files));
    check(&home.root(), None, "receipt");
    check(&home.root(), pinned, "caller");
    check(&elsewhere, None, "manifest");
    check(&elsewhere, pinned, "caller");
}

#[test]
fn a_directory_that_holds_too_much_is_an_error_and_no_endless_reading() {
    let home = Home::with(&plugin("1"));
    let elsewhere = home.temp.path().join("elsewhere");
    write_tree(&elsewhere, &declared(plugin("1")));
    for root in [home.root(), elsewhere] {
        let sparse = fs::File::create(root.join("sparse")).unwrap();
        sparse.set_len(8 << 40).unwrap();
        let error = verify_installed(&root, None).unwrap_err();
        assert!(told(&error).starts_with("too-large: "), "{}", told(&error));
        assert!(
            told(&error).contains("install it again"),
            "{}",
            told(&error)
        );
    }
}

#[test]
fn without_a_receipt_what_no_hash_covers_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("demo");
    write_tree(&root, &declared(plugin("1")));
    symlink("r.md", root.join("rules/link")).unwrap();
    let error = verify_installed(&root, None).unwrap_err();
    let PluginError::Foreign { path, what } = error else {
        panic!("{error:?}");
    };
    assert_eq!((path, what), (root.join("rules/link"), "a symbolic link"));
}

#[test]
fn an_installation_that_goes_on_is_not_verified_in_the_middle() {
    let home = Home::with(&plugin("1"));
    let held = home.store.lock(&name("demo"), Wait::No).unwrap();
    let rule = home.root().join("rules/r.md");
    let content = fs::read(&rule).unwrap();
    fs::remove_file(&rule).unwrap();
    thread::scope(|scope| {
        let verifying = scope.spawn(|| verify(&home));
        // Time enough for one that does not wait.
        for _ in 0..1000 {
            thread::yield_now();
        }
        fs::write(&rule, content).unwrap();
        drop(held);
        assert!(verifying.join().unwrap().intact);
    });
}
