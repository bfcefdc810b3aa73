//! Keys that keep a repeated request from becoming a second delegation.

use std::collections::BTreeSet;

use molecule_emulator::EmulatorConfig;
use serde_json::json;

use super::pair;
use crate::world::World;

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
