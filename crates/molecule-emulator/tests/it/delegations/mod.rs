//! Work handed from one workspace to another.

mod keys;
mod outcomes;

use molecule_emulator::{EmulatorConfig, Generation};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::client::{Answer, Call};
use crate::world::{Workspace, World};

/// How often a test looks before it gives up.
const POLLS: usize = 2_000;

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
        for _ in 0..POLLS {
            let rows = self.delegations(of).await;
            if rows.first().is_some_and(|row| row["status"] == status) {
                return rows;
            }
            tokio::task::yield_now().await;
        }
        panic!("no delegation is {status}");
    }
}

async fn pair(world: &World) -> (Workspace, Workspace, Agent) {
    let agent = world.agent().await;
    let source = world.poller("source").await;
    let target = world.pusher("target", &agent).await;
    (source, target, agent)
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
        for _ in 0..POLLS {
            let rows = self.activity(at, "").await.json();
            let failed = |row: &&Value| row["status"] == "error";
            let count = rows.as_array().unwrap().iter().filter(failed).count();
            if count >= wanted {
                return count;
            }
            tokio::task::yield_now().await;
        }
        panic!("not {wanted} errors");
    }
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
