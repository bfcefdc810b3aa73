//! How the agent is, as those see it who watch it.

use std::sync::{Arc, Mutex};

use molecule_agent::{
    AgentLoop, AgentState, CancellationToken, Connect, HeartbeatLoop, InboundMessage,
    RemoteAgentClient, StopReason,
};
use serde_json::Value;

use crate::world::{Trouble, World, shout};

/// Writes down each state that the agent is in.
fn watch(client: &RemoteAgentClient) -> Arc<Mutex<Vec<AgentState>>> {
    let mut status = client.watch_status();
    let seen = Arc::new(Mutex::new(vec![status.borrow_and_update().state]));
    let states = Arc::clone(&seen);
    tokio::spawn(async move {
        while status.changed().await.is_ok() {
            let state = status.borrow_and_update().state;
            let mut states = states.lock().unwrap();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
    });
    seen
}

fn words(states: &Arc<Mutex<Vec<AgentState>>>) -> String {
    let states = states.lock().unwrap();
    let words: Vec<_> = states.iter().map(ToString::to_string).collect();
    words.join(", ")
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stays_is_seen_to_come_pause_come_back_and_end() {
    let world = World::new();
    let client = world.client("alpha").await;
    let path = |action: &str| format!("/workspaces/{}/{action}", client.workspace_id());
    let states = watch(&client);
    let cancel = CancellationToken::new();
    let (running, stop) = (client.clone(), cancel.clone());
    let options = Connect::new().with_stay(true);
    let task = tokio::spawn(async move { running.connect(shout, options, &stop).await });
    world.pass(10).await;
    world.admin("POST", &path("pause"), Value::Null).await;
    world.pass(60).await;
    world.admin("POST", &path("resume"), Value::Null).await;
    world.pass(60).await;
    let status = client.watch_status().borrow().clone();
    assert!(
        status.heartbeats >= 3 && status.last_poll.is_some(),
        "{status:?}"
    );
    cancel.cancel();
    task.await.unwrap().unwrap();
    tokio::task::yield_now().await;
    assert_eq!(
        words(&states),
        "starting, online, draining, paused, online, draining, stopped (cancelled)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_away_is_seen_and_said() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let states = watch(&client);
    let agent = world.start(&client, shout);
    world.pass(10).await;
    world.trouble(|_| Some(Trouble::Refused));
    world.pass(60).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(status.state, AgentState::Disconnected);
    assert!(status.problem.unwrap().contains("simulated"));
    world.no_trouble();
    world.pass(90).await;
    agent.stop().await.unwrap();
    let seen = words(&states);
    assert!(
        seen.starts_with("starting, online, disconnected, "),
        "{seen}"
    );
    assert!(
        seen.ends_with("online, draining, stopped (cancelled)"),
        "{seen}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_keeps_failing_degrades_the_agent() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let fails = async |_: InboundMessage| Err::<String, _>("exit status 1");
    let agent = world.start_with(&client, fails, AgentLoop::new().with_attempts(1));
    world.pass(1).await;
    world.say(client.workspace_id(), "m-1", "x").await;
    world.pass(10).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(status.state, AgentState::Degraded);
    assert_eq!(status.problem.as_deref(), Some("exit status 1"));
    assert_eq!((status.accepted, status.failed, status.dead), (1, 1, 1));
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn heartbeats_alone_are_seen_too() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let states = watch(&client);
    let options = HeartbeatLoop::new().with_max_iterations(2);
    let never = CancellationToken::new();
    let ended = client.run_heartbeat_loop(options, &never).await;
    assert_eq!(ended.unwrap(), StopReason::MaxIterations);
    tokio::task::yield_now().await;
    assert_eq!(words(&states), "starting, online, stopped (max_iterations)");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_dropped_is_seen_to_be_stopped() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, shout);
    world.pass(10).await;
    agent.crash().await;
    let state = client.watch_status().borrow().state;
    assert_eq!(state, AgentState::Stopped(StopReason::Cancelled));
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_stops_the_intake_and_is_said_until_it_can() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let dir = world.disk().join("full");
    std::fs::write(&dir, "in the way").unwrap();
    let journal = molecule_agent::Journal::open(dir.join("journal.redb"));
    let agent = world.start_with(&client, shout, AgentLoop::new().with_journal(journal));
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    world.pass(40).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!((status.state, status.accepted), (AgentState::Degraded, 0));
    assert!(status.problem.unwrap().contains("journal.redb"));
    assert_eq!(world.status(id).await, "degraded");
    assert!(world.notifications(id).await.is_empty());
    std::fs::remove_file(&dir).unwrap();
    world.pass(100).await;
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    assert_eq!(world.status(id).await, "online");
    assert_eq!(client.watch_status().borrow().state, AgentState::Online);
    agent.stop().await.unwrap();
}
