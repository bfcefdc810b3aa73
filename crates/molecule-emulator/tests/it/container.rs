//! A workspace in a container, from the platform's side: the life of the stub runtime.

use molecule_emulator::ContainerSpec;
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Workspace, World};

fn volume_token(volume: &TempDir) -> String {
    std::fs::read_to_string(volume.path().join(".auth_token")).unwrap()
}

#[tokio::test]
async fn a_container_registers_beats_answers_and_survives_a_restart() {
    let world = World::start().await;
    let (agent, volume) = (world.agent().await, TempDir::new().unwrap());
    let platform = world.platform.platform();
    let spec = ContainerSpec::new("stub", agent.host_url()).with_volume(volume.path());
    let (id, token) = platform.provision(&spec).unwrap();
    let mut stub = Workspace {
        id: id.to_string(),
        token,
    };
    assert_eq!(volume_token(&volume), stub.token);
    assert_eq!(world.status(&stub).await, "provisioning");

    let registration = json!({ "url": "http://localhost:8000", "delivery_mode": "push" });
    let stranger = Workspace {
        token: "wrong".to_owned(),
        ..stub.clone()
    };
    assert_eq!(world.register(&stranger, &registration).await.status, 401);
    let registered = world.register(&stub, &registration).await;
    let answer = json!({ "status": "registered", "delivery_mode": "push" });
    assert_eq!(registered.summary(), (200, answer));
    let row = world.get(&format!("/workspaces/{id}")).send().await.json();
    assert_eq!(
        (&row["url"], &row["runtime"]),
        (&json!(agent.host_url()), &json!("langgraph"))
    );
    assert_eq!(
        world.say(&stub, "hi").await.json()["result"]["parts"][0]["text"],
        "echo: hi"
    );

    let old = stub.clone();
    stub.token = platform.restart(id).unwrap();
    assert_eq!(volume_token(&volume), stub.token);
    assert_eq!(world.status(&stub).await, "provisioning");
    assert_eq!(world.beat(&old).await.status, 401);
    assert_eq!(world.beat(&stub).await.status, 200);
    assert_eq!(world.status(&stub).await, "online");
    assert_eq!(
        world.say(&stub, "again").await.json()["result"]["parts"][0]["text"],
        "echo: again"
    );
}

#[tokio::test]
async fn a_restart_over_http_and_a_new_secret_put_a_new_token_into_the_volume() {
    let world = World::start().await;
    let volume = TempDir::new().unwrap();
    let spec = ContainerSpec::new("stub", "http://127.0.0.1:9").with_volume(volume.path());
    let (id, first) = world.platform.platform().provision(&spec).unwrap();
    let restart = world
        .post(&format!("/workspaces/{id}/restart"), &json!({}))
        .bearer(&first)
        .send()
        .await;
    assert_eq!(restart.json()["status"], "provisioning");
    let second = volume_token(&volume);
    let secret = json!({ "key": "K", "value": "v" });
    let saved = world
        .post(&format!("/workspaces/{id}/secrets"), &secret)
        .bearer(&second)
        .send()
        .await;
    assert_eq!(saved.status, 200);
    let third = volume_token(&volume);
    assert!(first != second && second != third);
    let values = world
        .get(&format!("/workspaces/{id}/secrets/values"))
        .bearer(&third)
        .send()
        .await;
    assert_eq!(values.summary(), (200, json!({ "K": "v" })));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_token_in_the_volume() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::start().await;
    let volume = TempDir::new().unwrap();
    let spec = ContainerSpec::new("stub", "http://127.0.0.1:9").with_volume(volume.path());
    world.platform.platform().provision(&spec).unwrap();
    let mode = std::fs::metadata(volume.path().join(".auth_token"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_named() {
    let world = World::start().await;
    let spec = ContainerSpec::new("stub", "http://127.0.0.1:9").with_volume("/nowhere/at/all");
    let error = world.platform.platform().provision(&spec).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/at/all/.auth_token"),
        "{error}"
    );
}
