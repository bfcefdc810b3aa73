//! `plugin install --archive`, `plugin list`, `plugin remove`: no platform is needed.

use std::fs;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{Home, KEYS, MANIFEST, archive, files, keys};
use crate::support::{Program, Ran};

const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

/// Nothing of a plugin is anywhere in the store: neither it nor what was unpacked of it.
#[track_caller]
fn check_no_trace(home: &Home, word: &str) {
    for file in files(&home.path("plugins")) {
        let content = fs::read(home.path("plugins").join(&file)).unwrap();
        let content = String::from_utf8_lossy(&content);
        assert!(!content.contains(word), "{file} holds {word}");
    }
    assert!(home.installed().is_empty());
}

#[test]
fn an_archive_is_installed_without_a_platform() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST), ("rules/r.md", "be kind\n")]);
    let ran = home.install(&archive, &[]);
    ran.succeeds();
    let root = home.text("plugins/demo");
    for part in [
        format!("installed demo in {root}\n"),
        "2 files, ".to_owned(),
        "not verified: no hash vouches for it; pin one with --sha256".to_owned(),
    ] {
        assert!(ran.stdout.contains(&part), "no {part:?} in {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
    assert_eq!(home.installed(), ["plugin.yaml", "rules/r.md"]);
    let report = home.install(&archive, &["--json"]).json();
    assert_eq!(keys(&report), KEYS);
    let digest = home.run(&["hash", &root]);
    assert_eq!(
        report,
        json!({
            "outcome": "installed", "name": "demo", "root": root, "files": 2,
            "bytes": MANIFEST.len() + "be kind\n".len(), "skipped": [],
            "digest": digest.stdout.trim(), "verified": false, "expected_from": null,
            "setup": null, "error": null,
        })
    );
}

#[test]
fn an_archive_comes_from_stdin_too() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST)]);
    let file = fs::File::open(archive).unwrap();
    home.program(&["install", "demo", "--archive", "-"])
        .stdin(file)
        .run()
        .succeeds();
    assert_eq!(home.installed(), ["plugin.yaml"]);
}

#[test]
fn a_refused_archive_says_why_and_changes_nothing() {
    let home = Home::new();
    let good = home.archive(&[("plugin.yaml", MANIFEST)]);
    home.install(&good, &[]).succeeds();
    let before = files(&home.path("plugins"));
    let bad = home.archive(&[("plugin.yaml", "evil"), ("a/../../b\u{1b}", "evil")]);
    let ran = home.install(&bad, &[]);
    ran.fails(
        7,
        &[
            "plugin demo was refused",
            "nothing was changed",
            r"a/../../b\u{1b}",
        ],
    );
    assert_eq!(files(&home.path("plugins")), before);
    let kept = fs::read_to_string(home.path("plugins/demo/plugin.yaml")).unwrap();
    assert_eq!(kept, MANIFEST);
}

#[test]
fn a_refusal_as_json_is_a_report_on_stdout_and_an_error_on_stderr() {
    let home = Home::new();
    let bad = home.archive(&[("../evil", "evil")]);
    let ran = home.install(&bad, &["--json"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(keys(&report), KEYS);
    assert_eq!(report["outcome"], "refused");
    assert_eq!(report["error"]["kind"], "parent-component");
    assert!(
        report["error"]["message"]
            .as_str()
            .unwrap()
            .contains("../evil")
    );
    for key in ["root", "files", "bytes", "digest", "expected_from", "setup"] {
        assert_eq!(report[key], Value::Null, "{key}");
    }
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "integrity");
    check_no_trace(&home, "evil");
    assert!(!home.path("evil").exists());
}

#[test]
fn a_pinned_hash_decides() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST), ("a", "1")]);
    let wrong = "0".repeat(64);
    let ran = home.install(&archive, &["--sha256", &wrong]);
    ran.fails(
        7,
        &[
            "(mismatch)",
            &wrong,
            "nothing was changed",
            "--sha256 expects",
        ],
    );
    assert!(home.installed().is_empty());
    let ran = home.install(&archive, &["--sha256", &wrong, "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["expected_from"], "caller");
    let right = report["digest"].as_str().unwrap();
    let report = home
        .install(&archive, &["--sha256", right, "--json"])
        .json();
    assert_eq!(
        (&report["verified"], &report["expected_from"]),
        (&json!(true), &json!("caller"))
    );
    home.install(&archive, &["--sha256", "ABC"])
        .fails(2, &["--sha256", "64 lower-case"]);
}

#[test]
fn setup_sh_runs_for_who_is_vouched_for_and_sees_no_secret() {
    let home = Home::new();
    let archive = home.archive(&[("setup.sh", "env; echo tried >&2\n")]);
    let report = home.install(&archive, &["--json"]).json();
    assert_eq!(report["setup"]["outcome"], "not-run");
    let run = |setup| {
        let args = [
            "install",
            "demo",
            "--archive",
            &archive,
            "--json",
            "--setup",
            setup,
        ];
        home.program(&args)
            .env("MOLECULE_WORKSPACE_TOKEN", "s3cr3t-token")
            .env("MOLECULE_ADMIN_TOKEN", "s3cr3t-token")
            .env("MY_API_KEY", "s3cr3t-key")
            .env("https_proxy", "http://me:s3cr3t-password@proxy")
            .env("LC_ALL", "C")
            .run()
            .json()
    };
    let report = run("always");
    let setup = &report["setup"];
    assert_eq!(setup["outcome"], "succeeded", "{report}");
    assert_eq!(setup["stderr"], "tried\n");
    let environment = setup["stdout"].as_str().unwrap();
    assert!(environment.contains("LC_ALL=C"), "{environment}");
    assert!(environment.contains("HOME="), "{environment}");
    assert!(!report.to_string().contains("s3cr3t"), "{report}");
    assert_eq!(run("never")["setup"]["outcome"], "not-run");
}

#[test]
fn a_setup_sh_that_fails_is_told_and_the_plugin_stays() {
    let home = Home::new();
    let archive = home.archive(&[("setup.sh", "echo 'no such thing' >&2; exit 3\n")]);
    let ran = home.install(&archive, &["--setup", "always"]);
    ran.succeeds();
    for part in ["setup.sh failed with exit status 3", "no such thing"] {
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
    assert_eq!(home.installed(), ["setup.sh"]);
}

#[test]
fn what_was_left_out_is_listed() {
    let home = Home::new();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    tar.append_link(&mut link, "link", "/etc/passwd").unwrap();
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let path = home.text("links.tar.gz");
    fs::write(&path, bytes).unwrap();
    let report = home.install(&path, &["--json"]).json();
    assert_eq!(
        report["skipped"],
        json!([{"name": "link", "reason": "symbolic-link"}])
    );
    let ran = home.install(&path, &[]);
    assert!(
        ran.stdout.contains("left out link (symbolic-link)"),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_archive_that_cannot_be_read_is_told_from_one_that_is_refused() {
    let home = Home::new();
    home.install("/nowhere.tar.gz", &[])
        .fails(2, &["/nowhere.tar.gz", "name a .tar.gz file"]);
    home.install(&home.text(""), &[])
        .fails(2, &["cannot read the archive"]);
    let path = home.text("cut.tar.gz");
    let bytes = archive(&[("plugin.yaml", MANIFEST)]);
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    home.install(&path, &[]).fails(7, &["was refused"]);
    fs::write(&path, "no gzip").unwrap();
    home.install(&path, &[]).fails(7, &["was refused"]);
}

#[test]
fn names_that_could_lead_elsewhere_are_no_names() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST)]);
    for name in ["..", "../x", "/etc", "a/b", ".hidden", "a..b", "con", ""] {
        let ran = home.run(&["install", "--archive", &archive, "--", name]);
        ran.fails(2, &["is not a plugin name"]);
    }
    assert!(!home.path("plugins").exists());
}

#[test]
fn plugins_belong_to_an_agent_or_to_a_named_directory() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST)]);
    let args = ["plugin", "install", "demo", "--archive", &archive];
    let program = |more: &[&str]| Program::new(home.0.path(), &[&args, more].concat());
    program(&[])
        .run()
        .fails(2, &["which plugins?", "--plugins-dir", "--workspace-id"]);
    let root = |ran: Ran| ran.json()["root"].as_str().unwrap().to_owned();
    let ran = program(&["-w", ID, "--json"]).run();
    assert_eq!(
        root(ran),
        home.text(&format!(".molecule/{ID}/plugins/demo"))
    );
    let ran = program(&["--state-dir", &home.text("state"), "--json"]).run();
    assert_eq!(root(ran), home.text("state/plugins/demo"));
    let ran = program(&["--plugins-dir", &home.text("there"), "--json"]).run();
    assert_eq!(root(ran), home.text("there/demo"));
    Program::new(home.0.path(), &["plugin", "list", "-w", ID])
        .run()
        .succeeds();
}

#[test]
fn a_plugin_that_is_not_what_its_name_says_is_installed_with_a_note() {
    let home = Home::new();
    let check = |archive: &str, parts: &[&str]| {
        let ran = home.install(archive, &[]);
        ran.succeeds();
        for part in parts {
            assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
        }
    };
    let archive = home.archive(&[("demo/plugin.yaml", MANIFEST)]);
    check(&archive, &["note: demo has no plugin.yaml at its root"]);
    let archive = home.archive(&[("plugin.yaml", "name: other\n")]);
    check(&archive, &["note: demo calls itself \"other\""]);
    let archive = home.archive(&[("plugin.yaml", "version: 1.0.0\n")]);
    assert_eq!(home.install(&archive, &[]).stderr, "");
}

#[test]
fn a_version_is_no_way_to_forge_a_line() {
    let home = Home::new();
    let manifest = r#"{name: demo, version: "1\n\u202Eevil  verified"}"#;
    let archive = home.archive(&[("plugin.yaml", manifest)]);
    let report = home.install(&archive, &["--json"]).json();
    let digest = report["digest"].as_str().unwrap();
    home.run(&["list"]).prints(&format!(
        "demo  not verified  {digest}  1\\n\\u{{202e}}evil  verified\n"
    ));
    let ran = home.run(&["list", "--json"]);
    assert_eq!(ran.json()["version"], "1\n\u{202e}evil  verified");
    assert!(ran.stdout.is_ascii(), "{}", ran.stdout);
}

#[test]
fn looking_makes_no_directory() {
    let home = Home::new();
    home.run(&["list"]).succeeds();
    home.run(&["remove", "demo"])
        .fails(2, &["demo is not installed"]);
    assert!(!home.path("plugins").exists());
}

#[test]
fn the_peak_of_memory_is_logged_for_who_asks() {
    let home = Home::new();
    let archive = home.archive(&[("plugin.yaml", MANIFEST)]);
    let ran = home.install(&archive, &["-vv", "--log-format", "json", "--no-sync"]);
    let log = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let peak = log
        .into_iter()
        .find(|line| line["fields"]["message"] == "peak memory");
    let peak = peak.unwrap()["fields"]["vm_hwm_kib"].as_u64().unwrap();
    assert!((1_000..1_000_000).contains(&peak), "{peak}");
}
