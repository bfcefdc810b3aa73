//! The tokens of a workspace: listed, issued, revoked, rotated, and never printed unless that was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{Agent, Program, Ran, World};

/// Runs the program, which must not print the token that is in the agent's directory afterwards.
fn hides(agent: &Agent<'_>, program: Program) -> Ran {
    let before = agent.token();
    let ran = program.run();
    for token in [before, agent.token()] {
        assert!(!ran.stdout.contains(token.expose()), "{ran:?}");
        assert!(!ran.stderr.contains(token.expose()), "{ran:?}");
    }
    ran
}

fn run(agent: &Agent<'_>, args: &[&str]) -> Ran {
    hides(agent, agent.program(&[&["token"], args].concat()))
}

fn listed(agent: &Agent<'_>) -> Vec<Value> {
    let ran = run(agent, &["list", "--json"]);
    ran.succeeds();
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn id_of(token: &Value) -> &str {
    token["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_issued_into_a_file_listed_and_revoked() {
    let world = World::start().await;
    let agent = world.agent().await;
    let file = world.home.path().join("spare");
    let path = file.to_str().unwrap();
    let created = run(&agent, &["create", "--out", path]);
    let spare = fs::read_to_string(&file).unwrap();
    let spare = spare.trim();
    assert_eq!(
        created.stdout,
        format!("wrote {}... to {path}\n", &spare[..8])
    );
    assert!(!created.stdout.contains(spare) && !created.stderr.contains(spare));
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    agent.run(&["state", "--token-file", path]).succeeds();
    let tokens = listed(&agent);
    let [first, second] = &tokens[..] else {
        panic!("{tokens:?}");
    };
    let (new, old) = (first, second);
    assert_eq!(
        (&new["in_use"], &old["in_use"]),
        (&false.into(), &true.into())
    );
    assert_eq!(new["prefix"], spare[..8]);
    let text = run(&agent, &["list"]).stdout;
    assert_eq!(text.matches("in use").count(), 1, "{text}");
    let id = id_of(new);
    run(&agent, &["revoke", id]).prints(&format!("revoked {id}\n"));
    agent.run(&["state", "--token-file", path]).fails(3, &[]);
    run(&agent, &["revoke", id]).fails(2, &["no valid token", id, "token list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_has_to_go_somewhere_before_it_is_issued() {
    let world = World::start().await;
    let agent = world.agent().await;
    assert_eq!(run(&agent, &["create"]).code, 2);
    let file = world.home.path().join("there");
    fs::write(&file, "mine").unwrap();
    run(&agent, &["create", "--out", file.to_str().unwrap()])
        .fails(2, &["exists already", "name a new file"]);
    run(&agent, &["create", "--out", "/nowhere/at/all"]).fails(2, &["cannot be made"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(listed(&agent).len(), 1);
    let shown = run(&agent, &["create", "--show"]).stdout;
    assert_eq!(shown.trim().len(), 43);
    let json = run(&agent, &["create", "--show", "--json"]).json();
    assert_eq!(json["token"].as_str().unwrap().len(), 43);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_for_a_token_that_did_not_come_is_removed() {
    let world = World::start().await;
    let agent = world.agent().await;
    for _ in 1..50 {
        run(&agent, &["create", "--show"]).succeeds();
    }
    let file = world.home.path().join("spare");
    run(&agent, &["create", "--out", file.to_str().unwrap()])
        .fails(2, &["maximum 50 active tokens", "revoke a token"]);
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_in_use_is_revoked_only_by_force() {
    let world = World::start().await;
    let agent = world.agent().await;
    let tokens = listed(&agent);
    let id = id_of(&tokens[0]);
    run(&agent, &["revoke", id]).fails(2, &["in use", "token rotate", "--force"]);
    assert_eq!(listed(&agent).len(), 1);
    let revoked = run(&agent, &["revoke", id, "--force"]);
    revoked.prints(&format!("revoked {id}\n"));
    assert!(revoked.stderr.contains("token set"), "{}", revoked.stderr);
    assert!(
        revoked.stderr.contains("the workspace's last"),
        "{}",
        revoked.stderr
    );
    run(&agent, &["revoke", "not-an-id"]).fails(2, &["not-an-id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replaced_and_its_predecessor_revoked() {
    let world = World::start().await;
    let agent = world.agent().await;
    let old = agent.token();
    let rotated = run(&agent, &["rotate"]);
    let prefix = agent.token().prefix().to_owned();
    rotated.prints(&format!("{prefix}... is the token in use now\n"));
    let rotated = run(&agent, &["rotate", "--json"]).json();
    assert_eq!(
        (&rotated["old"], &rotated["prefix"]),
        (&"revoked".into(), &agent.token().prefix().into())
    );
    assert!(!agent.token().same_as(&old));
    assert_eq!(listed(&agent).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_would_come_back_is_not_rotated() {
    let world = World::start().await;
    let agent = world.agent().await;
    let token = agent.token();
    let given = agent
        .program(&["token", "rotate"])
        .env("MOLECULE_WORKSPACE_TOKEN", token.expose());
    hides(&agent, given).fails(2, &["given from elsewhere", "token create --out"]);
    assert_eq!(listed(&agent).len(), 1);
    assert!(agent.token().same_as(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_rotate_at_once_leave_one_token_that_is_valid() {
    let world = World::start().await;
    let agent = world.agent().await;
    let rotations: Vec<_> = (0..4)
        .map(|_| agent.program(&["token", "rotate"]).start())
        .collect();
    for rotation in rotations {
        Ran::of(&rotation.wait_with_output().unwrap()).succeeds();
    }
    assert_eq!(listed(&agent).len(), 1);
    agent.run(&["state"]).succeeds();
}
