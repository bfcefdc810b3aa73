//! Secrets in every place that takes one, and in nothing that the program says, answers or keeps but where they were put.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::admin::{Watched, ask};
use crate::connect::{Running, told};
use crate::support::{Agent, Program, Ran, World, until};

const ADMIN: &str = "planted-admin-token-1";
const PULLED: &str = "planted-pulled-secret-2";
const INHERITED: &str = "planted-in-the-environment-3";
const PROXY: &str = "planted-proxy-password-4";
const ADDRESS: &str = "planted-address-password-5";
const BROKEN: &str = "planted in a broken file 6";
const JOURNAL: &str = "planted-in-a-damaged-journal-7";

/// Nothing less loud is logged.
const LOUD: [&str; 3] = ["-vvv", "--log-format", "json"];

/// No secret stands in `text`.
#[track_caller]
fn holds_none(what: &str, text: &str, token: &str) {
    for secret in [
        token, ADMIN, PULLED, INHERITED, PROXY, ADDRESS, BROKEN, JOURNAL,
    ] {
        assert!(!text.contains(secret), "{what} holds {secret}: {text}");
    }
}

#[track_caller]
fn said_none(ran: &Ran, token: &str) {
    holds_none("stdout", &ran.stdout, token);
    holds_none("stderr", &ran.stderr, token);
}

/// With secrets wherever the environment takes one.
fn planted(program: Program) -> Program {
    program
        .env("MOLECULE_ADMIN_TOKEN", ADMIN)
        .env("DATABASE_PASSWORD", INHERITED)
        .env("HTTP_PROXY", &format!("http://me:{PROXY}@127.0.0.1:1"))
        .env("HTTPS_PROXY", &format!("http://me:{PROXY}@127.0.0.1:1"))
        .env("RUST_BACKTRACE", "1")
}

/// Every file below a directory, and what is in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.append(&mut files(&path));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            all.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_runs_shows_none() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.is_given("API_KEY", PULLED).await;
    let token = agent.token().expose().to_owned();
    let exec = "cat >/dev/null; echo \"no entry: $API_KEY\" >&2; exit 1";
    let args = [
        &[
            "--exec",
            exec,
            "--with-secrets",
            "API_KEY",
            "--attempts",
            "1",
            "--admin-listen",
            "0",
        ],
        &LOUD[..],
    ];
    let watched = Watched::of(Running::of(planted(agent.connect(&args.concat()))));
    agent.hears("hello").await;
    told(&agent, "no entry: [redacted]").await;
    let dead = until("a dead letter", async || {
        Some(ask(&agent, "GET /inbox/dead").1).filter(|dead| dead != "[]")
    })
    .await;
    let id = serde_json::from_str::<Value>(&dead).unwrap()[0]["activity_id"].clone();
    let show = format!("GET /inbox/dead/{}", id.as_str().unwrap());
    for line in [
        "GET /status",
        "GET /inbox/dead",
        &show,
        "GET /metrics",
        "GET /readyz",
    ] {
        let (status, answer) = ask(&agent, line);
        assert!([200, 503].contains(&status), "{line}: {answer}");
        holds_none(line, &answer, &token);
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        holds_none(path, &watched.get(path).1, &token);
    }
    for args in [
        &["status"][..],
        &["inbox", "dead", "list"],
        &["doctor"],
        &["config", "show"],
    ] {
        said_none(
            &planted(agent.program(&[args, &LOUD].concat())).run(),
            &token,
        );
    }
    watched.running.signal("TERM");
    let ran = watched.running.ends();
    assert!(
        ran.stderr.contains("\"message\":\"answered\""),
        "{}",
        ran.stderr
    );
    said_none(&ran, &token);
    for (path, text) in files(world.home.path()) {
        if !path.ends_with(".auth_token") {
            holds_none(&path.display().to_string(), &text, &token);
        }
    }
}

/// What the program says when it is given a secret in one more place.
fn check(agent: &Agent<'_>, code: i32, args: &[&str], variables: &[(&str, &str)]) {
    let token = agent.token().expose().to_owned();
    let program = planted(agent.program(&[args, &LOUD].concat()));
    let program = variables
        .iter()
        .fold(program, |program, (name, value)| program.env(name, value));
    let ran = program.run();
    assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    said_none(&ran, &token);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_shows_none() {
    let world = World::start().await;
    let agent = world.agent().await;
    let id = agent.id.to_string();
    let home = world.home.path();
    let broken = home.join("broken");
    fs::write(&broken, format!("{BROKEN}\n{BROKEN}\n")).unwrap();
    let file = broken.to_str().unwrap();
    check(&agent, 3, &["state", "--token-file", file], &[]);
    check(
        &agent,
        3,
        &["workspace", "list", "--admin-token-file", file],
        &[],
    );
    check(
        &agent,
        3,
        &["state"],
        &[("MOLECULE_WORKSPACE_TOKEN", BROKEN)],
    );
    check(
        &agent,
        3,
        &["workspace", "list"],
        &[("MOLECULE_ADMIN_TOKEN", BROKEN)],
    );
    let connect = ["connect", "--echo"];
    check(&agent, 2, &["connect", "--echo", "--config", file], &[]);
    check(&agent, 2, &["connect", "--echo", "--agents", file], &[]);
    let without_id = |name: &'static str, value: &str, code: i32| {
        let program = planted(world.program(&[&connect[..], &LOUD].concat()));
        let ran = program.env(name, value).run();
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        said_none(&ran, agent.token().expose());
    };
    without_id("MOLECULE_WORKSPACES", &format!("[{{\"id\": \"{ADDRESS}"), 2);
    without_id(
        "MOLECULE_WORKSPACES",
        &json!([{"id": id, "token": BROKEN}]).to_string(),
        3,
    );
    // Tokens where ids belong.
    without_id(
        "MOLECULE_WORKSPACES",
        &json!([{"id": PULLED}]).to_string(),
        2,
    );
    without_id("MOLECULE_WORKSPACE_IDS", PULLED, 2);
    let lists = |ids: &str, tokens: &str, code: i32| {
        let program = planted(world.program(&[&connect[..], &LOUD].concat()));
        let program = program.env("MOLECULE_WORKSPACE_IDS", ids);
        let ran = program.env("MOLECULE_WORKSPACE_TOKENS", tokens).run();
        assert_eq!(ran.code, code, "{ids}: {ran:?}");
        said_none(&ran, agent.token().expose());
    };
    lists(&id, &format!("{PULLED},{INHERITED}"), 2);
    lists(&id, BROKEN, 3);
    lists(PULLED, &id, 2);
    lists(&format!("{id},{id}"), &format!("{PULLED},{PULLED}"), 2);
    let with_address = format!("http://me:{ADDRESS}@localhost:1");
    check(&agent, 2, &["state", "--platform-url", &with_address], &[]);
    check(
        &agent,
        2,
        &["state"],
        &[("MOLECULE_PLATFORM_URL", &with_address)],
    );
    // Through the proxy, which is not there.
    let elsewhere = [
        "--platform-url",
        "https://molecule.invalid",
        "--call-deadline",
        "1s",
    ];
    check(&agent, 4, &[&["state"], &elsewhere[..]].concat(), &[]);
    check(&agent, 1, &[&["doctor"], &elsewhere[..]].concat(), &[]);
    let forward = ["connect", "--forward", &with_address];
    check(&agent, 2, &forward, &[]);
    let both = ["connect", "--mode", "poll", "--reported-url", &with_address];
    check(&agent, 2, &both, &[]);
    let refused = with_address.replace("localhost", "10.0.0.1");
    let push = [
        "connect",
        "--echo",
        "--mode",
        "push",
        "--listen",
        "0",
        "--reported-url",
    ];
    check(&agent, 2, &[&push[..], &[&refused]].concat(), &[]);
    fs::write(agent.dir().join("journal.redb"), JOURNAL.repeat(1_000)).unwrap();
    check(&agent, 7, &connect, &[]);
    check(&agent, 7, &["inbox", "dead", "list"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_handed_over_is_not_shown() {
    let world = World::start().await;
    let agent = world.agent().await;
    let token = agent.token().expose().to_owned();
    let home = world.home.path();
    let (good, broken) = (home.join("good"), home.join("broken"));
    fs::write(&good, &token).unwrap();
    fs::write(&broken, format!("{BROKEN}\n{BROKEN}\n")).unwrap();
    let with_fd = |args: &[&str], file: &Path, code: i32| {
        let args = [args, &["--token-fd", "7"], &LOUD].concat();
        let ran = planted(agent.program(&args)).file_at_7(file).run();
        assert_eq!(ran.code, code, "{ran:?}");
        said_none(&ran, &token);
    };
    with_fd(&["state"], &good, 0);
    with_fd(&["state"], &broken, 3);
    with_fd(&["connect", "--echo"], &broken, 3);
    with_fd(&["token", "set"], &good, 0);
    with_fd(&["token", "set"], &broken, 3);
    for (input, code) in [(token.as_str(), 0), (BROKEN, 3)] {
        let args = [&["token", "set"], &LOUD[..]].concat();
        let ran = planted(agent.program(&args)).input(input).run();
        assert_eq!(ran.code, code, "{ran:?}");
        said_none(&ran, &token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rotated_is_not_shown_and_neither_is_the_new_one() {
    let world = World::start().await;
    let agent = world.agent().await;
    let old = agent.token().expose().to_owned();
    let mut running = Running::of(planted(agent.connect(&[&["--echo"], &LOUD[..]].concat())));
    running.says("online");
    let rotate = [&["token", "rotate"], &LOUD[..]].concat();
    let rotated = planted(agent.program(&rotate)).run();
    rotated.succeeds();
    let new = agent.token().expose().to_owned();
    assert_ne!(old, new);
    agent.hears("hello").await;
    told(&agent, "hello").await;
    let (_, status) = ask(&agent, "GET /status");
    let listed = planted(agent.program(&[&["token", "list"], &LOUD[..]].concat())).run();
    running.signal("TERM");
    let ran = running.ends();
    for token in [&old, &new] {
        said_none(&rotated, token);
        said_none(&listed, token);
        said_none(&ran, token);
        holds_none("status", &status, token);
    }
}

/// An agent whose token is in the environment, and one whose token is in a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_shows_none() {
    let world = World::start().await;
    let agents = [world.agent().await, world.agent().await];
    let tokens = agents
        .each_ref()
        .map(|agent| agent.token().expose().to_owned());
    let token_file = world.home.path().join("token");
    fs::write(&token_file, &tokens[1]).unwrap();
    for agent in &agents {
        agent.is_given("API_KEY", PULLED).await;
    }
    let workspaces = json!([
        {"id": agents[0].id, "token": tokens[0]},
        {"id": agents[1].id, "token_file": token_file},
    ]);
    let exec = "cat >/dev/null; echo \"no entry: $API_KEY\" >&2; exit 1";
    let args = [
        &["connect", "--exec", exec, "--with-secrets", "API_KEY"][..],
        &["--attempts", "1", "--admin-listen", "0"],
        &["--poll-interval", "20ms"],
        &LOUD[..],
    ];
    let program = planted(world.program(&args.concat()));
    let program = program.env("MOLECULE_WORKSPACES", &workspaces.to_string());
    let watched = Watched::of(Running::of(program));
    let shown = |what: &str, text: &str| {
        for token in &tokens {
            holds_none(what, text, token);
        }
    };
    for agent in &agents {
        let online = async || (agent.info().await.status.as_str() == "online").then_some(());
        until("the agent to be online", online).await;
        agent.hears("hello").await;
        told(agent, "no entry: [redacted]").await;
        let dead = async || Some(ask(agent, "GET /inbox/dead").1).filter(|dead| dead != "[]");
        shown("/inbox/dead", &until("a dead letter", dead).await);
        shown("/status", &ask(agent, "GET /status").1);
        let status = planted(agent.program(&[&["status"], &LOUD[..]].concat())).run();
        shown("status", &(status.stdout + &status.stderr));
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        shown(path, &watched.get(path).1);
    }
    watched.running.signal("TERM");
    let ran = watched.running.ends();
    assert!(
        ran.stderr.contains("\"message\":\"answered\""),
        "{}",
        ran.stderr
    );
    shown("stdout", &ran.stdout);
    shown("stderr", &ran.stderr);
    for (path, text) in files(world.home.path()) {
        if !path.ends_with(".auth_token") && path != token_file {
            shown(&path.display().to_string(), &text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_an_address_to_forward_to_is_not_shown() {
    let world = World::start().await;
    let agent = world.agent().await;
    let address = format!("http://127.0.0.1:1/agent?key={ADDRESS}");
    let args = [&["--forward", &address, "--attempts", "1"], &LOUD[..]].concat();
    let mut running = Running::of(planted(agent.connect(&args)));
    running.says("online");
    agent.hears("hello").await;
    told(&agent, "Agent error").await;
    let (_, dead) = ask(&agent, "GET /inbox/dead");
    holds_none("dead letters", &dead, agent.token().expose());
    for told in agent.notifications().await {
        holds_none("an answer", &told, agent.token().expose());
    }
    running.signal("TERM");
    let ran = running.ends();
    assert!(ran.stderr.contains("forwarding failed"), "{}", ran.stderr);
    said_none(&ran, agent.token().expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_refused_is_told_without_its_password() {
    let world = World::start().await;
    let agent = world.agent().await;
    let with_address = format!("http://me:{ADDRESS}@10.0.0.1:1/");
    let ran = planted(
        agent.program(&[&["register", "--reported-url", &with_address], &LOUD[..]].concat()),
    )
    .run();
    assert_ne!(ran.code, 0, "{ran:?}");
    said_none(&ran, agent.token().expose());
}
