//! Staying alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use molecule_agent::{CancellationToken, HeartbeatLoop, StopReason, TaskReport};
use serde_json::Value;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn the_loop_ends_after_the_wanted_number_of_beats() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let options = HeartbeatLoop::new().with_max_iterations(3);
    let reason = client
        .run_heartbeat_loop(options, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(reason, StopReason::MaxIterations);
    assert_eq!(world.count("POST /registry/heartbeat"), 3);
    assert_eq!(
        world.clock_seconds(),
        60,
        "the first beat goes out at once, the others 30 s apart"
    );
}

#[tokio::test(start_paused = true)]
async fn the_loop_ends_when_the_workspace_is_paused_or_deleted() {
    let world = World::new();
    for (action, expect) in [
        ("pause", StopReason::Paused),
        ("delete", StopReason::Removed),
    ] {
        let client = world.registered(action).await;
        let id = client.workspace_id();
        match action {
            "pause" => {
                world
                    .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
                    .await
            }
            _ => {
                world
                    .admin(
                        "DELETE",
                        &format!("/workspaces/{id}?confirm=true"),
                        Value::Null,
                    )
                    .await
            }
        };
        let reason = client
            .run_heartbeat_loop(HeartbeatLoop::new(), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(reason, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn the_loop_ends_when_the_caller_says_so() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let reason = client
        .run_heartbeat_loop(HeartbeatLoop::new(), &cancel)
        .await
        .unwrap();
    assert_eq!(reason, StopReason::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn the_supplier_says_what_the_agent_does() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let options = HeartbeatLoop::new()
        .with_max_iterations(2)
        .with_task_supplier(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            TaskReport::new(2, "reading")
        });
    client
        .run_heartbeat_loop(options, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let row = world
        .admin(
            "GET",
            &format!("/workspaces/{}", client.workspace_id()),
            Value::Null,
        )
        .await;
    assert_eq!(
        (&row["active_tasks"], &row["uptime_seconds"]),
        (&2.into(), &30.into())
    );
}
