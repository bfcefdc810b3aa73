//! What listeners hear.

use std::time::Duration;

use molecule_emulator::EmulatorConfig;
use serde_json::{Value, json};

use crate::listener::{Listener, kinds};
use crate::world::World;

#[tokio::test]
async fn a_stream_tells_what_happens_at_one_workspace_and_begins_with_a_ping() {
    let world = World::start().await;
    let agent = world.agent().await;
    let me = world.pusher("me", &agent).await;
    let other = world.poller("other").await;
    let (head, mut stream) = Listener::stream(&world.platform, &me.id, &me.token).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.message().await.unwrap(), ": ping\n\n");

    world.beat(&other).await;
    let beat = json!({ "workspace_id": me.id, "active_tasks": 0, "current_task": "think" });
    let call = world.post("/registry/heartbeat", &beat).bearer(&me.token);
    call.send().await;
    world.say(&me, "hey").await;
    let path = format!("/workspaces/{}/notify", me.id);
    let note = json!({ "message": "yo" });
    world.post(&path, &note).bearer(&me.token).send().await;

    let events = stream.until("AGENT_MESSAGE").await;
    assert_eq!(
        kinds(&events),
        [
            "TASK_UPDATED",
            "WORKSPACE_HEARTBEAT",
            "A2A_RESPONSE",
            "ACTIVITY_LOGGED",
            "AGENT_MESSAGE"
        ]
    );
    let task = json!({ "active_tasks": 0, "current_task": "think" });
    assert_eq!(events[0]["data"], task);
    let answer = &events[2]["data"]["response_body"]["result"]["parts"][0]["text"];
    assert_eq!(answer, "echo: hey");
    assert_eq!(
        events[4]["data"],
        json!({ "message": "yo", "name": "me", "workspace_id": me.id })
    );
    // Milliseconds of the simulated clock, which stands in 2026.
    assert_eq!(events[4]["timestamp"], json!(1_767_225_600_000_i64));
}

#[tokio::test]
async fn a_stream_needs_the_token_and_a_workspace() {
    let world = World::start().await;
    let (me, other) = (world.poller("me").await, world.poller("other").await);
    let path = format!("/workspaces/{}/events/stream", me.id);
    assert_eq!(world.get(&path).send().await.status, 401);
    let foreign = world.get(&path).bearer(&other.token).send().await;
    assert_eq!(foreign.status, 401);
    let nobody = "/workspaces/00000000-0000-4000-8000-000000000001/events/stream";
    let admin = world.platform.admin_token();
    assert_eq!(world.get(nobody).bearer(admin).send().await.status, 404);
}

#[tokio::test]
async fn a_delegation_is_told_step_by_step() {
    let world = World::start().await;
    let agent = world.agent().await;
    let (source, target) = (
        world.poller("source").await,
        world.pusher("target", &agent).await,
    );
    let (_, mut stream) = Listener::stream(&world.platform, &source.id, &source.token).await;
    stream.message().await;
    let path = format!("/workspaces/{}/delegate", source.id);
    let body = json!({ "target_id": target.id, "task": "x" });
    let answer = world.post(&path, &body).bearer(&source.token).send().await;
    let events = stream.until("DELEGATION_COMPLETE").await;
    assert_eq!(
        kinds(&events),
        [
            "DELEGATION_SENT",
            "DELEGATION_STATUS",
            "DELEGATION_COMPLETE"
        ]
    );
    let id = answer.json()["delegation_id"].clone();
    assert!(
        events
            .iter()
            .all(|event| event["data"]["delegation_id"] == id)
    );
    assert_eq!(events[2]["data"]["response_preview"], "echo: x");
}

#[tokio::test]
async fn a_life_is_told_and_kept_for_the_administrator() {
    let world = World::start().await;
    let (_, mut canvas) = Listener::socket(&world.platform, &[]).await;
    let me = world.poller("me").await;
    world.advance(120);
    world.status(&me).await;
    world.register(&me, &json!({})).await;
    let path = format!("/workspaces/{}/pause", me.id);
    world.post(&path, &json!({})).bearer(&me.token).send().await;
    world.delete(&format!("/workspaces/{}", me.id)).send().await;
    let expect = [
        "WORKSPACE_AWAITING_AGENT",
        "WORKSPACE_ONLINE",
        "WORKSPACE_AWAITING_AGENT",
        "WORKSPACE_ONLINE",
        "WORKSPACE_PAUSED",
        "WORKSPACE_REMOVED",
    ];
    assert_eq!(kinds(&canvas.until("WORKSPACE_REMOVED").await), expect);

    let admin = world.platform.admin_token();
    for path in ["/events".to_owned(), format!("/events/{}", me.id)] {
        assert_eq!(world.get(&path).send().await.status, 401);
        let rows = world.get(&path).bearer(admin).send().await.json();
        let kept: Vec<&Value> = rows.as_array().unwrap().iter().rev().collect();
        let kept: Vec<_> = kept
            .iter()
            .map(|row| row["event_type"].as_str().unwrap())
            .collect();
        assert_eq!(kept, expect, "{path}");
        assert_eq!(rows[0]["workspace_id"], me.id);
    }
}

#[tokio::test]
async fn a_socket_without_a_name_hears_all_and_an_agent_those_it_may_talk_to() {
    let world = World::start().await;
    let (root, other) = (world.poller("root").await, world.poller("other").await);
    let child = world.create_below("child", Some(&other)).await;
    let (head, mut canvas) = Listener::socket(&world.platform, &[]).await;
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let bearer = format!("Bearer {}", root.token);
    let named = [
        ("x-workspace-id", root.id.as_str()),
        ("authorization", &bearer),
    ];
    let (head, mut agent) = Listener::socket(&world.platform, &named).await;
    assert_eq!(head.status, 101);

    for workspace in [&child, &other, &root] {
        world.beat(workspace).await;
    }
    let heard = |event: Value| event["workspace_id"].as_str().unwrap().to_owned();
    let mut by_canvas = Vec::new();
    for _ in 0..3 {
        by_canvas.push(heard(canvas.event().await.unwrap()));
    }
    assert_eq!(by_canvas, [child.id, other.id.clone(), root.id.clone()]);
    let by_agent = [agent.event().await.unwrap(), agent.event().await.unwrap()];
    assert_eq!(
        by_agent[0]["payload"],
        json!({ "active_tasks": 0, "uptime_seconds": 0 })
    );
    assert_eq!(by_agent.map(heard), [other.id, root.id]);
}

#[tokio::test]
async fn an_agents_socket_needs_its_token_and_a_handshake() {
    let world = World::start().await;
    let me = world.poller("me").await;
    let named = ("x-workspace-id", me.id.as_str());
    let (missing, _) = Listener::socket(&world.platform, &[named]).await;
    assert_eq!(missing.status, 401);
    let wrong = ("authorization", "Bearer wrong");
    let (refused, _) = Listener::socket(&world.platform, &[named, wrong]).await;
    assert_eq!(refused.status, 401);
    assert_eq!(world.get("/ws").send().await.status, 400);
}

#[tokio::test]
async fn listeners_do_not_keep_a_platform_from_stopping() {
    let world = World::with(EmulatorConfig::new()).await;
    let me = world.poller("me").await;
    let (_, mut stream) = Listener::stream(&world.platform, &me.id, &me.token).await;
    let (_, mut socket) = Listener::socket(&world.platform, &[]).await;
    stream.message().await;
    let stopped = tokio::time::timeout(Duration::from_secs(4), world.platform.stop()).await;
    stopped.expect("listeners are not waited for").unwrap();
    assert_eq!(stream.message().await, None);
    assert_eq!(socket.message().await, None);
}

#[tokio::test]
async fn a_platform_that_is_killed_cuts_its_sockets() {
    let world = World::start().await;
    let (_, mut socket) = Listener::socket(&world.platform, &[]).await;
    world.platform.kill().await;
    assert_eq!(socket.message().await, None);
}
