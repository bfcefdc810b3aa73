//! Staying alive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::Clock as _;
use molecule_agent::{CancellationToken, HeartbeatLoop, StopReason, TaskReport};
use serde_json::Value;

use crate::world::{Trouble, World, shout};

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

/// The longest time between two beats when this happens to beats, and questions take 40 s.
async fn longest_gap(trouble: Trouble) -> Duration {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (beats, clock) = (Arc::new(Mutex::new(Vec::new())), world.clock.clone());
    let times = Arc::clone(&beats);
    world.trouble(move |request| {
        if request.uri().path() == "/registry/heartbeat" {
            times.lock().unwrap().push(clock.now());
            return Some(trouble);
        }
        Some(Trouble::AnswerLate(40_000))
    });
    let agent = world.start(&client, shout);
    world.pass(600).await;
    agent.stop().await.unwrap();
    let beats = beats.lock().unwrap();
    let gaps = beats.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_beat_that_fails_does_not_hold_up_the_next() {
    let refused = Trouble::Says(401, r#"{"error":"invalid workspace auth token"}"#);
    for trouble in [refused, Trouble::AnswerLate(29_000), Trouble::Refused] {
        let gap = longest_gap(trouble).await;
        assert!(gap <= Duration::from_secs(45), "{trouble:?}: {gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_was_lost_is_back_when_its_beats_arrive_again() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, shout);
    world.pass(60).await;
    world.trouble(|_| Some(Trouble::Status(502)));
    world.pass(300).await;
    assert_eq!(world.status(client.workspace_id()).await, "awaiting_agent");
    world.no_trouble();
    world.pass(31).await;
    let status = world.status(client.workspace_id()).await;
    assert!(
        ["online", "degraded"].contains(&status.as_str()),
        "{status}"
    );
    agent.stop().await.unwrap();
}
