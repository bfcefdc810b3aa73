//! The single calls, as text and as JSON.

use std::fs;
use std::io::Read as _;

use serde_json::json;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_and_says_who_it_is() {
    let world = World::start().await;
    let agent = world.agent().await;
    let card = world.home.path().join("card.json");
    fs::write(&card, r#"{"name":"old","description":"d"}"#).unwrap();
    let card = card.to_str().unwrap();
    let id = agent.id;
    agent
        .run(&[
            "register",
            "--agent-card",
            card,
            "--agent-name",
            "new",
            "--skill",
            "a",
            "--skill",
            "b",
        ])
        .prints(&format!("registered {id} (poll mode)\n"));
    let info = agent.info().await;
    assert_eq!(info.status.as_str(), "online");
    let skills = json!([{"id": "a", "name": "a"}, {"id": "b", "name": "b"}]);
    assert_eq!(
        info.agent_card,
        Some(json!({"name": "new", "description": "d", "skills": skills}))
    );
    let again = agent.run(&["register", "--json"]).json();
    assert_eq!(
        again,
        json!({"workspace_id": id, "status": "registered", "delivery_mode": "poll", "token_issued": false})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_made_workspace_gets_its_token() {
    let world = World::start().await;
    let id = "9e453dad-99f0-4e01-8c72-0031bf974e26";
    let ran = world
        .program(&["register", "-w", id, "--create", "--json"])
        .run();
    assert_eq!(ran.json()["token_issued"], true);
    let token = fs::read_to_string(
        world
            .home
            .path()
            .join(".molecule")
            .join(id)
            .join(".auth_token"),
    )
    .unwrap();
    assert!(
        !ran.stdout.contains(token.trim()) && !ran.stderr.contains(token.trim()),
        "{ran:?}"
    );
    world.program(&["state", "-w", id]).run().prints("online\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_tells_a_pause() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    agent.run(&["state"]).prints("online\n");
    world.admin.pause(agent.id).await.unwrap();
    let expect =
        json!({"workspace_id": agent.id, "status": "paused", "paused": true, "deleted": false});
    assert_eq!(agent.run(&["state", "--json"]).json(), expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_workspace_is_registered_only_on_demand() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    world.admin.pause(agent.id).await.unwrap();
    let ran = agent.run(&["register"]);
    ran.prints(&format!("paused {}\n", agent.id));
    assert!(ran.stderr.contains("--resume"), "{}", ran.stderr);
    assert_eq!(agent.info().await.status.as_str(), "paused");
    let json = agent.run(&["register", "--json"]);
    let expect = json!({"workspace_id": agent.id, "status": "paused"});
    assert_eq!(json.json(), expect);
    assert!(
        json.stderr.contains(r#""kind":"paused""#),
        "{}",
        json.stderr
    );
    agent.run(&["register", "--resume"]);
    assert_eq!(agent.info().await.status.as_str(), "online");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_says_what_is_done() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    agent
        .run(&["heartbeat", "--task", "thinking", "--active-tasks", "2"])
        .prints("ok\n");
    assert_eq!(agent.info().await.active_tasks, Some(2));
    assert_eq!(agent.run(&["heartbeat", "--json"]).json()["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_is_replaced() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    agent
        .run(&["card", "update", "--agent-name", "renamed"])
        .prints("updated\n");
    assert_eq!(
        agent.info().await.agent_card,
        Some(json!({"name": "renamed"}))
    );
    agent
        .run(&["card", "update"])
        .fails(2, &["--agent-card", "--agent-name"]);
    let broken = world.home.path().join("card.json");
    fs::write(&broken, "[1]").unwrap();
    agent
        .run(&["card", "update", "--agent-card", broken.to_str().unwrap()])
        .fails(2, &["card.json", "JSON"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = agent.program(&["state"]).stdout(writer).start();
    let code = child.wait().unwrap().code();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_shown_on_demand_and_tokens_never() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.is_given("API_KEY", "s3cr3t-value").await;
    let (id, url) = (agent.id, world.emulator.url());
    let token = agent.token();
    for (args, requests) in [
        (
            &["register"][..],
            &["GET /workspaces/ID", "POST /registry/register"][..],
        ),
        (&["state"], &["GET /workspaces/ID/state"]),
        (&["secrets", "list"], &["GET /workspaces/ID/secrets"]),
        (
            &["inbox", "--since", "5m"],
            &["GET /workspaces/ID/activity"],
        ),
        (&["notify", "s3cr3t-value"], &["POST /workspaces/ID/notify"]),
    ] {
        let quiet = agent.run(args);
        assert!(!quiet.stderr.contains("request="), "{}", quiet.stderr);
        let ran = agent.run(&[&["-vv"], args].concat());
        ran.succeeds();
        for request in requests {
            let path = request.replace("ID", &id.to_string());
            let request = format!("request={}", path.replacen(' ', &format!(" {url}"), 1));
            let line = ran.stderr.lines().find(|line| {
                let words: Vec<_> = line.split(' ').collect();
                line.contains(&format!("{request} ")) && words.contains(&"answered")
            });
            let line = line.unwrap_or_else(|| panic!("no {request} in {}", ran.stderr));
            assert!(line.contains("elapsed="), "{line}");
        }
        assert!(ran.stderr.contains("status=200"), "{}", ran.stderr);
        for secret in [token.expose(), "s3cr3t", "since_secs"] {
            assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
        }
    }
    let lost = agent.run(&[
        "notify",
        "hi",
        "-vv",
        "--platform-url",
        "http://127.0.0.1:1",
    ]);
    assert!(
        lost.stderr
            .contains("not answered request=POST http://127.0.0.1:1/")
            && lost.stderr.contains("problem=Connect"),
        "{}",
        lost.stderr
    );
}
