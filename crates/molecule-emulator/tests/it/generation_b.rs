//! What only the later generation does.

use serde_json::{Value, json};

use crate::world::World;

async fn check_register(world: &World, fields: Value, expect: Value) {
    let workspace = world.create("w").await;
    assert_eq!(
        world.register(&workspace, &fields).await.summary(),
        (200, expect),
        "{fields}"
    );
}

#[tokio::test]
async fn an_external_workspace_waits_for_its_agent_until_that_registers() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    assert_eq!(world.status(&workspace).await, "awaiting_agent");
    world.beat(&workspace).await;
    assert_eq!(world.status(&workspace).await, "awaiting_agent");
    world.register(&workspace, &json!({})).await;
    assert_eq!(world.status(&workspace).await, "online");
}

#[tokio::test]
async fn a_registration_names_its_delivery_mode_or_gets_poll() {
    let world = World::start().await;
    let poll = json!({ "status": "registered", "delivery_mode": "poll" });
    let push = json!({ "status": "registered", "delivery_mode": "push" });
    check_register(&world, json!({ "delivery_mode": "poll" }), poll.clone()).await;
    check_register(&world, json!({}), poll.clone()).await;
    check_register(&world, json!({ "url": "remote://no-inbound" }), poll).await;
    let reachable = json!({ "delivery_mode": "push", "url": "http://localhost:9" });
    check_register(&world, reachable, push).await;
}

#[tokio::test]
async fn push_needs_a_url_and_is_remembered() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let refused = (400, json!({ "error": "invalid request body" }));
    let without = world
        .register(&workspace, &json!({ "delivery_mode": "push" }))
        .await;
    assert_eq!(without.summary(), refused);
    let unknown = world
        .register(&workspace, &json!({ "delivery_mode": "pigeon" }))
        .await;
    assert_eq!(unknown.summary(), refused);
    let push = json!({ "delivery_mode": "push", "url": "http://localhost:9" });
    assert_eq!(world.register(&workspace, &push).await.status, 200);
    assert_eq!(
        world.register(&workspace, &json!({})).await.summary(),
        refused
    );
}

#[tokio::test]
async fn a_removed_workspace_is_gone_and_its_heartbeats_are_refused() {
    let world = World::start().await;
    let workspace = world.poller("w").await;
    world
        .delete(&format!("/workspaces/{}", workspace.id))
        .send()
        .await;
    let path = format!("/workspaces/{}", workspace.id);
    let gone = world.get(&path).send().await;
    assert_eq!(gone.status, 410);
    assert_eq!(gone.json()["error"], "workspace removed");
    assert_eq!(gone.json()["id"], workspace.id);
    assert!(gone.json()["removed_at"].is_string());
    let row = world
        .get(&format!("{path}?include_removed=true"))
        .send()
        .await;
    assert_eq!(
        (row.status.as_u16(), &row.json()["status"]),
        (200, &json!("removed"))
    );
    assert_eq!(world.beat(&workspace).await.status, 401);
}

#[tokio::test]
async fn searching_peers_without_a_role_works() {
    let world = World::start().await;
    let workspace = world.poller("searcher").await;
    world.poller("found").await;
    world.poller("other").await;
    let path = format!("/registry/{}/peers?q=FOU", workspace.id);
    let answer = world.get(&path).bearer(&workspace.token).send().await;
    let names: Vec<Value> = answer
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| peer["name"].clone())
        .collect();
    assert_eq!(names, ["found"]);
}
