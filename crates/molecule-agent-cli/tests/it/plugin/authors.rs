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
fn an_output_that_could_mean_a_format_or_a_file_is_asked_about() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST)]);
    let out = home.text("out.tgz");
    let pack = ["pack", &source, "-o", &out];
    for format in [["-o", "json"], ["--output", "text"]] {
        let before_pack = [&["plugin"], &format[..], &pack[..]].concat();
        let before_plugin = [&format[..], &["plugin"], &pack[..]].concat();
        for args in [before_pack, before_plugin] {
            let ran = Program::new(home.0.path(), &args).run();
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
            assert!(ran.stderr.contains("say --json"), "{}", ran.stderr);
        }
    }
    for name in ["json", "text"] {
        let ran = home.run(&["pack", &source, "-o", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("say --json"), "{}", ran.stderr);
    }
    home.run(&["pack", &source, "-o", ""])
        .fails(2, &["--output: give a value"]);
    assert_eq!(files(home.0.path()), ["source/plugin.yaml"]);
    home.run(&["pack", "--json", &source, "-o", &out]).json();
}

#[test]
fn an_archive_goes_to_stdout_and_what_is_said_about_it_elsewhere() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST), ("a", "1")]);
    let (file, out) = (home.text("file.tgz"), home.text("stdout.tgz"));
    home.run(&["pack", &source, "-o", &file]).succeeds();
    let stdout = || fs::File::create(&out).unwrap();
    let ran = home
        .program(&["pack", &source, "-o", "-"])
        .stdout(stdout())
        .run();
    assert!(ran.stderr.starts_with("packed 2 files, "), "{ran:?}");
    assert_eq!(fs::read(&out).unwrap(), fs::read(&file).unwrap());
    let ran = home
        .program(&["pack", &source, "-o", "-", "--json"])
        .stdout(stdout())
        .run();
    let report: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(report["archive_bytes"], fs::read(&out).unwrap().len());
    std::os::unix::fs::symlink("a", home.path("source/link")).unwrap();
    home.run(&["pack", &source, "-o", "-"])
        .fails(7, &["a symbolic link"]);
}

#[test]
fn two_hashes_of_an_intact_plugin_are_explained() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST), ("setup.sh", "echo 1 > made\n")]);
    home.install(&archive, &["--setup", "always"]).succeeds();
    let root = home.text("plugins/demo");
    let ran = home.run(&["verify", &root]);
    ran.succeeds();
    for part in [
        "intact\n",
        "when it was installed",
        "with what setup.sh did",
        "by setup.sh: made",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in {}", ran.stdout);
    }
    fs::remove_file(home.path("plugins/demo/made")).unwrap();
    let ran = home.run(&["verify", &root]);
    assert_eq!(ran.code, 7, "{ran:?}");
    let plain = home.archive(&[("plugin.yaml", MANIFEST)]);
    home.install(&plain, &[]).succeeds();
    let ran = home.run(&["verify", &root]);
    assert!(ran.stdout.contains(", as expected"), "{}", ran.stdout);
}

#[test]
fn a_hash_to_compare_with_is_named_by_its_flag() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST)]);
    home.run(&["verify", &source])
        .fails(2, &["no receipt", "--sha256"]);
    let ran = home.run(&["verify", &source, "--sha256", &"0".repeat(64)]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stderr.contains("--sha256 expects"), "{}", ran.stderr);
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
fn the_hash_is_declared_in_a_directory_that_is_served_as_it_is() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", MANIFEST), ("rules/a", "1")]);
    let manifest = home.path("source/plugin.yaml");
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o604)).unwrap();
    home.run(&["validate", &source]).succeeds();
    let ran = home.run(&["hash", &source, "--declare"]);
    let digest = home.run(&["hash", &source]).stdout;
    ran.prints(&digest);
    let declared = format!("{MANIFEST}sha256: \"{}\"\n", digest.trim());
    assert_eq!(fs::read_to_string(&manifest).unwrap(), declared);
    assert_eq!(
        manifest.metadata().unwrap().permissions().mode() & 0o777,
        0o604
    );
    home.run(&["verify", &source]).succeeds();
    fs::write(home.path("source/rules/a"), "2").unwrap();
    let ran = home.run(&["validate", &source]);
    assert!(
        ran.stdout.contains("plugin hash --declare"),
        "{}",
        ran.stdout
    );
    home.run(&["hash", &source, "--declare"]).succeeds();
    home.run(&["validate", &source]).succeeds();
    assert_eq!(files(&home.path("source")), ["plugin.yaml", "rules/a"]);
}

#[test]
fn a_manifest_that_cannot_declare_the_hash_stays_as_it_is() {
    let home = Home::new();
    let source = home.source(&[("plugin.yaml", "{name: demo}\n")]);
    home.run(&["hash", &source, "--declare"]).fails(
        2,
        &["cannot declare the hash in", "plugin.yaml", "one line"],
    );
    assert_eq!(files(&home.path("source")), ["plugin.yaml"]);
    let text = fs::read_to_string(home.path("source/plugin.yaml")).unwrap();
    assert_eq!(text, "{name: demo}\n");
    fs::remove_file(home.path("source/plugin.yaml")).unwrap();
    home.run(&["hash", &source, "--declare"])
        .fails(2, &["cannot declare the hash in", "plugin.yaml"]);
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
        .prints(&format!("demo  verified  {digest}  1.0.0\n"));
    let listed = home.run(&["list", "--json"]).json();
    assert_eq!(
        listed,
        json!({"name": "demo", "root": root, "version": "1.0.0", "digest": digest, "verified": true, "note": null})
    );
    let ran = home.run(&["verify", root]);
    ran.succeeds();
    assert!(ran.stdout.starts_with("intact\n"), "{}", ran.stdout);
    home.run(&["verify", root, "--sha256", digest]).succeeds();
    fs::write(home.path("plugins/demo/extra"), "new").unwrap();
    let ran = home.run(&["verify", root, "--sha256", digest]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stderr.contains("remove them"), "{}", ran.stderr);
    fs::write(home.path("plugins/demo/skills/s/SKILL.md"), "tampered").unwrap();
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
    home.run(&["uninstall", "demo"])
        .prints(&format!("removed {root}\n"));
    home.run(&["remove", "demo"])
        .fails(2, &["demo is not installed", "plugin list"]);
    let ran = home.run(&["list"]);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("", "no plugins\n")
    );
}
