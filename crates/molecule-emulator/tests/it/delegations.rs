//! Work handed from one workspace to another.

use std::collections::BTreeSet;

use molecule_emulator::{EmulatorConfig, Generation, Quirks};
use molecule_protocol::transcripts::Behaviour;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::client::{Answer, Call};
use crate::world::{Workspace, World};

impl World {
    fn delegation(&self, from: &Workspace, body: &Value) -> Call {
        self.post(&format!("/workspaces/{}/delegate", from.id), body)
    }

    async fn delegate(&self, from: &Workspace, to: &str, task: &str, key: &str) -> Answer {
        let body = json!({ "target_id": to, "task": task, "idempotency_key": key });
        self.delegation(from, &body)
            .bearer(&from.token)
            .send()
            .await
    }

    async fn delegations(&self, of: &Workspace) -> Vec<Value> {
        let path = format!("/workspaces/{}/delegations", of.id);
        let answer = self.get(&path).bearer(&of.token).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().as_array().unwrap().clone()
    }

    /// The rows, once the newest has a status.
    async fn until(&self, of: &Workspace, status: &str) -> Vec<Value> {
        loop {
            let rows = self.delegations(of).await;
            if rows.first().is_some_and(|row| row["status"] == status) {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn drops() -> Behaviour {
    Behaviour {
        drop: true,
        ..Behaviour::default()
    }
}

fn echoes() -> Behaviour {
    Behaviour {
        echo: true,
        ..Behaviour::default()
    }
}

async fn pair(world: &World) -> (Workspace, Workspace, Agent) {
    let agent = world.agent().await;
    let source = world.poller("source").await;
    let target = world.pusher("target", &agent).await;
    (source, target, agent)
}

#[tokio::test]
async fn the_target_gets_the_task_and_the_source_two_rows() {
    let world = World::start().await;
    let (source, target, agent) = pair(&world).await;
    let answer = world.delegate(&source, &target.id, "say hello", "").await;
    let id = answer.json()["delegation_id"].clone();
    let accepted = json!({ "delegation_id": id, "status": "delegated", "target_id": target.id });
    assert_eq!(answer.summary(), (202, accepted));

    let got = agent.wait_for(1).await.remove(0).body;
    let message = json!({
        "messageId": id,
        "metadata": { "delegation_id": id },
        "parts": [{ "text": "say hello", "type": "text" }],
        "role": "user",
    });
    assert_eq!(got["params"], json!({ "message": message }));
    assert_eq!(
        (&got["method"], got["id"].is_string()),
        (&json!("message/send"), true)
    );

    let rows = world.until(&source, "completed").await;
    let shown = |row: &Value| {
        (
            row["summary"].clone(),
            row["status"].clone(),
            row["response_preview"].clone(),
            row["delegation_id"].clone(),
        )
    };
    let (completed, echo) = (json!("completed"), json!("echo: say hello"));
    let summary = json!("Delegation completed (echo: say hello)");
    assert_eq!(
        shown(&rows[0]),
        (summary, completed.clone(), echo, id.clone())
    );
    let summary = json!(format!("Delegating to {}", target.id));
    assert_eq!(shown(&rows[1]), (summary, completed, Value::Null, id));
    assert_eq!(rows.len(), 2);

    let row = world.activity(&target, "").await.json()[0].clone();
    assert_eq!(
        (&row["activity_type"], &row["source_id"]),
        (&json!("a2a_receive"), &json!(source.id))
    );
    let own = world.activity(&source, "?type=delegation").await.json();
    assert_eq!(own[0]["response_body"]["text"], "echo: say hello");
    assert_eq!(own[1]["request_body"]["task"], "say hello");
}

#[tokio::test]
async fn a_key_stands_for_one_delegation_until_that_fails() {
    let world = World::start().await;
    let (source, target, agent) = pair(&world).await;
    let first = world.delegate(&source, &target.id, "a", "key").await.json();
    let other = world.poller("other").await;
    let again = world.delegate(&source, &other.id, "b", "key").await;
    assert_eq!(again.status, 200);
    let again = again.json();
    assert_eq!(
        (
            &again["idempotent_hit"],
            &again["delegation_id"],
            &again["target_id"]
        ),
        (&json!(true), &first["delegation_id"], &json!(target.id))
    );
    let theirs = world.delegate(&other, &target.id, "a", "key").await;
    assert_eq!(theirs.status, 202, "the key belongs to one source");
    world.until(&source, "completed").await;

    drop(agent);
    let failing = world.delegate(&source, &target.id, "c", "second").await;
    world.retry(&target).await;
    let rows = world.until(&source, "failed").await;
    assert_eq!(rows[1]["delegation_id"], failing.json()["delegation_id"]);
    let released = world.delegate(&source, &target.id, "c", "second").await;
    assert_eq!(released.status, 202);
    assert_ne!(
        released.json()["delegation_id"],
        failing.json()["delegation_id"]
    );
    let ids: Vec<_> = world.delegations(&source).await;
    assert!(
        !ids.iter()
            .any(|row| row["delegation_id"] == failing.json()["delegation_id"]),
        "the first row of the failed one is gone"
    );
}

impl World {
    /// Waits for the failed attempt in the log of the target, and then for the second one.
    async fn retry(&self, target: &Workspace) {
        self.errors(target, 1).await;
        self.advance(7);
        assert_eq!(self.errors(target, 1).await, 1);
        self.advance(1);
        self.errors(target, 2).await;
    }

    async fn errors(&self, at: &Workspace, wanted: usize) -> usize {
        loop {
            let rows = self.activity(at, "").await.json();
            let failed = |row: &&Value| row["status"] == "error";
            let count = rows.as_array().unwrap().iter().filter(failed).count();
            if count >= wanted {
                return count;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn requests_at_once_with_one_key_make_one_delegation() {
    let world = World::start().await;
    let (source, target, agent) = pair(&world).await;
    let body = json!({ "target_id": target.id, "task": "once", "idempotency_key": "key" });
    let calls = (0..6).map(|_| {
        let call = world.delegation(&source, &body).bearer(&source.token);
        tokio::spawn(call.send())
    });
    let mut statuses = Vec::new();
    let mut ids = BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        statuses.push(answer.status.as_u16());
        ids.insert(answer.json()["delegation_id"].to_string());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 202]);
    assert_eq!(ids.len(), 1);
    world.until(&source, "completed").await;
    assert_eq!(agent.received().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_delegation_is_refused() {
    let world = World::start().await;
    let (source, target, _agent) = pair(&world).await;
    let invalid = "invalid delegation request";
    for (body, expect) in [
        (json!({}), invalid),
        (json!({ "target_id": target.id }), invalid),
        (json!({ "target_id": target.id, "task": "" }), invalid),
        (json!({ "target_id": 1, "task": "x" }), invalid),
        (
            json!({ "target_id": "nope", "task": "x" }),
            "target_id must be a valid UUID",
        ),
        (
            json!({ "target_id": source.id, "task": "x" }),
            "self-delegation not permitted",
        ),
    ] {
        let answer = world
            .delegation(&source, &body)
            .bearer(&source.token)
            .send();
        assert_eq!(
            answer.await.summary(),
            (400, json!({ "error": expect })),
            "{body}"
        );
    }
    let body = json!({ "target_id": target.id, "task": "x" });
    let call = world.delegation(&source, &body);
    assert_eq!(call.clone().send().await.status, 401);
    assert_eq!(call.clone().bearer(&target.token).send().await.status, 401);
    let admin = call.bearer(world.platform.admin_token());
    assert_eq!(admin.send().await.status, 202);
}

#[tokio::test]
async fn a_delegation_for_nobody_is_accepted_and_not_tracked() {
    let world = World::start().await;
    let (_, target, _agent) = pair(&world).await;
    let path = "/workspaces/00000000-0000-4000-8000-000000000001/delegate";
    let call = world.post(path, &json!({ "target_id": target.id, "task": "x" }));
    let answer = call.bearer(world.platform.admin_token()).send().await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.json()["warning"],
        "delegation dispatched but status tracking unavailable"
    );
}

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

    agent.behave(echoes());
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

#[tokio::test]
async fn an_agent_that_sends_itself_records_what_came_of_it() {
    let world = World::start().await;
    let (source, target, _agent) = pair(&world).await;
    let path = format!("/workspaces/{}/delegations", source.id);
    let post = |path: String, body: Value| world.post(&path, &body).bearer(&source.token).send();
    let record = json!({ "target_id": target.id, "task": "direct", "delegation_id": "own-1" });
    let answer = post(format!("{path}/record"), record).await;
    assert_eq!(
        answer.summary(),
        (
            202,
            json!({ "delegation_id": "own-1", "status": "recorded" })
        )
    );
    let missing = post(format!("{path}/record"), json!({ "task": "x" })).await;
    assert_eq!(missing.status, 400);
    let failed = json!({ "status": "failed", "error": "gave up" });
    assert_eq!(
        post(format!("{path}/own-1/update"), failed).await.status,
        200
    );
    let rows = world.delegations(&source).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["status"], &rows[0]["error"]),
        (&json!("failed"), &json!("gave up"))
    );
    let odd = post(
        format!("{path}/own-1/update"),
        json!({ "status": "queued" }),
    )
    .await;
    assert_eq!(
        odd.summary(),
        (
            400,
            json!({ "error": "status must be 'completed' or 'failed'" })
        )
    );
}

#[tokio::test]
async fn a_long_answer_is_cut_in_the_preview_and_whole_in_the_log() {
    let world = World::start().await;
    let (source, target, _agent) = pair(&world).await;
    let task = "ü".repeat(200);
    world.delegate(&source, &target.id, &task, "").await;
    let rows = world.until(&source, "completed").await;
    let preview = rows[0]["response_preview"].as_str().unwrap();
    // 300 bytes: six of "echo: " and 147 characters of two bytes each.
    assert_eq!(preview, format!("echo: {}...", "ü".repeat(147)));
    let row = world
        .activity(&source, "?type=delegation&limit=1")
        .await
        .json();
    assert_eq!(row[0]["response_body"]["text"], format!("echo: {task}"));
}

#[tokio::test]
async fn the_newest_fifty_rows_are_listed() {
    let world = World::with(EmulatorConfig::new().with_generation(Generation::A)).await;
    let source = world.create("source").await;
    for number in 0..60 {
        let path = format!("/workspaces/{}/delegations/record", source.id);
        let target = "00000000-0000-4000-8000-000000000001";
        let body = json!({ "target_id": target, "task": "x", "delegation_id": number.to_string() });
        world.post(&path, &body).bearer(&source.token).send().await;
    }
    let rows = world.delegations(&source).await;
    assert_eq!((rows.len(), &rows[0]["delegation_id"]), (50, &json!("59")));
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let files = tempfile::TempDir::new().unwrap();
    let config = || EmulatorConfig::new().with_state_file(files.path().join("state.json"));
    let world = World::with(config()).await;
    let (source, target, _agent) = pair(&world).await;
    let first = world.delegate(&source, &target.id, "a", "key").await.json();
    world.until(&source, "completed").await;
    world.platform.stop().await.unwrap();
    let world = World::with(config()).await;
    let again = world.delegate(&source, &target.id, "a", "key").await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["delegation_id"]),
        (200, &first["delegation_id"])
    );
}
