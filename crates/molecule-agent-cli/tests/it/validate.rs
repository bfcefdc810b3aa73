//! `plugin validate`: what is wrong, and in which line.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Program, Ran};

const MANIFEST: &str = "name: demo\nversion: 1.0.0\ndescription: a plugin of tests\n";
const SKILL: &str = "---\nname: greet\ndescription: Says hello. Use it to greet.\n---\n# Greet\n";

/// A plugin that is being written.
struct Plugin(TempDir);

impl Plugin {
    /// One that is right.
    fn new() -> Self {
        let plugin = Self(tempfile::tempdir().unwrap());
        plugin
            .with("plugin.yaml", MANIFEST)
            .with("skills/greet/SKILL.md", SKILL)
    }

    fn with(self, name: &str, content: &str) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn manifest(self, more: &str) -> Self {
        self.with("plugin.yaml", &format!("{MANIFEST}{more}"))
    }

    fn skill(self, text: &str) -> Self {
        self.with("skills/greet/SKILL.md", text)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn run(&self, more: &[&str]) -> Ran {
        let args = [&["plugin", "validate", self.path()], more].concat();
        Program::new(self.0.path(), &args).run()
    }

    fn answer(&self) -> Value {
        serde_json::from_str(&self.run(&["--json"]).stdout).unwrap()
    }

    /// It is not valid, for this reason alone.
    #[track_caller]
    fn errs(&self, file: &str, line: u64, rule: &str, message: &str) {
        self.finds(1, "error", file, line, rule, message);
    }

    /// It is valid, with this warning alone.
    #[track_caller]
    fn warns(&self, file: &str, line: u64, rule: &str, message: &str) {
        self.finds(0, "warning", file, line, rule, message);
    }

    #[track_caller]
    fn finds(&self, code: i32, severity: &str, file: &str, line: u64, rule: &str, message: &str) {
        let answer = self.answer();
        let findings = answer["findings"].as_array().unwrap();
        let [finding] = findings.as_slice() else {
            panic!("{answer:#}")
        };
        let found = [&finding["severity"], &finding["file"], &finding["rule"]];
        assert_eq!(found, [severity, file, rule], "{finding:#}");
        let line = if line == 0 { Value::Null } else { line.into() };
        assert_eq!(finding["line"], line, "{finding:#}");
        let text = finding["message"].as_str().unwrap();
        assert!(text.contains(message), "no {message:?} in {text}");
        assert_eq!(answer["valid"], code == 0);
        assert_eq!(self.run(&[]).code, code);
    }
}

#[test]
fn a_plugin_that_is_right_is_valid() {
    let plugin = Plugin::new();
    let path = plugin.path().to_owned();
    plugin
        .run(&[])
        .prints(&format!("{path}: valid, no errors, no warnings\n"));
    let plugin =
        plugin.manifest("runtimes: [claude_code, gemini-cli]\nskills: [greet]\ntags: [a]\n");
    plugin.run(&[]).succeeds();
}

#[test]
fn what_is_wrong_is_told_as_compilers_do() {
    let plugin = Plugin::new().manifest("runtimes:\n  - cobol\n");
    let ran = plugin.run(&[]);
    assert_eq!(ran.code, 1);
    let path = plugin.path();
    let expect = format!("{path}/plugin.yaml:5: error: no platform knows the runtime \"cobol\"");
    assert!(ran.stdout.starts_with(&expect), "{}", ran.stdout);
    assert!(
        ran.stdout.ends_with("not valid, 1 error, no warnings\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        ran.stderr,
        format!("error: the plugin in {path} is not valid; mend what is listed (1 error)\n")
    );
}

#[test]
fn a_missing_directory_or_manifest_is_an_error() {
    let plugin = Plugin::new();
    let args = ["plugin", "validate", "/nowhere"];
    assert_eq!(Program::new(plugin.0.path(), &args).run().code, 1);
    fs::remove_file(plugin.0.path().join("plugin.yaml")).unwrap();
    plugin.errs("plugin.yaml", 0, "manifest", "missing");
}

#[test]
fn the_manifest_is_one_mapping() {
    let check = |text: &str, line, message| {
        let plugin = Plugin::new().with("plugin.yaml", text);
        plugin.errs("plugin.yaml", line, "yaml", message);
    };
    check("- a\n- b\n", 1, "mapping");
    check("name: [a\n", 2, "");
}

#[test]
fn a_name_is_a_text_that_is_not_empty() {
    let rest = "version: 1.0.0\ndescription: d\n";
    let check = |name: &str, line, message| {
        let plugin = Plugin::new().with("plugin.yaml", &format!("{rest}{name}"));
        plugin.errs("plugin.yaml", line, "name", message);
    };
    check("", 1, "is missing");
    check("name: 7\n", 3, "is a number");
    check("name: ' '\n", 3, "is empty");
    check("name: [a]\n", 3, "is a list");
    let plugin = Plugin::new().with("plugin.yaml", &format!("{rest}name: My Plugin\n"));
    plugin.warns(
        "plugin.yaml",
        3,
        "name",
        "cannot be installed under this name",
    );
}

#[test]
fn a_version_is_semantic() {
    let check = |version: &str, message| {
        let text = format!("name: demo\n{version}description: d\n");
        let line = if version.is_empty() { 1 } else { 2 };
        let plugin = Plugin::new().with("plugin.yaml", &text);
        plugin.warns("plugin.yaml", line, "version", message);
    };
    check("", "is missing");
    check("version: 1.0\n", "is a number");
    check("version: one\n", "no semantic version");
    let plugin = Plugin::new().with("plugin.yaml", "name: demo\nversion: [1]\ndescription: d\n");
    plugin.errs("plugin.yaml", 2, "version", "is a list");
}

#[test]
fn a_description_says_something() {
    let check = |text: &str, line, message| {
        let plugin = Plugin::new().with(
            "plugin.yaml",
            &format!("name: demo\nversion: 1.0.0\n{text}"),
        );
        plugin.warns("plugin.yaml", line, "description", message);
    };
    check("", 1, "is missing");
    check("description: ''\n", 3, "is empty");
}

#[test]
fn lists_are_lists() {
    for key in ["tags", "skills", "rules", "prompt_fragments", "runtimes"] {
        let plugin = Plugin::new().manifest(&format!("{key}: one\n"));
        plugin.errs("plugin.yaml", 4, key, "has to be a list and is a text");
    }
    Plugin::new()
        .manifest("runtimes: [1]\n")
        .errs("plugin.yaml", 4, "runtimes", "is a number");
    Plugin::new()
        .manifest("tags: [1]\n")
        .warns("plugin.yaml", 4, "tags", "is a number");
    Plugin::new()
        .manifest("skills: [other]\n")
        .warns("plugin.yaml", 4, "skills", "\"other\"");
}

#[test]
fn a_runtime_has_its_adapter_where_there_are_adapters() {
    let plugin = Plugin::new()
        .manifest("runtimes:\n  - claude-code\n  - codex\n")
        .with("adapters/claude_code.py", "");
    plugin.warns("plugin.yaml", 6, "runtimes", "adapters/codex.py");
}

#[test]
fn a_declared_hash_is_that_of_the_content() {
    let plugin = Plugin::new();
    let hash = Program::new(plugin.0.path(), &["plugin", "hash", plugin.path()]).run();
    let plugin = plugin.manifest(&format!("sha256: {}", hash.stdout));
    plugin.run(&[]).succeeds();
    let plugin = plugin.with("more.md", "more");
    plugin.errs("plugin.yaml", 4, "sha256", "plugin pack --declare-hash");
    Plugin::new()
        .manifest("sha256: 12\n")
        .errs("plugin.yaml", 4, "yaml", "");
}

#[test]
fn a_plugin_brings_something() {
    let plugin = Plugin::new();
    fs::remove_dir_all(plugin.0.path().join("skills")).unwrap();
    plugin.warns("plugin.yaml", 0, "content", "has none of SKILL.md, hooks");
    plugin.manifest("kind: env-mutator\n").run(&[]).succeeds();
}

#[test]
fn what_cannot_be_packed_is_not_valid() {
    let plugin = Plugin::new();
    let link = plugin.0.path().join("skills/link");
    std::os::unix::fs::symlink("greet/SKILL.md", &link).unwrap();
    plugin.errs("skills/link", 0, "content", "a symbolic link");
    let plugin = Plugin::new()
        .with("rules/be-kind.md", "")
        .with("rules/BE-KIND.md", "");
    plugin.errs("rules/be-kind.md", 0, "content", "it cannot be packed: ");
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let plugin = Plugin::new();
    let file = plugin.0.path().join("skills/greet/SKILL.md");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    let ran = plugin.run(&[]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("no text that can be read"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_file_too_large_to_be_searched_for_secrets_is_told() {
    let plugin = Plugin::new();
    let file = fs::File::create(plugin.0.path().join("weights.bin")).unwrap();
    file.set_len((8 << 20) + 1).unwrap();
    plugin.warns("weights.bin", 0, "secret", "larger than 8 MiB");
}

#[test]
fn a_directory_that_is_not_there_is_named_as_it_was_given() {
    let plugin = Plugin::new();
    let ran = Program::new(plugin.0.path(), &["plugin", "validate", "nope"]).run();
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("nope: error: "), "{}", ran.stdout);
}

#[test]
fn a_skill_has_front_matter() {
    let file = "skills/greet/SKILL.md";
    let check = |text: &str, line, rule, message| {
        Plugin::new().skill(text).errs(file, line, rule, message);
    };
    check("# Greet\n", 1, "front-matter", "two lines of ---");
    check("---\nname: greet\n", 1, "front-matter", "two lines of ---");
    check("---\n- a\n---\n", 2, "front-matter", "no mapping");
    check(
        "---\nname: greet\n---\n",
        2,
        "front-matter",
        "`description` is missing",
    );
    check(
        "---\ndescription: d\n---\n",
        2,
        "front-matter",
        "`name` is missing",
    );
    check(
        "---\ndescription: d\nname: other\n---\n",
        3,
        "skill-name",
        "have to be the same",
    );
    let more = |text: &str| format!("---\nname: greet\ndescription: d\n{text}\n---\n");
    let long = format!("compatibility: {}", "x".repeat(501));
    check(&more(&long), 4, "front-matter", "may have 500");
    check(&more("allowed-tools: [a]"), 4, "front-matter", "is a list");
    check(&more("license: 7"), 4, "front-matter", "is a number");
    check(
        &more("metadata: x"),
        4,
        "front-matter",
        "has to be a mapping",
    );
    let long = format!("---\nname: greet\ndescription: {}\n---\n", "x".repeat(1025));
    check(&long, 3, "front-matter", "may have 1024");
}

#[test]
fn a_skill_that_is_only_a_directory_is_an_error() {
    let plugin = Plugin::new().with("skills/empty/notes.md", "x");
    plugin.errs("skills/empty/SKILL.md", 0, "skill", "missing");
}

#[test]
fn a_skill_has_a_plain_name() {
    let plugin = Plugin::new().with(
        "skills/Bad_Name/SKILL.md",
        "---\nname: Bad_Name\ndescription: d\n---\n",
    );
    plugin.errs("skills/Bad_Name/SKILL.md", 2, "skill-name", "lower-case");
}

#[test]
fn secrets_are_found_by_line_and_never_repeated() {
    let secret = format!("ghp_{}", "q".repeat(36));
    let plugin = Plugin::new().with("tools/x.py", &format!("import os\ntoken = '{secret}'\n"));
    plugin.errs("tools/x.py", 2, "secret", "a GitHub token");
    let ran = plugin.run(&[]);
    assert!(!format!("{ran:?}").contains("qqqq"), "{ran:?}");
    let plugin = Plugin::new().manifest(&format!("note: sk-{}\n", "q".repeat(24)));
    plugin.errs("plugin.yaml", 4, "secret", "OpenAI");
    Plugin::new()
        .with("id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\n")
        .errs("id_rsa", 1, "secret", "a private key");
    Plugin::new()
        .manifest("config: 'password=hunter2hunter2'\n")
        .errs("plugin.yaml", 4, "secret", "a password");
    Plugin::new()
        .with("README.md", "password=hunter2hunter2\n")
        .warns("README.md", 1, "secret", "a password");
}
