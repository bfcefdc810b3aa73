//! Events wake the agent, and it does not rely on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use molecule_agent::transport::Request;
use molecule_agent::transport::testing::SimulatedClock;
use molecule_agent::{
    AgentLoop, ErrorKind, EventKind, EventNotice, EventsMode, EventsState, PollOptions,
    RemoteAgentClient, StopReason,
};
use serde_json::{Value, json};

use crate::world::{ParseToken as _, Running, Trouble, World, shout};

fn is_stream(request: &Request) -> bool {
    request.uri().path().ends_with("/events/stream")
}

/// An agent that has been running for ten seconds.
async fn settled(world: &World, events: EventsMode) -> (RemoteAgentClient, Running) {
    let client = world.registered("alpha").await;
    let options = PollOptions::new().with_events(events);
    let agent = world.start_polling(&client, shout, options);
    world.pass(10).await;
    (client, agent)
}

fn polls(world: &World, client: &RemoteAgentClient) -> usize {
    world.count(&format!(
        "GET /workspaces/{}/activity",
        client.workspace_id()
    ))
}

fn connections(world: &World) -> usize {
    let requests = world.requests();
    requests
        .iter()
        .filter(|line| line.ends_with("/events/stream"))
        .count()
}

/// How many milliseconds pass until the agent has said so much.
async fn until_said(world: &World, client: &RemoteAgentClient, count: usize) -> u128 {
    let started = moment(&world.clock);
    while world.notifications(client.workspace_id()).await.len() < count {
        world.clock_tick().await;
    }
    (moment(&world.clock) - started).as_millis()
}

fn moment(clock: &SimulatedClock) -> Duration {
    molecule_agent::transport::Clock::now(clock)
}

#[tokio::test(start_paused = true)]
async fn a_message_is_handled_when_it_comes_and_polls_are_rare_without() {
    let world = World::new();
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    assert_eq!(client.events_state(), EventsState::Flowing);
    let before = polls(&world, &client);
    world.pass(600).await;
    let idle = polls(&world, &client) - before;
    assert!((9..=12).contains(&idle), "{idle} polls in ten minutes");
    for (count, text) in ["one", "two", "three"].into_iter().enumerate() {
        world.pass(7).await;
        world.say(client.workspace_id(), text, text).await;
        let passed = until_said(&world, &client, count + 1).await;
        assert!(passed <= 2, "{text} took {passed} ms");
    }
    assert_eq!(connections(&world), 1);
    agent.stop().await.unwrap();
    assert_eq!(client.events_state(), EventsState::Off);
}

#[tokio::test(start_paused = true)]
async fn without_events_all_is_as_before() {
    let world = World::new();
    let (client, agent) = settled(&world, EventsMode::Off).await;
    assert_eq!(client.events_state(), EventsState::Off);
    let before = polls(&world, &client);
    world.pass(600).await;
    assert_eq!(polls(&world, &client) - before, 120);
    world.say(client.workspace_id(), "m-1", "one").await;
    let passed = until_said(&world, &client, 1).await;
    assert!(passed <= 5100, "{passed} ms");
    assert_eq!(connections(&world), 0);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_events_is_polled_and_asked_again_now_and_then() {
    for status in [404, 405, 501] {
        let world = World::new();
        world.trouble(move |request| is_stream(request).then_some(Trouble::Status(status)));
        let (client, agent) = settled(&world, EventsMode::Auto).await;
        assert_eq!(client.events_state(), EventsState::Unsupported);
        let before = polls(&world, &client);
        world.pass(590).await;
        assert_eq!(connections(&world), 1);
        assert!(polls(&world, &client) - before >= 117);
        world.no_trouble();
        world.pass(30).await;
        assert_eq!(client.events_state(), EventsState::Flowing, "{status}");
        agent.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_for_every_path_is_no_stream() {
    let world = World::new();
    let page = Trouble::Says(200, "<html>welcome</html>");
    world.trouble(move |request| is_stream(request).then_some(page));
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    assert_eq!(client.events_state(), EventsState::Unsupported);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_there_is_no_connection_polls_are_as_frequent_as_without_events() {
    let world = World::new();
    world.trouble(|request| is_stream(request).then_some(Trouble::Refused));
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    assert_eq!(client.events_state(), EventsState::Connecting);
    let before = polls(&world, &client);
    world.pass(60).await;
    assert!(polls(&world, &client) - before >= 12);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_platform_asks_for_is_kept() {
    let world = World::new();
    let limited = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&limited);
    world.trouble(move |request| {
        let meant = is_stream(request) && still.load(Ordering::Relaxed);
        meant.then_some(Trouble::RateLimited(200))
    });
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    assert_eq!(connections(&world), 1);
    limited.store(false, Ordering::Relaxed);
    world.pass(185).await;
    assert_eq!(connections(&world), 1);
    world.pass(30).await;
    assert_eq!(client.events_state(), EventsState::Flowing);
    agent.stop().await.unwrap();
}

/// The poll interval is stretched from the moment on when events flow; what came in before that, and after the last poll, must not wait for its
/// end.
#[tokio::test(start_paused = true)]
async fn no_message_falls_between_the_last_poll_and_the_first_event() {
    for millis in 0..40_u64 {
        let world = World::new();
        let client = world.registered("alpha").await;
        let agent = world.start_polling(&client, shout, PollOptions::new());
        world.clock_millis(millis * 5).await;
        world.say(client.workspace_id(), "m-1", "one").await;
        let passed = until_said(&world, &client, 1).await;
        assert!(passed <= 5100, "{millis}: {passed} ms");
        agent.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again_and_what_came_meanwhile_is_fetched_at_once() {
    let world = World::new();
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    for round in 1..=3 {
        world.trouble(|request| is_stream(request).then_some(Trouble::Refused));
        // As after a change of networks: the stream is opened anew.
        client.wake();
        world.clock_tick().await;
        assert_eq!(client.events_state(), EventsState::Connecting);
        world
            .say(client.workspace_id(), &format!("m-{round}"), "hello")
            .await;
        world.no_trouble();
        let passed = until_said(&world, &client, round).await;
        assert!(passed <= 5100, "{passed} ms");
        world.pass(65).await;
        assert_eq!(client.events_state(), EventsState::Flowing);
    }
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_noticed_when_it_is_told() {
    let world = World::new();
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    let before = world.clock_seconds();
    let path = format!("/workspaces/{}/pause", client.workspace_id());
    world.admin("POST", &path, Value::Null).await;
    assert_eq!(agent.ended().await.unwrap(), StopReason::Paused);
    assert!(world.clock_seconds() - before <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_noticed_when_it_is_told() {
    let world = World::new();
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    let before = world.clock_seconds();
    let path = format!("/workspaces/{}?confirm=true", client.workspace_id());
    world.admin("DELETE", &path, Value::Null).await;
    assert_eq!(agent.ended().await.unwrap(), StopReason::Removed);
    assert!(world.clock_seconds() - before <= 1);
}

#[tokio::test(start_paused = true)]
async fn the_agents_own_words_wake_nobody() {
    let world = World::new();
    let (client, agent) = settled(&world, EventsMode::Auto).await;
    let before = polls(&world, &client);
    for _ in 0..5 {
        client.notify("by the way", &[]).await.unwrap();
        world.pass(2).await;
    }
    assert!(polls(&world, &client) - before <= 1);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_program_can_listen_itself() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let mut events = client.events();
    assert_eq!(events.next().await.unwrap(), EventNotice::Connected);
    client.notify("yo", &[]).await.unwrap();
    let EventNotice::Event(event) = events.next().await.unwrap() else {
        panic!("an event")
    };
    assert_eq!(event.kind, EventKind::AgentMessage);
    assert_eq!(event.data["message"], json!("yo"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_an_error_and_another_one_is_used_when_it_is_there() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let client = world.builder(id).build().unwrap();
    client.save_token("wrong".parse_token()).await.unwrap();
    let mut events = client.events();
    let error = events.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    client.save_token(token.parse_token()).await.unwrap();
    let started = world.clock_seconds();
    assert_eq!(events.next().await.unwrap(), EventNotice::Connected);
    assert!(world.clock_seconds() - started <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_deadline_does_not_cut_the_stream() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let builder = world.builder(id).deadline(Duration::from_secs(5));
    let client = builder.build().unwrap();
    client.save_token(token.parse_token()).await.unwrap();
    client.register().await.unwrap();
    let agent = world.start_with(&client, shout, AgentLoop::new());
    world.pass(300).await;
    assert_eq!(client.events_state(), EventsState::Flowing);
    assert_eq!(connections(&world), 1);
    agent.stop().await.unwrap();
}
