//! How commands fail: one error on stderr, JSON where data is, and on stdout the answer or nothing.

use std::path::Path;

use molecule_agent::Token;
use molecule_agent::token_store::Wait;
use serde_json::Value;

use crate::support::{Agent, Program, Ran, World};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000001";

/// Whether an answer stands on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stdout {
    Nothing,
    Answer,
}
use Stdout::{Answer, Nothing};

/// It failed with this code and kind: the last line of stderr is the error, and stdout is JSON, if anything.
#[track_caller]
fn check(ran: &Ran, code: i32, kind: &str, stdout: Stdout) {
    assert_eq!(ran.code, code, "{ran:?}");
    let last = ran.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{ran:?}"));
    let error = &error["error"];
    assert_eq!(
        (&error["kind"], &error["exit_code"]),
        (&kind.into(), &code.into()),
        "{ran:?}"
    );
    assert!(error["causes"].is_array(), "{ran:?}");
    let message = error["message"].as_str().unwrap();
    assert!(
        !message.is_empty() && !message.contains("Usage:"),
        "{ran:?}"
    );
    assert_eq!(ran.stderr.matches(r#"{"error":"#).count(), 1, "{ran:?}");
    assert_eq!(ran.stdout.is_empty(), stdout == Nothing, "{ran:?}");
    for line in ran.stdout.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{ran:?}"));
    }
}

/// The commands below one, as the help lists them: those that have none themselves.
fn leaves(home: &Path, command: &[String]) -> Vec<Vec<String>> {
    let mut args: Vec<_> = command.iter().map(String::as_str).collect();
    args.push("--help");
    let help = Program::new(home, &args).run().stdout;
    let Some((_, listed)) = help.split_once("\nCommands:\n") else {
        return vec![command.to_vec()];
    };
    let names = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    names
        .flat_map(|name| leaves(home, &[command, &[name.to_owned()]].concat()))
        .collect()
}

#[test]
fn every_command_says_in_json_that_it_cannot_read_its_options() {
    let home = tempfile::tempdir().unwrap();
    let commands = leaves(home.path(), &[]);
    assert!(commands.len() > 40, "{commands:?}");
    for command in commands {
        let mut args: Vec<_> = command.iter().map(String::as_str).collect();
        args.extend(["--json", "--config", "/nowhere/config.toml"]);
        check(&Program::new(home.path(), &args).run(), 2, "usage", Nothing);
        args.push("--no-such-flag");
        check(&Program::new(home.path(), &args).run(), 2, "usage", Nothing);
    }
}

#[test]
fn a_command_that_is_none_is_an_error_in_json_too() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["--json"][..],
        &["frobnicate", "-o", "json"],
        &["plugin", "--json"],
    ] {
        check(&Program::new(home.path(), args).run(), 2, "usage", Nothing);
    }
    Program::new(home.path(), &["--json", "--help"])
        .run()
        .succeeds();
}

fn json(agent: &Agent<'_>, args: &[&str]) -> Ran {
    agent.run(&[args, &["--json"]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_refuses_the_agent_is_an_error_and_nothing_else() {
    let world = World::start().await;
    let agent = world.agent().await;
    let wrong = Token::new("not-the-token").unwrap();
    agent.store().save(&wrong, Wait::No).unwrap();
    for args in [
        &["register"][..],
        &["state"],
        &["heartbeat"],
        &["card", "update", "--agent-name", "a"],
        &["connect", "--echo"],
        &["inbox"],
        &["reply", UNKNOWN, "hello"],
        &["notify", "hello"],
        &["delegate", UNKNOWN, "work"],
        &["delegations"],
        &["history"],
        &["approvals", "list"],
        &["approvals", "request", "deploy"],
        &["memory", "list"],
        &["memory", "add", "remember"],
        &["peers"],
        &["discover", UNKNOWN],
        &["call", UNKNOWN, "hello"],
        &["secrets", "list"],
        &["secrets", "get", "KEY"],
        &["secrets", "exec", "--json", "--", "true"],
        &["token", "list"],
        &["token", "create", "--show"],
        &["token", "revoke", UNKNOWN],
        &["token", "rotate"],
        &["plugin", "install", "demo"],
    ] {
        let ran = if args.contains(&"--") {
            agent.run(args)
        } else {
            json(&agent, args)
        };
        check(&ran, 3, "authentication", Nothing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_refuses_the_administrator_is_an_error_and_nothing_else() {
    let world = World::start().await;
    let agent = world.agent().await;
    let id = agent.id.to_string();
    for args in [
        &["create", "a"][..],
        &["list"],
        &["pause", &id],
        &["resume", &id],
        &["delete", &id],
    ] {
        let args = [&["workspace"], args, &["--json"]].concat();
        let ran = world.program(&args).env("MOLECULE_ADMIN_TOKEN", "wrong");
        check(&ran.run(), 3, "authentication", Nothing);
    }
    let show = ["workspace", "show", UNKNOWN, "--json"];
    check(&world.program(&show).run(), 2, "usage", Nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_an_error_and_nothing_else() {
    let world = World::start().await;
    let agent = world.agent().await;
    json(&agent, &["register"]).succeeds();
    let home = world.home.path();
    let (file, taken) = (
        home.join("file"),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    std::fs::write(&file, "").unwrap();
    let (file, taken) = (
        file.to_str().unwrap(),
        taken.local_addr().unwrap().to_string(),
    );
    for args in [
        &["inbox", "--since-id", UNKNOWN][..],
        &["reply", UNKNOWN, "hello"],
        &["delegations", "--id", UNKNOWN],
        &["discover", UNKNOWN],
        &["call", UNKNOWN, "hello"],
        &["secrets", "get", "KEY"],
        &["token", "revoke", UNKNOWN],
        &["token", "set", "--token-fd", "x"],
        &["plugin", "remove", "demo"],
        &["plugin", "hash", "/nowhere"],
        &["plugin", "pack", "/nowhere"],
        &["plugin", "verify", "/nowhere"],
        &["verify-sha256", "/nowhere"],
        &["dev", "--listen", &taken],
        &["man", "frobnicate"],
        &["man", "--dir", file],
    ] {
        check(&json(&agent, args), 2, "usage", Nothing);
    }
    agent.store().remove(Wait::No).unwrap();
    check(
        &json(&agent, &["token", "show"]),
        3,
        "authentication",
        Nothing,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_bad_news_stands_beside_its_error() {
    let world = World::start().await;
    let agent = world.agent().await;
    let home = world.home.path();
    check(
        &json(&agent, &["plugin", "validate", "/nowhere"]),
        1,
        "unexpected",
        Answer,
    );
    check(
        &json(&agent, &["doctor", "--platform-url", "http://127.0.0.1:1"]),
        1,
        "unexpected",
        Answer,
    );
    let archive = home.join("demo.tar.gz");
    std::fs::write(&archive, "no archive").unwrap();
    let archive = archive.to_str().unwrap();
    let install = ["plugin", "install", "demo", "--archive", archive];
    check(&json(&agent, &install), 7, "integrity", Answer);
    world.admin.pause(agent.id).await.unwrap();
    check(&json(&agent, &["register"]), 0, "paused", Answer);
    world.admin.delete(agent.id).await.unwrap();
    check(&json(&agent, &["state"]), 5, "deleted", Answer);
}
