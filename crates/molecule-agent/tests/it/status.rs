//! How the agent is, as those see it who watch it.

use std::sync::{Arc, Mutex};

#[cfg(feature = "journal")]
use molecule_agent::transport::BoxFuture;
use molecule_agent::{
    AgentLoop, AgentState, CancellationToken, Connect, HeartbeatLoop, InboundMessage,
    RemoteAgentClient, StopReason,
};
use serde_json::Value;

#[cfg(feature = "journal")]
use crate::world::ParseToken as _;
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
        "starting, online, draining, paused, starting, online, draining, stopped (cancelled)"
    );
}

/// What was true before the pause says nothing of an agent that is not registered again.
#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_come_back_from_a_pause_is_not_said_to_be_there() {
    let world = World::new();
    let client = world.client("alpha").await;
    let path = |action: &str| format!("/workspaces/{}/{action}", client.workspace_id());
    let (running, cancel) = (client.clone(), CancellationToken::new());
    let (stop, options) = (cancel.clone(), Connect::new().with_stay(true));
    let task = tokio::spawn(async move { running.connect(shout, options, &stop).await });
    world.pass(10).await;
    world.admin("POST", &path("pause"), Value::Null).await;
    world.pass(60).await;
    world.trouble(|request| {
        let registers = request.uri().path().ends_with("/registry/register");
        registers.then_some(Trouble::Says(401, r#"{"error":"not now"}"#))
    });
    world.admin("POST", &path("resume"), Value::Null).await;
    world.pass(60).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(
        (status.state, status.registered, status.last_poll),
        (AgentState::Starting, false, None)
    );
    assert!(status.problem.is_some());
    world.no_trouble();
    world.pass(60).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(
        (status.state, status.registered),
        (AgentState::Online, true)
    );
    assert!(status.last_poll.is_some());
    cancel.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_the_platform_lost_is_not_registered_until_it_is_back() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(10).await;
    assert!(client.watch_status().borrow().registered);
    world.trouble(|request| {
        let registers = request.uri().path().ends_with("/registry/register");
        registers.then_some(Trouble::Says(403, r#"{"error":"not now"}"#))
    });
    let failed = "failed".to_owned().into();
    world.platform.set_status(id, &failed).unwrap();
    world.pass(60).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(
        (status.state, status.registered),
        (AgentState::Degraded, false)
    );
    assert!(status.problem.unwrap().contains("not now"));
    world.no_trouble();
    world.pass(15).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(
        (status.state, status.registered),
        (AgentState::Online, true)
    );
    assert_eq!(world.status(id).await, "online");
    agent.stop().await.unwrap();
}

/// More messages than may wait, each from another peer.
#[cfg(feature = "journal")]
struct Flood(u128);

#[cfg(feature = "journal")]
impl molecule_agent::InboundDelivery for Flood {
    fn receive(
        &mut self,
    ) -> BoxFuture<'_, Result<molecule_agent::Received, molecule_agent::DeliveryError>> {
        let (id, time) = (uuid(self.0), "2026-11-22T04:01:56Z".parse().unwrap());
        let message = InboundMessage::text(id, time, molecule_agent::Sender::CanvasUser, "more");
        Box::pin(async { Ok(molecule_agent::Received::Message(Box::new(message))) })
    }

    fn acknowledge<'a>(
        &'a mut self,
        _: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), molecule_agent::AgentError>> {
        self.0 += 1;
        Box::pin(async { Ok(()) })
    }
}

#[cfg(feature = "journal")]
fn uuid(number: u128) -> molecule_agent::protocol::ActivityId {
    let digits = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-").parse().unwrap()
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_journal_that_is_full_is_said_until_there_is_room() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let builder = world.builder(id).token(token.parse_token()).inline_files();
    let client = builder.build().unwrap();
    client.register().await.unwrap();
    let done = Arc::new(tokio::sync::Semaphore::new(0));
    let permits = Arc::clone(&done);
    let waits = move |_: InboundMessage| {
        let permits = Arc::clone(&permits);
        async move { permits.acquire().await.unwrap().forget() }
    };
    let agent = World::start_delivering(&client, waits, Flood(1));
    while client.watch_status().borrow().accepted < 10_000 {
        world.pass(1).await;
    }
    world.pass(60).await;
    let status = client.watch_status().borrow().clone();
    assert_eq!(
        (status.state, status.receiving),
        (AgentState::Degraded, false)
    );
    assert!(status.problem.unwrap().contains("full"));
    assert_eq!(world.status(id).await, "degraded");
    done.add_permits(1);
    while client.watch_status().borrow().accepted == 10_000 {
        world.pass(1).await;
    }
    agent.crash().await;
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
