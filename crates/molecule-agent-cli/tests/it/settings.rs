//! Flag before environment before file, and where each value comes from.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Program, Ran};

struct Home {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Home {
    fn with_config(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".molecule")).unwrap();
        let config = dir.path().join(".molecule/config.toml");
        fs::write(&config, text).unwrap();
        Self { dir, config }
    }

    fn show(&self, flags: &[&str], env: &[(&str, &str)]) -> Ran {
        let args = [&["config", "show", "--json"], flags].concat();
        let program = Program::new(self.dir.path(), &args);
        env.iter()
            .fold(program, |program, (name, value)| program.env(name, value))
            .run()
    }

    /// The value of a setting and where it comes from.
    #[track_caller]
    fn check(
        &self,
        flags: &[&str],
        env: &[(&str, &str)],
        key: &str,
        value: impl Into<Value>,
        origin: &str,
    ) {
        let settings = self.show(flags, env).json();
        let setting = find(&settings, key);
        assert_eq!(
            (&setting["value"], &setting["origin"]),
            (&value.into(), &origin.into()),
            "{key}"
        );
    }

    /// It is refused, with these in the message.
    #[track_caller]
    fn refuses(&self, flags: &[&str], env: &[(&str, &str)], parts: &[&str]) {
        let ran = self.show(flags, env);
        assert_eq!(ran.code, 2, "{ran:?}");
        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        for part in parts {
            assert!(error.to_string().contains(part), "no {part:?} in {error}");
        }
    }
}

fn find<'a>(settings: &'a Value, key: &str) -> &'a Value {
    let settings = settings.as_array().unwrap();
    settings
        .iter()
        .find(|setting| setting["key"] == key)
        .unwrap()
}

#[test]
fn the_strongest_source_wins_and_is_named() {
    let home = Home::with_config(
        "platform_url = 'http://file'\npoll_interval = 7\nskill = ['a', 'b']\nstay = true",
    );
    let file = format!("file {}", home.config.display());
    let env = [
        ("MOLECULE_URL", "http://third"),
        ("PLATFORM_URL", "http://second"),
        ("MOLECULE_POLL_INTERVAL", "1m"),
    ];
    let first = [env.as_slice(), &[("MOLECULE_PLATFORM_URL", "http://first")]].concat();
    let flag = ["--platform-url", "http://flag"];
    home.check(&[], &[], "platform_url", "http://file", &file);
    home.check(
        &[],
        &env[..1],
        "platform_url",
        "http://third",
        "environment MOLECULE_URL",
    );
    home.check(
        &[],
        &env,
        "platform_url",
        "http://second",
        "environment PLATFORM_URL",
    );
    home.check(
        &[],
        &first,
        "platform_url",
        "http://first",
        "environment MOLECULE_PLATFORM_URL",
    );
    home.check(&flag, &first, "platform_url", "http://flag", "flag");
    home.check(&[], &[], "poll_interval", "7", &file);
    home.check(
        &[],
        &env,
        "poll_interval",
        "1m",
        "environment MOLECULE_POLL_INTERVAL",
    );
    home.check(&[], &[], "skill", "a,b", &file);
    home.check(
        &[],
        &[("MOLECULE_SKILL", "x, y")],
        "skill",
        "x,y",
        "environment MOLECULE_SKILL",
    );
    home.check(&[], &[], "stay", true, &file);
    home.check(
        &[],
        &[("MOLECULE_STAY", "no")],
        "stay",
        false,
        "environment MOLECULE_STAY",
    );
    home.check(&[], &[("MOLECULE_STAY", "")], "stay", true, &file);
    for (key, value) in [
        ("attempts", "3"),
        ("concurrency", "4"),
        ("drain_timeout", "30s"),
        ("heartbeat_interval", "30s"),
        ("state_poll_interval", "30s"),
        ("log_format", "text"),
    ] {
        home.check(&[], &[], key, value, "default");
    }
    home.check(&[], &[], "resume", false, "default");
}

#[test]
fn of_handlers_the_strongest_source_chooses_one() {
    let home = Home::with_config("exec = 'from-file'");
    home.check(&["--echo"], &[], "echo", true, "flag");
    let settings = home.show(&["--echo"], &[("MOLECULE_REPLY", "hi")]).json();
    assert_eq!(
        (
            &find(&settings, "exec")["value"],
            &find(&settings, "reply")["value"]
        ),
        (&Value::Null, &Value::Null)
    );
    let settings = home.show(&[], &[("MOLECULE_REPLY", "hi")]).json();
    assert_eq!(
        (
            &find(&settings, "exec")["value"],
            &find(&settings, "reply")["value"]
        ),
        (&Value::Null, &"hi".into())
    );
}

#[test]
fn another_config_file_can_be_named() {
    let home = Home::with_config("agent_name = 'default'");
    let other = home.dir.path().join("other.toml");
    fs::write(&other, "agent_name = 'other'").unwrap();
    let (path, origin) = (other.to_str().unwrap(), format!("file {}", other.display()));
    home.check(&["--config", path], &[], "agent_name", "other", &origin);
    home.check(
        &[],
        &[("MOLECULE_CONFIG", path)],
        "agent_name",
        "other",
        &origin,
    );
    home.refuses(
        &["--config", "/nowhere.toml"],
        &[],
        &["/nowhere.toml", "--config"],
    );
}

#[test]
fn a_bad_value_is_named_by_where_it_comes_from() {
    let home = Home::with_config("since = 'yesterday'");
    home.refuses(&[], &[], &["since (file ", "config.toml", "or all, or now"]);
    let home = Home::with_config("");
    home.refuses(
        &[],
        &[("WORKSPACE_ID", "nope")],
        &["workspace_id (environment WORKSPACE_ID)", "not a UUID"],
    );
    home.refuses(
        &[],
        &[("MOLECULE_MODE", "pull")],
        &["mode (environment MOLECULE_MODE)", "auto, poll, push"],
    );
    home.refuses(
        &[],
        &[("MOLECULE_STAY", "maybe")],
        &["stay (environment MOLECULE_STAY)", "true or false"],
    );
    home.refuses(&["--since", "yesterday"], &[], &["--since: "]);
}

#[test]
fn a_broken_config_file_is_refused_without_repeating_it() {
    Home::with_config("platfrom_url = 'x'").refuses(&[], &[], &["platfrom_url", "config show"]);
    Home::with_config("workspace_token = 's3cr3t'").refuses(&[], &[], &["token_file"]);
    Home::with_config("[agent]\nname = 1").refuses(&[], &[], &["agent"]);
    Home::with_config("poll_interval = [1, 2]").refuses(&[], &[], &["poll_interval", "one value"]);
    let home = Home::with_config("stay = true\nworkspace_token = s3cr3t");
    home.refuses(&[], &[], &["is not TOML in line 2"]);
    assert!(!home.show(&[], &[]).stderr.contains("s3cr3t"));
}

#[test]
fn secrets_are_shown_as_set() {
    let home = Home::with_config("");
    let env = [
        ("MOLECULE_WORKSPACE_TOKEN", "s3cr3t-one"),
        ("MOLECULE_ADMIN_TOKEN", "s3cr3t-two"),
    ];
    home.check(
        &[],
        &env,
        "workspace_token",
        "[set]",
        "environment MOLECULE_WORKSPACE_TOKEN",
    );
    home.check(
        &[],
        &env,
        "admin_token",
        "[set]",
        "environment MOLECULE_ADMIN_TOKEN",
    );
    let ran = home.show(&[], &env);
    assert!(
        !ran.stdout.contains("s3cr3t") && !ran.stderr.contains("s3cr3t"),
        "{ran:?}"
    );
}

#[test]
fn two_handlers_of_one_source_are_refused() {
    let both = Home::with_config("exec = 'cat'\necho = true");
    both.refuses(
        &[],
        &[],
        &["echo", "exec", "both set in", "config.toml; choose one"],
    );
    let env = [("MOLECULE_ECHO", "1"), ("MOLECULE_EXEC", "cat")];
    let empty = Home::with_config("");
    empty.refuses(&[], &env, &["are both set in the environment; choose one"]);
    both.check(&[], &env[1..], "exec", "cat", "environment MOLECULE_EXEC");
    both.check(&["--reply", "hi"], &env, "reply", "hi", "flag");
    let off = Home::with_config("exec = 'cat'\necho = false");
    let file = format!("file {}", off.config.display());
    off.check(&[], &[], "exec", "cat", &file);
    let tokens = Home::with_config("token_file = 't'\ntoken_fd = 3");
    tokens.refuses(&[], &[], &["token_f", "choose one"]);
}
