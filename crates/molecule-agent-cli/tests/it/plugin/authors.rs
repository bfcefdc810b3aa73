//! From an author to a user: `plugin pack`, `plugin hash`, `plugin verify`, `verify-sha256`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{Home, MANIFEST, files};
use crate::support::Program;

#[test]
fn packing_twice_gives_the_same_bytes() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST), ("b", "2"), ("a", "1")]);
    let (one, other) = (home.text("one.tgz"), home.text("other.tgz"));
    let ran = home.run(&["pack", &source, "-o", &one]);
    ran.succeeds();
    for file in ["a", "b", "plugin.yaml"] {
        let file = fs::File::options()
            .write(true)
            .open(home.path("source").join(file));
        file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    home.run(&["pack", &source, "--output", &other]).succeeds();
    assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap());
    assert!(ran.stdout.contains("packed 3 files, "), "{}", ran.stdout);
    let mode = fs::metadata(&one).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o600, 0o600);
    assert_eq!(mode & 0o111, 0);
}

#[test]
fn packing_goes_elsewhere_or_not_at_all() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST)]);
    let inside = format!("{source}/out.tgz");
    home.run(&["pack", &source, "-o", &inside])
        .fails(2, &["is inside the plugin"]);
    home.run(&["pack", &source, "-o", "/nowhere/out.tgz"])
        .fails(2, &["-o", "/nowhere/out.tgz", "directory that exists"]);
    std::os::unix::fs::symlink("/dev/null", home.path("device")).unwrap();
    for path in ["", "device"] {
        home.run(&["pack", &source, "-o", &home.text(path)])
            .fails(2, &["-o", "regular file"]);
    }
    fs::remove_file(home.path("device")).unwrap();
    home.run(&["pack", "/nowhere", "-o", &home.text("o")])
        .fails(2, &["/nowhere is not a directory"]);
    std::os::unix::fs::symlink("plugin.yaml", home.path("source/link")).unwrap();
    home.run(&["pack", &source, "-o", &home.text("o")])
        .fails(7, &["link", "a symbolic link"]);
    let left = files(home.0.path());
    assert_eq!(left, ["source/link", "source/plugin.yaml"]);
}

#[test]
fn output_in_a_file_is_no_output_format() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST)]);
    let program = home.run(&["pack", &source, "-o", &home.text("json")]);
    assert!(program.stdout.starts_with("packed 1 files"), "{program:?}");
    assert!(home.path("json").exists());
    home.run(&["-o", "json", "list"]).succeeds();
    home.run(&["list", "-o", "yaml"])
        .fails(2, &["-o", "text, json"]);
    let ran = home.run(&["pack", &source]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--output <FILE>"), "{}", ran.stderr);
}

#[test]
fn the_hash_is_printed_as_the_original_does() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST), ("a", "1")]);
    let hash = home.run(&["hash", &source]);
    let digest = hash.stdout.trim();
    assert_eq!(digest.len(), 64);
    Program::new(home.0.path(), &["verify-sha256", &source])
        .run()
        .prints(&format!("Computed SHA256: {digest}\n"));
    home.run(&["hash", "/nowhere"])
        .fails(2, &["/nowhere is not a directory"]);
}

#[test]
fn an_empty_plugin_has_the_hash_of_an_empty_list() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST)]);
    let empty = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";
    Program::new(home.0.path(), &["verify-sha256", &source])
        .run()
        .prints(&format!("Computed SHA256: {empty}\n"));
}

#[test]
fn a_plugin_goes_from_its_author_to_its_user_and_is_looked_after() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST), ("skills/s/SKILL.md", "text")]);
    let archive = home.text("out.tar.gz");
    let packed = home
        .run(&["pack", &source, "-o", &archive, "--declare-hash", "--json"])
        .json();
    let digest = packed["digest"].as_str().unwrap();
    assert_eq!(packed["files"], 2);
    assert_eq!(
        fs::read_to_string(home.path("source/plugin.yaml")).unwrap(),
        MANIFEST
    );
    let report = home.install(&archive, &["--json"]).json();
    assert_eq!(
        (
            &report["digest"],
            &report["verified"],
            &report["expected_from"]
        ),
        (&json!(digest), &json!(true), &json!("manifest"))
    );
    let root = report["root"].as_str().unwrap();
    home.run(&["list"])
        .prints(&format!("demo  1.0.0  {digest}  verified\n"));
    let listed = home.run(&["list", "--json"]).json();
    assert_eq!(
        listed,
        json!({"name": "demo", "root": root, "version": "1.0.0", "digest": digest, "verified": true})
    );
    let ran = home.run(&["verify", root]);
    ran.succeeds();
    assert!(ran.stdout.starts_with("intact\n"), "{}", ran.stdout);
    home.run(&["verify", root, "--sha256", digest]).succeeds();
    fs::write(home.path("plugins/demo/skills/s/SKILL.md"), "tampered").unwrap();
    fs::write(home.path("plugins/demo/extra"), "new").unwrap();
    let ran = home.run(&["verify", root]);
    assert_eq!(ran.code, 7, "{ran:?}");
    for part in ["not intact", "changed: skills/s/SKILL.md", "added: extra"] {
        assert!(ran.stdout.contains(part), "no {part:?} in {}", ran.stdout);
    }
    assert!(ran.stderr.contains("install it again"), "{}", ran.stderr);
    let ran = home.run(&["verify", root, "--json"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&found["intact"], &found["changed"]),
        (&json!(false), &json!(["skills/s/SKILL.md"]))
    );
    home.run(&["remove", "demo"])
        .prints(&format!("removed {root}\n"));
    home.run(&["remove", "demo"])
        .fails(2, &["demo is not installed"]);
    let ran = home.run(&["list"]);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("", "no plugins\n")
    );
}
