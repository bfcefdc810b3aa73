//! What becomes of delegations besides an answer at once.

use molecule_emulator::{EmulatorConfig, Quirks};
use molecule_protocol::transcripts::Behaviour;
use serde_json::{Value, json};

use super::pair;
use crate::agent::drops;
use crate::world::World;

#[tokio::test]
async fn a_target_that_is_unknown_or_out_of_reach_fails_the_delegation_later() {
    let world = World::start().await;
    let (source, target, _agent) = pair(&world).await;
    let stranger = world.create_below("stranger", Some(&target)).await;
    let cousin = world.create_below("cousin", Some(&source)).await;
    let denied = "access denied: workspaces cannot communicate per hierarchy rules";
    let nobody = "00000000-0000-4000-8000-000000000001".to_owned();
    for to in [stranger.id, nobody] {
        let answer = world.delegate(&cousin, &to, "x", "").await;
        assert_eq!(answer.status, 202);
        let rows = world.until(&cousin, "failed").await;
        assert_eq!(
            (&rows[0]["error"], &rows[0]["target_id"]),
            (&json!(denied), &json!(to))
        );
        assert_eq!(rows[0].get("delegation_id"), None);
        assert_eq!(rows[1]["delegation_id"], answer.json()["delegation_id"]);
        assert_eq!(
            (&rows[1]["status"], &rows[1]["error"]),
            (&json!("failed"), &json!(denied))
        );
    }
}

#[tokio::test]
async fn a_target_that_is_not_there_is_tried_once_more_after_eight_seconds() {
    let world = World::start().await;
    let (source, target, agent) = pair(&world).await;
    drop(agent);
    world.delegate(&source, &target.id, "first", "").await;
    world.errors(&target, 1).await;
    assert_eq!(world.delegations(&source).await[0]["status"], "dispatched");
    let back = world.agent().await;
    let push = json!({ "delivery_mode": "push", "url": back.url() });
    world.register(&target, &push).await;
    world.advance(8);
    let rows = world.until(&source, "completed").await;
    assert_eq!(rows[0]["response_preview"], "echo: first");
}

#[tokio::test]
async fn a_refusal_of_the_agent_is_not_repeated() {
    let world = World::start().await;
    let (source, target, agent) = pair(&world).await;
    let refuses = json!({ "answer": { "status": 500, "json": { "error": "agent exploded" } } });
    agent.behave(serde_json::from_value(refuses).unwrap());
    world.delegate(&source, &target.id, "x", "").await;
    let rows = world.until(&source, "failed").await;
    assert_eq!(rows[0]["error"], "agent exploded");
    assert_eq!(agent.received().len(), 1);
}

async fn queued_then_answered(world: &World) -> Vec<Value> {
    let (source, target, agent) = pair(world).await;
    agent.behave(drops());
    let answer = world.delegate(&source, &target.id, "busy one", "").await;
    let id = answer.json()["delegation_id"].as_str().unwrap().to_owned();
    let rows = world.until(&source, "queued").await;
    assert_eq!(rows[0]["summary"], "Delegation queued — target at capacity");
    let preview = format!(r#"{{"queued": true, "delegation_id": "{id}"}}"#);
    assert_eq!(rows[0]["response_preview"], preview);
    assert_eq!(rows[1]["status"], "queued");

    agent.behave(Behaviour::at_first());
    world.beat(&target).await;
    let rows = world.until(&source, "completed").await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["response_preview"], "echo: busy one");
    assert_eq!(rows[0]["delegation_id"], id);
    rows
}

#[tokio::test]
async fn a_queued_delegation_is_completed_in_one_row_and_stays_queued_in_the_other() {
    let world = World::start().await;
    assert_eq!(queued_then_answered(&world).await[1]["status"], "queued");
}

#[tokio::test]
async fn a_platform_without_quirks_completes_both_rows_and_labels_failures() {
    let world = World::with(EmulatorConfig::new().with_quirks(Quirks::none())).await;
    assert_eq!(queued_then_answered(&world).await[1]["status"], "completed");
    let source = world.poller("another").await;
    let nobody = "00000000-0000-4000-8000-000000000001";
    let answer = world.delegate(&source, nobody, "x", "").await;
    let rows = world.until(&source, "failed").await;
    assert_eq!(rows[0]["delegation_id"], answer.json()["delegation_id"]);
}

#[tokio::test]
async fn a_polling_target_finds_the_task_in_its_log_and_its_answer_is_a_message() {
    let world = World::start().await;
    let (source, target) = (world.poller("source").await, world.poller("target").await);
    let answer = world
        .delegate(&source, &target.id, "think", "")
        .await
        .json();
    let id = answer["delegation_id"].as_str().unwrap();
    world.until(&source, "queued").await;
    let row = world.activity(&target, "?type=a2a_receive").await.json()[0].clone();
    let message = &row["request_body"]["params"]["message"];
    assert_eq!(row["source_id"], source.id);
    assert_eq!(message["metadata"]["delegation_id"], id);
    assert_eq!(
        message["parts"],
        json!([{ "text": "think", "type": "text" }])
    );

    let reply = world.message(&source, "r-1", "thought");
    let reply = reply
        .header("x-workspace-id", &target.id)
        .bearer(&target.token);
    assert_eq!(reply.send().await.status, 202);
    assert_eq!(world.delegations(&source).await[0]["status"], "queued");

    let path = format!("/workspaces/{}/delegations/{id}/update", source.id);
    let done = json!({ "status": "completed", "response_preview": "thought" });
    let updated = world.post(&path, &done).bearer(&source.token).send().await;
    assert_eq!(
        updated.summary(),
        (200, json!({ "delegation_id": id, "status": "completed" }))
    );
    let rows = world.delegations(&source).await;
    assert_eq!(
        (&rows[0]["target_id"], &rows[0]["response_preview"]),
        (&json!(""), &json!("thought"))
    );
    assert_eq!(rows[2]["status"], "completed");
}
