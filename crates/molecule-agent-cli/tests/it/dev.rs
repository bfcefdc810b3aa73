//! The local platform as a developer runs it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;

use molecule_agent::transport::{Bytes, ReqwestTransport, Transport as _, http};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Program, Ran, command};

/// A platform that runs until it is stopped or dropped.
struct Dev {
    child: Option<Child>,
    said: Value,
}

impl Dev {
    fn start(program: Program) -> Self {
        let mut child = program.start();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        Self {
            said: serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")),
            child: Some(child),
        }
    }

    fn text(&self, key: &str) -> &str {
        self.said[key].as_str().unwrap()
    }

    fn stop(mut self) -> Ran {
        let child = self.child.take().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// The status that the administrator's list of workspaces answers with under this token.
    async fn status_under(&self, token: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        self.status_of("/workspaces", &[("Authorization", &bearer)])
            .await
    }

    /// The status of an answer.
    async fn status_of(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = http::Request::get(format!("{}{path}", self.text("platform_url")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let transport = ReqwestTransport::new().unwrap();
        let answer = transport.send(request.body(Bytes::new()).unwrap()).await;
        answer.unwrap().status().as_u16()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn dev(home: &Path, args: &[&str]) -> Program {
    Program::new(
        home,
        &[&["dev", "--json", "--listen", "127.0.0.1:0"], args].concat(),
    )
}

#[tokio::test]
async fn a_made_up_admin_token_is_kept_privately_and_stays() {
    let home = tempfile::tempdir().unwrap();
    let first = Dev::start(dev(home.path(), &[]));
    let path = home.path().join(".molecule/dev/.auth_token");
    assert_eq!(first.text("admin_token_file"), path.to_str().unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&path).unwrap();
    assert_eq!(first.status_under(token.trim()).await, 200);
    assert_eq!(first.status_under("wrong").await, 401);
    let ran = first.stop();
    ran.succeeds();
    assert!(!format!("{ran:?}").contains(token.trim()));
    let second = Dev::start(dev(home.path(), &[]));
    assert_eq!(second.status_under(token.trim()).await, 200);
    second.stop().succeeds();
}

#[tokio::test]
async fn an_admin_token_of_ones_own_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(dev(home.path(), &[]).env("MOLECULE_ADMIN_TOKEN", "my-own-token"));
    assert_eq!(dev.status_under("my-own-token").await, 200);
    assert_eq!(dev.said["admin_token_file"], Value::Null);
    dev.stop().succeeds();
    assert!(!home.path().join(".molecule").exists());
}

#[tokio::test]
async fn the_environment_is_chosen_and_makes_up_no_token() {
    let home = tempfile::tempdir().unwrap();
    let development = Dev::start(dev(home.path(), &["--mode", "development"]));
    assert_eq!(development.said["admin_token_file"], Value::Null);
    assert_eq!(development.status_under("wrong").await, 401);
    assert_eq!(development.status_of("/workspaces", &[]).await, 200);
    development.stop().succeeds();
    assert!(!home.path().join(".molecule").exists());
    let args = ["dev", "--mode", "production", "--workspace", "w"];
    Program::new(home.path(), &args)
        .run()
        .fails(2, &["--workspace", "--mode", "--admin-token-file"]);
}

#[tokio::test]
async fn a_tenant_hears_who_names_its_organisation() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--org-id", "org-7", "--workspace", "w"];
    let tenant = Dev::start(dev(home.path(), &args));
    let path = format!("/workspaces/{}", tenant.text("workspace_id"));
    assert_eq!(tenant.status_of(&path, &[]).await, 404);
    let named = [("X-Molecule-Org-Id", "org-7")];
    assert_eq!(tenant.status_of(&path, &named).await, 200);
    tenant.stop().succeeds();
}

#[test]
fn a_quirk_that_nobody_knows_is_said() {
    let home = tempfile::tempdir().unwrap();
    for (switch, expect) in [
        ("search_panics", "search_panics=off"),
        ("typo=on", "no typo, but silent_status_enum, search_panics"),
    ] {
        let program = Program::new(home.path(), &["dev", "--quirk", switch]);
        program.run().fails(2, &["--quirk", expect]);
    }
    let known = ["--quirk", "search-panics=on", "--quirk", "dead_tokens=off"];
    Dev::start(dev(home.path(), &known)).stop().succeeds();
}

#[test]
fn a_workspace_is_ready_to_connect_to_and_survives_with_the_state() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let args = ["--workspace", "alpha", "--state", state.to_str().unwrap()];
    let first = Dev::start(dev(home.path(), &args));
    let id = first.text("workspace_id").to_owned();
    let url = first.text("platform_url").to_owned();
    let registered = Program::new(
        home.path(),
        &["register", "-w", &id, "--platform-url", &url],
    )
    .run();
    registered.succeeds();
    first.stop().succeeds();
    let second = Dev::start(dev(home.path(), &args));
    assert_eq!(second.text("workspace_id"), id);
    second.stop().succeeds();
}

#[test]
fn the_walk_through_says_what_to_type() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Program::new(home.path(), &["dev", "--listen", "127.0.0.1:0"]).start();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    let url = url.unwrap().to_owned();
    assert!(
        url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"),
        "{first}"
    );
    let text: Vec<_> = lines
        .by_ref()
        .take_while(|line| !line.as_ref().unwrap().contains("/pause"))
        .map(Result::unwrap)
        .collect();
    let text = text.join("\n");
    for part in [
        "molecule-agent workspace create",
        "--admin-token-file",
        "--exec 'tr a-z A-Z'",
        "/a2a",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
}

/// What stands for curl in the test: it notes its arguments, and what it reads.
const CURL: &str = r#"#!/bin/sh
echo "argv: $*" >> "$NOTES"
case " $* " in *" -K - "*) echo "stdin: $(cat)" >> "$NOTES" ;; esac
"#;

#[test]
fn pasted_lines_keep_the_administrators_token_out_of_the_process_list() {
    let home = tempfile::tempdir().unwrap();
    let notes = home.path().join("notes");
    let curl = home.path().join("curl");
    std::fs::write(&curl, CURL).unwrap();
    std::fs::set_permissions(&curl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut child = Program::new(
        home.path(),
        &["dev", "--listen", "127.0.0.1:0", "--workspace", "w"],
    )
    .start();
    let said = child.stdout.take().unwrap();
    let lines = BufReader::new(said).lines().map(Result::unwrap);
    let mut pasted = Vec::new();
    for line in lines.skip_while(|line| !line.starts_with("In a third")) {
        let is_last = line.contains("/pause");
        if line.starts_with("  ") {
            pasted.push(line);
        }
        if is_last {
            break;
        }
    }
    let status = command("sh")
        .args(["-ec", &pasted.join("\n")])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", home.path().display()))
        .env("NOTES", &notes)
        .status();
    assert!(status.unwrap().success(), "{pasted:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let token = std::fs::read_to_string(home.path().join(".molecule/dev/.auth_token")).unwrap();
    let header = format!("stdin: header = \"Authorization: Bearer {}\"", token.trim());
    let notes = std::fs::read_to_string(notes).unwrap();
    let (given, read): (Vec<_>, Vec<_>) =
        notes.lines().partition(|line| line.starts_with("argv: "));
    assert_eq!(given.len(), 3, "{notes}");
    assert_eq!(read, [&header, &header], "{notes}");
    assert!(
        given.iter().all(|line| !line.contains(token.trim())),
        "{notes}"
    );
}

#[test]
fn a_port_that_is_taken_is_said() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let args = ["dev", "--listen", &address];
    Program::new(home.path(), &args)
        .run()
        .fails(2, &[&address, "another platform", "--listen 127.0.0.1:0"]);
}

#[test]
fn a_platform_without_poll_mode_is_shown_an_agent_that_works_there() {
    let home = tempfile::tempdir().unwrap();
    let listen = ["dev", "--listen", "127.0.0.1:0"];
    let args = [&listen[..], &["--generation", "a", "--workspace", "w"]].concat();
    let mut child = Program::new(home.path(), &args).start();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let connect = lines.find(|line| line.contains("molecule-agent connect"));
    let connect = connect.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        connect.contains("--reported-url http://localhost:"),
        "{connect}"
    );
    assert!(!connect.contains("--exec"), "{connect}");
}

#[test]
fn a_state_file_belongs_to_one_platform() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state.json");
    let state = ["--state", state.to_str().unwrap()];
    let first = Dev::start(dev(home.path(), &state));
    let second = [&["dev", "--listen", "127.0.0.1:0"], &state[..]].concat();
    Program::new(home.path(), &second)
        .run()
        .fails(8, &["another platform", state[1], "--state"]);
    first.stop().succeeds();
    Dev::start(dev(home.path(), &state)).stop().succeeds();
}

#[test]
fn a_plugin_is_edited_and_installed_again() {
    let home = tempfile::tempdir().unwrap();
    let plugins = home.path().join("my plugins");
    let manifest = plugins.join("hello/plugin.yaml");
    std::fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    let args = [
        "--workspace",
        "alpha",
        "--plugins",
        plugins.to_str().unwrap(),
    ];
    let dev = Dev::start(dev(home.path(), &args));
    assert_eq!(dev.text("plugins_dir"), plugins.to_str().unwrap());
    let id = dev.text("workspace_id");
    let installed = home
        .path()
        .join(".molecule")
        .join(id)
        .join("plugins/hello/plugin.yaml");
    for version in ["1.0.0", "2.0.0"] {
        let text = format!("name: hello\nversion: {version}\n");
        std::fs::write(&manifest, &text).unwrap();
        let url = dev.text("platform_url");
        let args = [
            "plugin",
            "install",
            "hello",
            "-w",
            id,
            "--platform-url",
            url,
        ];
        Program::new(home.path(), &args).run().succeeds();
        assert_eq!(std::fs::read_to_string(&installed).unwrap(), text);
    }
    dev.stop().succeeds();
}

#[test]
fn the_walk_through_says_how_to_install_a_plugin() {
    let home = tempfile::tempdir().unwrap();
    let plugins = tempfile::tempdir().unwrap();
    let plugins = plugins.path().to_str().unwrap();
    let listen = ["dev", "--listen", "127.0.0.1:0"];
    for (args, expect) in [(&["--plugins", plugins][..], true), (&[], false)] {
        let mut child = Program::new(home.path(), &[&listen[..], args].concat()).start();
        let said = child.stdout.take().unwrap();
        let lines = BufReader::new(said).lines().map(Result::unwrap);
        let last = if expect { "plugin install" } else { "/pause" };
        let mut text = Vec::new();
        for line in lines {
            let is_last = line.contains(last);
            text.push(line);
            if is_last {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let text = text.join("\n");
        for part in [plugins, "/plugins\n", "molecule-agent plugin install NAME"] {
            assert_eq!(text.contains(part), expect, "{part:?} in {text}");
        }
    }
}

#[test]
fn a_directory_of_plugins_that_is_missing_is_said() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("nowhere");
    let missing = missing.to_str().unwrap();
    let args = ["dev", "--listen", "127.0.0.1:0", "--plugins", missing];
    Program::new(home.path(), &args)
        .run()
        .fails(2, &["--plugins", missing, "folder for each plugin"]);
    assert!(!home.path().join(".molecule").exists());
}
