//! Rules over HTTP.

use molecule_emulator::{Emulator, EmulatorConfig, Fault, FaultRule};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Call};
use crate::world::{Workspace, World};

const ROUTE: &str = "/emulator/faults";

impl World {
    pub(super) fn beat_of(&self, workspace: &Workspace) -> Call {
        let body = json!({ "workspace_id": workspace.id });
        self.post("/registry/heartbeat", &body)
            .bearer(&workspace.token)
    }

    async fn add_over_http(&self, rule: &Value) -> Answer {
        let call = self.post(ROUTE, rule).bearer(self.platform.admin_token());
        call.send().await
    }

    async fn rules(&self) -> Value {
        let call = self.get(ROUTE).bearer(self.platform.admin_token());
        call.send().await.json()
    }
}

#[tokio::test]
async fn rules_are_added_listed_and_removed() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let rule = json!({
        "method": "POST", "path": "/workspaces/*/notify", "workspace": workspace.id,
        "skip": 1, "every": 2, "times": 3, "fault": { "kind": "answer", "status": 503, "body": "busy" },
    });
    assert_eq!(
        world.add_over_http(&rule).await.summary(),
        (201, json!({ "id": 1 }))
    );
    let short = json!({ "fault": { "kind": "rotate_token", "token": "very-secret" }, "times": 0 });
    assert_eq!(
        world.add_over_http(&short).await.summary(),
        (201, json!({ "id": 2 }))
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(world.notify(&workspace, "x").send().await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 503, 200]);
    let mut listed = rule.clone();
    (listed["id"], listed["seen"], listed["fired"]) = (json!(1), json!(4), json!(1));
    let second = json!({
        "id": 2, "seen": 3, "fired": 0, "skip": 0, "every": 1, "times": 0, "fault": { "kind": "rotate_token" },
    });
    assert_eq!(world.rules().await, json!([listed, second]));
    let one = world.delete("/emulator/faults/1").send().await;
    assert_eq!(one.summary(), (200, json!({ "removed": 1 })));
    assert_eq!(world.delete("/emulator/faults/1").send().await.status, 404);
    assert_eq!(world.delete("/emulator/faults/x").send().await.status, 404);
    let rest = world.delete(ROUTE).send().await;
    assert_eq!(rest.summary(), (200, json!({ "removed": 1 })));
    assert_eq!(world.rules().await, json!([]));
}

#[tokio::test]
async fn every_kind_can_be_added_over_http() {
    let world = World::start().await;
    for kind in Fault::KINDS {
        let given = match kind {
            "latency" => json!({ "kind": kind, "ms": 1 }),
            "answer" => json!({ "kind": kind, "status": 503, "headers": { "Retry-After": "1" } }),
            "truncate" => json!({ "kind": kind, "bytes": 1 }),
            _ => json!({ "kind": kind }),
        };
        let answer = world.add_over_http(&json!({ "fault": given })).await;
        assert_eq!(answer.status, 201, "{kind}: {}", answer.text());
    }
    assert_eq!(
        world.rules().await.as_array().unwrap().len(),
        Fault::KINDS.len()
    );
}

#[tokio::test]
async fn a_rule_that_makes_no_sense_is_refused_with_the_reason() {
    let world = World::start().await;
    let check = async |rule: Value, expect: &str| {
        let answer = world.add_over_http(&rule).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(expect), "{}", answer.text());
    };
    check(json!({}), "missing field").await;
    check(json!({ "fault": { "kind": "explode" } }), "drop_before").await;
    check(
        json!({ "fault": { "kind": "drop_before" }, "tims": 3 }),
        "tims",
    )
    .await;
    check(
        json!({ "fault": { "kind": "drop_before" }, "every": 0 }),
        "every",
    )
    .await;
    check(
        json!({ "fault": { "kind": "answer", "status": 42 } }),
        "between 200 and 599",
    )
    .await;
    assert_eq!(world.rules().await, json!([]));
}

#[tokio::test]
async fn only_the_administrator_may_break_things() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let rule = json!({ "fault": { "kind": "drop_before" } });
    for (method, path) in [
        ("GET", ROUTE),
        ("POST", ROUTE),
        ("DELETE", ROUTE),
        ("DELETE", "/emulator/faults/1"),
    ] {
        let call = Call::new(&world.platform, method, path).json(&rule);
        assert_eq!(call.clone().send().await.status, 401, "{method}");
        let call = call.bearer(&workspace.token);
        assert_eq!(call.send().await.status, 401, "{method}");
    }
    assert!(world.platform.platform().faults().is_empty());
}

#[tokio::test]
async fn a_fault_of_everything_can_be_ended_over_http() {
    let world = World::start().await;
    world.add(FaultRule::new(Fault::DropBefore));
    assert!(world.get("/health").try_send().await.is_err());
    assert_eq!(world.delete(ROUTE).send().await.status, 200);
    assert_eq!(world.get("/health").send().await.status, 200);
}

#[tokio::test]
async fn faults_outlast_a_server_but_not_the_process() {
    let state = TempDir::new().unwrap();
    let config = EmulatorConfig::new()
        .with_admin_token("admin")
        .with_state_file(state.path().join("state.json"));
    let world = World::with(config.clone()).await;
    let workspace = world.create("w").await;
    world.at_notify(Fault::status(503));
    let (platform, address) = (world.platform.platform(), world.platform.address());
    world.platform.stop().await.unwrap();
    let again = Emulator::start_on(platform, address).await.unwrap();
    let notify = |platform: &Emulator| {
        let path = format!("/workspaces/{}/notify", workspace.id);
        let body = json!({ "message": "x" });
        Call::new(platform, "POST", &path)
            .bearer(&workspace.token)
            .json(&body)
    };
    assert_eq!(notify(&again).send().await.status, 503);
    again.stop().await.unwrap();
    let fresh = Emulator::start(config).await.unwrap();
    assert_eq!(notify(&fresh).send().await.status, 200);
}
