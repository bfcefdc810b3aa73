//! What agents keep on the platform, and the smaller answers.

use http::StatusCode;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::world::{Workspace, World};

impl World {
    async fn ask(&self, of: &Workspace, method: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/workspaces/{}/{path}", of.id);
        let call = crate::client::Call::new(&self.platform, method, &path);
        call.bearer(&of.token).json(body).send().await
    }

    async fn read(&self, of: &Workspace, path: &str) -> Value {
        let answer = self.ask(of, "GET", path, &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }
}

fn contents(memories: &Value) -> Vec<&str> {
    let memories = memories.as_array().unwrap().iter();
    memories
        .map(|row| row["content"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn memories_are_seen_by_the_workspace_its_team_or_everyone() {
    let world = World::start().await;
    let root = world.create("root").await;
    let child = world.create_below("child", Some(&root)).await;
    let other = world.create("other").await;
    for (of, scope, content) in [
        (&root, "LOCAL", "mine"),
        (&root, "TEAM", "ours"),
        (&root, "GLOBAL", "everyones"),
    ] {
        let body = json!({ "content": content, "scope": scope });
        let answer = world.ask(of, "POST", "memories", &body).await;
        assert_eq!(answer.status, 201);
        assert_eq!(
            (&answer.json()["namespace"], &answer.json()["scope"]),
            (&json!("general"), &json!(scope))
        );
        world.advance(1);
    }
    let seen = world.read(&child, "memories?scope=TEAM").await;
    assert_eq!(contents(&seen), ["ours"]);
    assert_eq!(
        contents(&world.read(&other, "memories?scope=TEAM").await),
        [""; 0]
    );
    assert_eq!(contents(&world.read(&child, "memories").await), [""; 0]);
    let all = world.read(&other, "memories?scope=GLOBAL").await;
    let marked = format!(
        "[MEMORY id={} scope=GLOBAL from={}]: everyones",
        all[0]["id"].as_str().unwrap(),
        root.id
    );
    assert_eq!(contents(&all), [marked.as_str()]);
    assert_eq!(
        contents(&world.read(&root, "memories?q=MINE").await),
        ["mine"]
    );
    assert_eq!(
        contents(&world.read(&root, "memories?limit=2").await).len(),
        2
    );

    let denied = json!({ "content": "x", "scope": "GLOBAL" });
    assert_eq!(
        world.ask(&child, "POST", "memories", &denied).await.status,
        403
    );
    let odd = json!({ "content": "x", "scope": "MINE" });
    assert_eq!(
        world.ask(&child, "POST", "memories", &odd).await.status,
        400
    );
    let path = format!("memories/{}", seen[0]["id"].as_str().unwrap());
    assert_eq!(
        world.ask(&child, "DELETE", &path, &json!({})).await.status,
        404
    );
    assert_eq!(
        world.ask(&root, "DELETE", &path, &json!({})).await.status,
        200
    );
    assert_eq!(
        contents(&world.read(&child, "memories?scope=TEAM").await),
        [""; 0]
    );
}

#[tokio::test]
async fn a_value_has_a_version_that_a_writer_can_insist_on_and_a_life() {
    let world = World::start().await;
    let me = world.create("me").await;
    let write = |version: Option<i64>| json!({ "key": "k", "value": [1], "if_match_version": version, "ttl_seconds": 60 });
    let version = |answer: &Answer| answer.json()["version"].clone();
    let first = world.ask(&me, "POST", "memory", &write(Some(0))).await;
    assert_eq!((first.status.as_u16(), version(&first)), (200, json!(1)));
    let stale = world.ask(&me, "POST", "memory", &write(Some(0))).await;
    assert_eq!(
        (stale.status.as_u16(), &stale.json()["current_version"]),
        (409, &json!(1))
    );
    let second = world.ask(&me, "POST", "memory", &write(None)).await;
    assert_eq!(version(&second), json!(2));
    assert_eq!(world.read(&me, "memory/k").await["value"], json!([1]));
    assert_eq!(world.read(&me, "memory").await[0]["version"], json!(2));
    world.advance(60);
    assert_eq!(
        world.ask(&me, "GET", "memory/k", &json!({})).await.status,
        404
    );
    assert_eq!(world.read(&me, "memory").await, json!([]));
    assert_eq!(
        world
            .ask(&me, "DELETE", "memory/k", &json!({}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_approval_is_asked_for_listed_and_decided_once() {
    let world = World::start().await;
    let me = world.create("me").await;
    let body = json!({ "action": "deploy", "reason": "now" });
    let asked = world.ask(&me, "POST", "approvals", &body).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.json()["status"]),
        (201, &json!("pending"))
    );
    let id = asked.json()["approval_id"].as_str().unwrap().to_owned();
    let admin = world.platform.admin_token();
    let waiting = world
        .get("/approvals/pending")
        .bearer(admin)
        .send()
        .await
        .json();
    assert_eq!(
        (&waiting[0]["id"], &waiting[0]["workspace_name"]),
        (&json!(id), &json!("me"))
    );

    let path = format!("approvals/{id}/decide");
    let decision = json!({ "decision": "approved", "decided_by": "ada" });
    assert_eq!(world.ask(&me, "POST", &path, &decision).await.status, 200);
    assert_eq!(world.ask(&me, "POST", &path, &decision).await.status, 404);
    let odd = json!({ "decision": "maybe" });
    assert_eq!(world.ask(&me, "POST", &path, &odd).await.status, 400);
    let row = world.read(&me, "approvals").await[0].clone();
    assert_eq!(
        (&row["status"], &row["decided_by"], &row["action"]),
        (&json!("approved"), &json!("ada"), &json!("deploy"))
    );
    assert_eq!(
        world.ask(&me, "POST", "approvals", &json!({})).await.status,
        400
    );
}

#[tokio::test]
async fn a_budget_is_read_by_the_workspace_and_set_by_the_administrator() {
    let world = World::start().await;
    let me = world.create("me").await;
    let none = json!({ "budget_limit": null, "budget_remaining": null, "monthly_spend": 0 });
    assert_eq!(world.read(&me, "budget").await, none);
    let limit = json!({ "budget_limit": 100 });
    assert_eq!(world.ask(&me, "PATCH", "budget", &limit).await.status, 401);
    let path = format!("/workspaces/{}/budget", me.id);
    let patch = |body: Value| {
        let call = crate::client::Call::new(&world.platform, "PATCH", &path);
        call.bearer(world.platform.admin_token()).json(&body).send()
    };
    assert_eq!(patch(limit).await.json()["budget_remaining"], json!(100));
    assert_eq!(patch(json!({ "budget_limit": -1 })).await.status, 400);
    assert_eq!(patch(json!({})).await.status, 400);
    assert_eq!(patch(json!({ "budget_limit": null })).await.json(), none);
}

#[tokio::test]
async fn checkpoints_take_the_place_of_their_step() {
    let world = World::start().await;
    let me = world.create("me").await;
    let missing = world
        .ask(&me, "GET", "checkpoints/latest", &json!({}))
        .await;
    assert_eq!(missing.status, 404);
    for (step, index) in [("a", 0), ("b", 1), ("a", 2)] {
        let body = json!({ "workflow_id": "w", "step_name": step, "step_index": index });
        assert_eq!(
            world.ask(&me, "POST", "checkpoints", &body).await.status,
            201
        );
    }
    let steps = world.read(&me, "checkpoints/w").await;
    assert_eq!(
        (steps.as_array().unwrap().len(), &steps[0]["step_index"]),
        (2, &json!(2))
    );
    assert_eq!(
        world.read(&me, "checkpoints/latest").await["step_name"],
        "a"
    );
    let deleted = world.ask(&me, "DELETE", "checkpoints/w", &json!({})).await;
    assert_eq!(deleted.json(), json!({ "deleted": 2, "workflow_id": "w" }));
}

#[tokio::test]
async fn records_survive_a_restart_and_go_with_a_purge() {
    let files = tempfile::TempDir::new().unwrap();
    let config = || {
        let path = files.path().join("state.json");
        molecule_emulator::EmulatorConfig::new().with_state_file(path)
    };
    let world = World::with(config()).await;
    let me = world.create("me").await;
    let body = json!({ "content": "kept", "scope": "GLOBAL" });
    world.ask(&me, "POST", "memories", &body).await;
    world.platform.stop().await.unwrap();
    let world = World::with(config()).await;
    let other = world.create("other").await;
    let all = world.read(&other, "memories?scope=GLOBAL").await;
    assert!(contents(&all)[0].ends_with("kept"));
    world
        .delete(&format!("/workspaces/{}?purge=true", me.id))
        .send()
        .await;
    assert_eq!(world.read(&other, "memories?scope=GLOBAL").await, json!([]));
}

#[tokio::test]
async fn there_are_no_files_without_a_container() {
    let world = World::start().await;
    let me = world.create("me").await;
    let refused = (503, json!({ "error": "workspace container not running" }));
    let upload = world.ask(&me, "POST", "chat/uploads", &json!({})).await;
    assert_eq!(upload.summary(), refused);
    let path = "chat/download?path=/workspace/a.txt";
    assert_eq!(
        world.ask(&me, "GET", path, &json!({})).await.summary(),
        refused
    );
    let relative = world
        .ask(&me, "GET", "chat/download?path=a.txt", &json!({}))
        .await;
    assert_eq!(relative.status, 400);
}

#[tokio::test]
async fn a_search_finds_what_was_done_and_what_is_remembered() {
    let world = World::start().await;
    let me = world.create("me").await;
    let done = json!({ "activity_type": "agent_log", "summary": "Needle found" });
    world.ask(&me, "POST", "activity", &done).await;
    world.advance(1);
    let thought = json!({ "content": "a needle", "scope": "LOCAL" });
    world.ask(&me, "POST", "memories", &thought).await;
    let found = world.read(&me, "session-search?q=needle").await;
    let kinds: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].clone())
        .collect();
    assert_eq!(kinds, ["memory", "activity"]);
    assert_eq!(
        world.read(&me, "session-search?q=haystack").await,
        json!([])
    );
}

#[tokio::test]
async fn tokens_of_the_organisation_are_listed_and_revoked() {
    let world = World::start().await;
    let admin = world.platform.admin_token();
    let named = json!({ "name": "ci" });
    let made = world
        .post("/org/tokens", &named)
        .bearer(admin)
        .send()
        .await
        .json();
    let token = made["auth_token"].as_str().unwrap();
    let listed = world.get("/org/tokens").bearer(token).send().await.json();
    assert_eq!(
        (&listed["count"], &listed["tokens"][0]["name"]),
        (&json!(1), &json!("ci"))
    );
    assert!(!listed.to_string().contains(token));
    let path = format!("/org/tokens/{}", made["id"].as_str().unwrap());
    let revoked = world.delete(&path).send().await;
    assert_eq!(revoked.summary(), (200, json!({ "revoked": made["id"] })));
    assert_eq!(world.delete(&path).send().await.status, 404);
    assert_eq!(
        world.get("/workspaces").bearer(token).send().await.status,
        401
    );
}
