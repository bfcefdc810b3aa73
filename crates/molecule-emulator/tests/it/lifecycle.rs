//! Tokens, concurrency and cascades.

use serde_json::json;

use crate::world::{Workspace, World};

#[tokio::test]
async fn of_many_first_registrations_exactly_one_gets_the_token() {
    let world = World::start().await;
    let id = uuid::Uuid::new_v4().to_string();
    let body = json!({ "id": id, "url": "http://localhost:9", "agent_card": {} });
    let calls: Vec<_> = (0..8)
        .map(|_| tokio::spawn(world.post("/registry/register", &body).send()))
        .collect();
    let mut tokens = Vec::new();
    for call in calls {
        let answer = call.await.unwrap();
        tokens.extend(answer.json()["auth_token"].as_str().map(str::to_owned));
    }
    assert_eq!(tokens.len(), 1);
    let workspace = Workspace {
        id,
        token: tokens.remove(0),
    };
    assert_eq!(world.beat(&workspace).await.status, 200);
}

#[tokio::test]
async fn a_rotated_token_replaces_every_other() {
    let world = World::start().await;
    let mut workspace = world.poller("w").await;
    let fresh = world
        .platform
        .platform()
        .rotate_tokens(workspace.id())
        .unwrap();
    let refused = json!({ "error": "invalid workspace auth token" });
    assert_eq!(world.beat(&workspace).await.summary(), (401, refused));
    workspace.token = fresh;
    assert_eq!(world.beat(&workspace).await.status, 200);
}

#[tokio::test]
async fn a_control_names_the_workspace_that_is_not_there() {
    let world = World::start().await;
    let nobody = molecule_protocol::WorkspaceId::from(uuid::Uuid::from_u128(7));
    let error = world.platform.platform().rotate_tokens(nobody).unwrap_err();
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
}

#[tokio::test]
async fn pausing_a_parent_pauses_its_children_which_resume_with_it() {
    let world = World::start().await;
    let parent = world.create("parent").await;
    let child = world.create_below("child", Some(&parent)).await;
    let act = |workspace: &Workspace, verb: &str| {
        let path = format!("/workspaces/{}/{verb}", workspace.id);
        world
            .post(&path, &json!({}))
            .bearer(&workspace.token)
            .send()
    };
    assert_eq!(act(&parent, "pause").await.json()["paused_count"], 2);
    assert_eq!(world.status(&child).await, "paused");
    assert_eq!(act(&child, "resume").await.status, 409);
    assert_eq!(act(&parent, "resume").await.json()["resumed_count"], 2);
    assert_eq!(world.status(&child).await, "failed");
    world.register(&child, &json!({})).await;
    assert_eq!(world.status(&child).await, "online");
}

#[tokio::test]
async fn pausing_takes_the_url_away_and_registering_brings_both_back() {
    let world = World::generation_a().await;
    let workspace = world.create("w").await;
    let reachable = json!({ "url": "http://localhost:9" });
    world.register(&workspace, &reachable).await;
    let path = format!("/workspaces/{}", workspace.id);
    let pause = world.post(&format!("{path}/pause"), &json!({}));
    pause.bearer(&workspace.token).send().await;
    let row = world.get(&path).send().await.json();
    assert_eq!(
        (&row["status"], &row["url"]),
        (&json!("paused"), &json!(""))
    );
    world.beat(&workspace).await;
    assert_eq!(world.status(&workspace).await, "paused");
    world.register(&workspace, &reachable).await;
    let row = world.get(&path).send().await.json();
    assert_eq!(
        (&row["status"], &row["url"]),
        (&json!("online"), &reachable["url"])
    );
}

#[tokio::test]
async fn a_removed_workspace_may_register_and_gets_a_token_that_is_worth_nothing() {
    let world = World::generation_a().await;
    let mut workspace = world.create("w").await;
    let path = format!("/workspaces/{}", workspace.id);
    world.delete(&path).send().await;
    let reachable = json!({ "url": "http://localhost:9" });
    let registered = world.register(&workspace, &reachable).await.json();
    workspace.token = registered["auth_token"].as_str().unwrap().to_owned();
    let refused = (401, json!({ "error": "invalid workspace auth token" }));
    let state = world.get(&format!("{path}/state")).bearer(&workspace.token);
    assert_eq!(state.send().await.summary(), refused);
    assert_eq!(world.beat(&workspace).await.summary(), refused);
    assert_eq!(world.status(&workspace).await, "removed");
}

#[tokio::test]
async fn a_secret_of_the_workspace_hides_a_global_one() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let admin = world.platform.admin_token().to_owned();
    let path = format!("/workspaces/{}/secrets", workspace.id);
    for (path, key, value) in [
        ("/settings/secrets", "SHARED", "global"),
        ("/settings/secrets", "GLOBAL", "global"),
        (&path, "SHARED", "own"),
    ] {
        let body = json!({ "key": key, "value": value });
        assert_eq!(
            world.post(path, &body).bearer(&admin).send().await.status,
            200
        );
    }
    let values = world
        .get(&format!("{path}/values"))
        .bearer(&workspace.token);
    let expect = json!({ "GLOBAL": "global", "SHARED": "own" });
    assert_eq!(values.send().await.summary(), (200, expect));
}

#[tokio::test]
async fn stopping_lets_an_idle_connection_go_and_frees_the_address() {
    let world = World::start().await;
    let address = world.platform.address();
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    world.platform.stop().await.unwrap();
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
    drop(idle);
}
