//! Changes that an operator makes without an endpoint of the platform.

use serde_json::{Value, json};

use crate::world::{Workspace, World};

/// The status and the body with which the change is answered.
async fn change(world: &World, workspace: &Workspace, change: &Value) -> (u16, Value) {
    let path = format!("/emulator/workspaces/{}", workspace.id);
    let call = world.post(&path, change);
    call.bearer(world.platform.admin_token())
        .send()
        .await
        .summary()
}

#[tokio::test]
async fn an_operator_changes_what_has_no_endpoint() {
    let world = World::start().await;
    let workspace = world.poller("w").await;
    let changed = (200, json!({ "status": "changed" }));
    let status = json!({ "kind": "set_status", "status": "degraded" });
    assert_eq!(change(&world, &workspace, &status).await, changed);
    assert_eq!(world.status(&workspace).await, "degraded");
    assert_eq!(world.activity(&workspace, "").await.status, 200);
    let revoke = json!({ "kind": "revoke_all_tokens" });
    assert_eq!(change(&world, &workspace, &revoke).await, changed);
    assert_eq!(world.activity(&workspace, "").await.status, 401);
}

#[tokio::test]
async fn what_cannot_be_changed_is_said() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let unknown = json!({ "kind": "set_fire" });
    let (status, answer) = change(&world, &workspace, &unknown).await;
    let text = answer["error"].as_str().unwrap();
    assert!(
        status == 400 && text.contains("set_fire"),
        "{status} {text}"
    );
    let nobody = Workspace {
        id: "00000000-0000-4000-8000-000000000000".to_owned(),
        token: String::new(),
    };
    let revoke = json!({ "kind": "revoke_all_tokens" });
    assert_eq!(change(&world, &nobody, &revoke).await.0, 404);
    let path = format!("/emulator/workspaces/{}", workspace.id);
    let own = world.post(&path, &revoke).bearer(&workspace.token);
    assert_eq!(own.send().await.status, 401);
}
