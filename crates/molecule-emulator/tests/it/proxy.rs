//! Messages for agents that are posted to.

use std::time::Duration;

use molecule_protocol::transcripts::Behaviour;
use serde_json::json;

use crate::agent::{Received, drops};
use crate::world::{Workspace, World};

/// The ids of the messages that an agent got.
fn ids(received: &[Received]) -> Vec<String> {
    let id = |got: &Received| got.body["params"]["message"]["messageId"].clone();
    let ids = received.iter().map(id);
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_agent_sees_the_envelope_and_nothing_of_the_caller() {
    let world = World::start().await;
    let agent = world.agent().await;
    let (sender, target) = (
        world.poller("sender").await,
        world.pusher("target", &agent).await,
    );
    let call = world
        .message(&target, "m-1", "a <b>")
        .header("x-workspace-id", &sender.id);
    let answer = call.bearer(&sender.token).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["result"]["parts"][0]["text"], "echo: a <b>");
    let got = agent.received().remove(0);
    assert_eq!(got.body["params"]["message"]["messageId"], "m-1");
    assert_eq!(got.path, "/");
    let head = got.head.to_lowercase();
    assert!(head.contains("user-agent: go-http-client/1.1"), "{head}");
    for absent in [
        "authorization",
        "x-workspace-id",
        &sender.token.to_lowercase(),
    ] {
        assert!(!head.contains(absent), "{absent} in {head}");
    }
}

#[tokio::test]
async fn a_dropped_message_is_queued_once_and_delivered_with_a_heartbeat() {
    let world = World::start().await;
    let agent = world.agent().await;
    let target = world.pusher("target", &agent).await;
    agent.behave(drops());
    let first = world.say(&target, "m-1").await;
    let again = world.say(&target, "m-1").await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.json()["queue_id"], again.json()["queue_id"]);
    assert_eq!(again.json()["queue_depth"], 1);

    agent.behave(Behaviour::at_first());
    world.beat(&target).await;
    assert_eq!(agent.wait_for(3).await.len(), 3);
    while world.activity(&target, "").await.json()[0]["status"] != "ok" {
        tokio::task::yield_now().await;
    }
    world.beat(&target).await;
    world.say(&target, "m-2").await;
    assert_eq!(ids(&agent.wait_for(4).await), ["m-1", "m-1", "m-1", "m-2"]);
}

#[tokio::test]
async fn each_heartbeat_delivers_one_message_in_the_order_they_came() {
    let world = World::start().await;
    let agent = world.agent().await;
    let target = world.pusher("target", &agent).await;
    agent.behave(drops());
    for (depth, id) in ["m-1", "m-2"].into_iter().enumerate() {
        let answer = world.say(&target, id).await;
        assert_eq!(answer.json()["queue_depth"], depth + 1);
    }
    agent.behave(Behaviour::at_first());
    for sent in [3, 4] {
        world.beat(&target).await;
        let got = agent.wait_for(sent).await;
        assert_eq!(got.len(), sent);
        rows_at_least(&world, &target, sent).await;
    }
    assert_eq!(ids(&agent.received()), ["m-1", "m-2", "m-1", "m-2"]);
}

/// Waits until deliveries have left so many rows.
async fn rows_at_least(world: &World, target: &Workspace, wanted: usize) {
    for _ in 0..2_000 {
        let rows = world.activity(target, "").await.json();
        if rows.as_array().unwrap().len() >= wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("not {wanted} rows");
}

#[tokio::test]
async fn a_message_is_given_up_after_five_deliveries() {
    let world = World::start().await;
    let agent = world.agent().await;
    let target = world.pusher("target", &agent).await;
    agent.behave(drops());
    world.say(&target, "m-1").await;
    for sent in 2..=6 {
        world.beat(&target).await;
        agent.wait_for(sent).await;
        rows_at_least(&world, &target, sent).await;
    }
    world.beat(&target).await;
    world.say(&target, "m-2").await;
    let ids = ids(&agent.received());
    assert_eq!((ids.len(), ids.last().unwrap().as_str()), (7, "m-2"));
}

#[tokio::test]
async fn relatives_in_line_may_write_to_each_other_and_cousins_may_not() {
    let world = World::start().await;
    let root = world.poller("root").await;
    let (child, nephew) = (
        world.create_below("child", Some(&root)).await,
        world.create_below("other child", Some(&root)).await,
    );
    let grandchild = world.create_below("grandchild", Some(&child)).await;
    for workspace in [&child, &nephew, &grandchild] {
        world.register(workspace, &json!({})).await;
    }
    for (from, to, expect) in [
        (&root, &grandchild, 202),
        (&grandchild, &root, 202),
        (&child, &nephew, 202),
        (&nephew, &grandchild, 403),
        (&grandchild, &nephew, 403),
    ] {
        let call = world
            .message(to, "m", "hi")
            .header("x-workspace-id", &from.id);
        let answer = call.bearer(&from.token).send().await;
        assert_eq!(answer.status, expect, "{}", answer.text());
        let path = format!("/registry/discover/{}", to.id);
        let found = world.get(&path).header("x-workspace-id", &from.id);
        let found = found.bearer(&from.token).send().await;
        // Whoever polls has no url to be found under.
        assert_eq!(found.status, if expect == 202 { 503 } else { 403 });
    }
}

#[tokio::test]
async fn a_busy_target_is_offered_nothing() {
    let world = World::start().await;
    let agent = world.agent().await;
    let target = world.pusher("target", &agent).await;
    agent.behave(drops());
    world.say(&target, "m-1").await;
    agent.behave(Behaviour::at_first());
    let busy = json!({ "workspace_id": target.id, "active_tasks": 1 });
    world
        .post("/registry/heartbeat", &busy)
        .bearer(&target.token)
        .send()
        .await;
    world.say(&target, "m-2").await;
    assert_eq!(ids(&agent.received()), ["m-1", "m-2"]);
}

#[tokio::test]
async fn nobody_listening_is_an_error_that_the_log_shows() {
    let world = World::start().await;
    let agent = world.agent().await;
    let target = world.pusher("target", &agent).await;
    drop(agent);
    let refused = json!({ "error": "failed to reach workspace agent" });
    while world.say(&target, "m-1").await.summary() != (502, refused.clone()) {
        tokio::task::yield_now().await;
    }
    let row = world.activity(&target, "?limit=1").await.json()[0].clone();
    assert_eq!(row["status"], "error");
    assert!(
        row["error_detail"].as_str().unwrap().contains("dial tcp"),
        "{row}"
    );
    assert_eq!(world.status(&target).await, "online");
}

#[tokio::test]
async fn a_silent_target_is_given_up_after_five_minutes_unless_it_beats() {
    let world = World::start().await;
    let agent = world.agent().await;
    let target = world.pusher("target", &agent).await;
    agent.behave(Behaviour {
        echo: true,
        delay_ms: 1_000_000,
        ..Behaviour::default()
    });
    let sent = tokio::spawn(world.message(&target, "m-1", "hi").send());
    agent.wait_for(1).await;
    world.clock.advance(Duration::from_secs(299));
    world.beat(&target).await;
    world.clock.advance(Duration::from_secs(299));
    world.beat(&target).await;
    assert!(!sent.is_finished());
    world.clock.advance(Duration::from_secs(301));
    let answer = sent.await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["queued"]),
        (202, &json!(true))
    );
}

#[tokio::test]
async fn a_budget_that_is_spent_stops_messages() {
    let world = World::start().await;
    let body = json!({ "name": "w", "runtime": "external", "url": "http://localhost:9", "budget_limit": 100 });
    let created = world
        .post("/workspaces", &body)
        .bearer(world.platform.admin_token())
        .send()
        .await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let beat = json!({ "workspace_id": id, "monthly_spend": 100 });
    world.post("/registry/heartbeat", &beat).send().await;
    let answer = world
        .post(&format!("/workspaces/{id}/a2a"), &json!({}))
        .send()
        .await;
    assert_eq!(
        answer.summary(),
        (402, json!({ "error": "workspace budget limit exceeded" }))
    );
}
