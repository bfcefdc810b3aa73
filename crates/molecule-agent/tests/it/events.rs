//! Events wake the agent, and it does not rely on them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::{Clock as _, Request};
use molecule_agent::{
    AgentLoop, DEFAULT_POLL_INTERVAL, ErrorKind, EventKind, EventNotice, EventsMode, EventsState,
    PollOptions, RemoteAgentClient, StopReason,
};
use serde_json::{Value, json};

use crate::wire::Blow;
use crate::world::{ParseToken as _, Running, Trouble, World, shout};

fn is_stream(request: &Request) -> bool {
    request.uri().path().ends_with("/events/stream")
}

/// An agent that says when it handled what.
struct Agent {
    client: RemoteAgentClient,
    running: Running,
    handled: Arc<Mutex<Vec<Duration>>>,
}

impl Agent {
    async fn start(world: &World, events: EventsMode) -> Self {
        Self::polling(world, events, DEFAULT_POLL_INTERVAL).await
    }

    /// One that polls every so often.
    async fn polling(world: &World, events: EventsMode, interval: Duration) -> Self {
        let (id, token) = world.workspace("alpha").await;
        let builder = world.builder(id).poll_interval(interval);
        let client = builder.build().unwrap();
        client.save_token(token.parse_token()).await.unwrap();
        client.register().await.unwrap();
        let handled: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (times, clock) = (Arc::clone(&handled), world.clock.clone());
        let handler = move |_| {
            times.lock().unwrap().push(clock.now());
            async {}
        };
        let options = PollOptions::new().with_events(events);
        let running = world.start_polling(&client, handler, options);
        Self {
            client,
            running,
            handled,
        }
    }

    /// One that has been running for ten seconds.
    async fn settled(world: &World, events: EventsMode) -> Self {
        let agent = Self::start(world, events).await;
        world.pass(10).await;
        agent
    }

    /// One of many, whose polls are ten minutes apart.
    async fn rare(world: &World) -> Self {
        let interval = Duration::from_secs(600);
        let agent = Self::polling(world, EventsMode::Auto, interval).await;
        world.pass(10).await;
        agent
    }

    /// How many milliseconds pass until a message that comes now is handled, which has to be within a minute.
    async fn takes(&self, world: &World) -> u128 {
        let (before, said) = (self.handled.lock().unwrap().len(), world.clock.now());
        let text = format!("message {before}");
        world.say(self.client.workspace_id(), &text, &text).await;
        world.pass(59).await;
        let handled = self.handled.lock().unwrap();
        assert_eq!(handled.len(), before + 1, "handled once within a minute");
        (handled[before] - said).as_millis()
    }

    fn polls(&self, world: &World) -> usize {
        let id = self.client.workspace_id();
        world.count(&format!("GET /workspaces/{id}/activity"))
    }

    fn state(&self) -> EventsState {
        self.client.events_state()
    }
}

fn connections(world: &World) -> usize {
    let requests = world.requests();
    let streams = requests
        .iter()
        .filter(|line| line.ends_with("/events/stream"));
    streams.count()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_handled_when_it_comes_and_polls_are_rare_without() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    assert_eq!(agent.state(), EventsState::Flowing);
    let before = agent.polls(&world);
    world.pass(600).await;
    let idle = agent.polls(&world) - before;
    assert!((9..=12).contains(&idle), "{idle} polls in ten minutes");
    for _ in 0..3 {
        world.pass(7).await;
        assert_eq!(agent.takes(&world).await, 0);
    }
    assert_eq!(connections(&world), 1);
    let client = agent.client.clone();
    agent.running.stop().await.unwrap();
    assert_eq!(client.events_state(), EventsState::Off);
}

#[tokio::test(start_paused = true)]
async fn without_events_all_is_as_before() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Off).await;
    assert_eq!(agent.state(), EventsState::Off);
    let before = agent.polls(&world);
    world.pass(600).await;
    assert_eq!(agent.polls(&world) - before, 120);
    world.pass(1).await;
    let passed = agent.takes(&world).await;
    assert!((3000..=5000).contains(&passed), "{passed} ms");
    assert_eq!(connections(&world), 0);
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_events_is_polled_and_asked_again_now_and_then() {
    for status in [404, 405, 501] {
        let world = World::new();
        world.trouble(move |request| is_stream(request).then_some(Trouble::Status(status)));
        let agent = Agent::settled(&world, EventsMode::Auto).await;
        assert_eq!(agent.state(), EventsState::Unsupported);
        let before = agent.polls(&world);
        world.pass(590).await;
        assert_eq!(connections(&world), 1);
        assert!(agent.polls(&world) - before >= 117);
        world.no_trouble();
        world.pass(30).await;
        assert_eq!(agent.state(), EventsState::Flowing, "{status}");
        agent.running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_for_every_path_is_no_stream() {
    let world = World::new();
    let page = Trouble::Says(200, "<html>welcome</html>");
    world.trouble(move |request| is_stream(request).then_some(page));
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    assert_eq!(agent.state(), EventsState::Unsupported);
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_there_is_no_connection_polls_are_as_frequent_as_without_events() {
    let world = World::new();
    world.trouble(|request| is_stream(request).then_some(Trouble::Refused));
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    assert_eq!(agent.state(), EventsState::Connecting);
    let before = agent.polls(&world);
    world.pass(60).await;
    assert!(agent.polls(&world) - before >= 12);
    agent.running.stop().await.unwrap();
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
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    assert_eq!(connections(&world), 1);
    limited.store(false, Ordering::Relaxed);
    world.pass(185).await;
    assert_eq!(connections(&world), 1);
    world.pass(30).await;
    assert_eq!(agent.state(), EventsState::Flowing);
    agent.running.stop().await.unwrap();
}

/// The poll interval is stretched from the moment on when events flow. A message that came after the last poll looked and before the first event
/// could come must not wait for the end of it.
#[tokio::test(start_paused = true)]
async fn no_message_falls_between_the_last_poll_and_the_first_event() {
    for said in 0..30 {
        let world = World::new();
        world.trouble(|request| is_stream(request).then_some(Trouble::Refused));
        let agent = Agent::settled(&world, EventsMode::Auto).await;
        let clock = world.clock.clone();
        world.trouble(move |request| match request.uri().path() {
            path if path.ends_with("/activity") => Some(Trouble::AnswerLate(3000)),
            _ if is_stream(request) && clock.now().as_millis() < 19_500 => Some(Trouble::Refused),
            _ => None,
        });
        world.clock.sleep(Duration::from_millis(said * 500)).await;
        let passed = agent.takes(&world).await;
        assert!(
            passed <= 5000 + 2 * 3000,
            "said after {said}/2 s: {passed} ms"
        );
        assert_eq!(agent.state(), EventsState::Flowing);
        agent.running.stop().await.unwrap();
    }
}

/// The event was there before the row could be read.
#[tokio::test(start_paused = true)]
async fn a_poll_that_finds_nothing_of_what_was_told_is_repeated_soon() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    world.pass(70).await;
    world.trouble_at("/activity", 1, Trouble::Says(200, "[]"));
    assert_eq!(agent.takes(&world).await, 5000);
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_finds_nothing_of_what_was_told_is_repeated_soon_however_rare_polls_are() {
    let world = World::new();
    let agent = Agent::rare(&world).await;
    world.trouble_at("/activity", 1, Trouble::Says(200, "[]"));
    assert_eq!(agent.takes(&world).await, 5000);
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_is_repeated_soon_however_rare_polls_are() {
    let world = World::new();
    let agent = Agent::rare(&world).await;
    world.trouble(|request| {
        let polls = request.uri().path().ends_with("/activity");
        (polls || is_stream(request)).then_some(Trouble::Refused)
    });
    world.strike(Blow::Cut);
    world.pass(20).await;
    world.no_trouble();
    let passed = agent.takes(&world).await;
    assert!(passed <= 6000, "{passed} ms");
    agent.running.stop().await.unwrap();
}

/// The platform answers a poll that a message was told for with an error, and tells of another one.
#[tokio::test(start_paused = true)]
async fn an_event_ends_the_wait_after_a_poll_that_failed() {
    let world = World::new();
    let agent = Agent::rare(&world).await;
    let id = agent.client.workspace_id();
    let before = agent.polls(&world);
    world.trouble(|request| {
        let polls = request.uri().path().ends_with("/activity");
        polls.then_some(Trouble::Status(404))
    });
    world.say(id, "one", "one").await;
    world.pass(30).await;
    let failed = agent.polls(&world) - before;
    assert!((7..=9).contains(&failed), "{failed} polls in 30 s");
    world.no_trouble();
    // At least a second passed since the last poll.
    world.say(id, "two", "two").await;
    world.clock.sleep(Duration::from_millis(1100)).await;
    assert_eq!(agent.handled.lock().unwrap().len(), 2);
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again_and_polls_are_frequent_until_then() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    for _ in 0..3 {
        world.trouble(|request| is_stream(request).then_some(Trouble::Refused));
        // The stream is opened anew.
        agent.client.wake();
        world.clock_tick().await;
        assert_eq!(agent.state(), EventsState::Connecting);
        let passed = agent.takes(&world).await;
        assert!(passed <= 5000, "{passed} ms");
        world.no_trouble();
        world.pass(65).await;
        assert_eq!(agent.state(), EventsState::Flowing);
        assert_eq!(agent.takes(&world).await, 0);
    }
    agent.running.stop().await.unwrap();
}

/// The poll interval was stretched when the stream broke, and nobody tells of a message any more.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_ends_the_long_wait_as_well() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    world.pass(70).await;
    world.trouble(|request| is_stream(request).then_some(Trouble::Refused));
    world.strike(Blow::Cut);
    let passed = agent.takes(&world).await;
    assert!(passed <= 5000, "{passed} ms");
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_is_opened_anew() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    world.strike(Blow::Freeze);
    let passed = agent.takes(&world).await;
    assert!(passed <= 60_000, "{passed} ms");
    world.pass(40).await;
    assert_eq!(
        (connections(&world), agent.state()),
        (2, EventsState::Flowing)
    );
    assert_eq!(agent.takes(&world).await, 0);
    agent.running.stop().await.unwrap();
}

/// Each connection ends at once. Without jitter the next one is made after a second, the shortest wait.
#[tokio::test(start_paused = true)]
async fn a_stream_that_always_breaks_is_no_flood_of_requests() {
    let world = World::new();
    let agent = Agent::start(&world, EventsMode::Auto).await;
    let polls = agent.polls(&world);
    for _ in 0..600 {
        world.clock.sleep(Duration::from_millis(100)).await;
        world.strike(Blow::Cut);
    }
    let (polls, streams) = (agent.polls(&world) - polls, connections(&world));
    assert!(
        streams <= 62 && polls <= 140,
        "{streams} connections, {polls} polls"
    );
    let passed = agent.takes(&world).await;
    assert!(passed <= 5000, "{passed} ms");
    agent.running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_noticed_when_it_is_told() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    let before = world.clock_seconds();
    let path = format!("/workspaces/{}/pause", agent.client.workspace_id());
    world.admin("POST", &path, Value::Null).await;
    assert_eq!(agent.running.ended().await.unwrap(), StopReason::Paused);
    assert!(world.clock_seconds() - before <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_noticed_when_it_is_told() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    let before = world.clock_seconds();
    let path = format!("/workspaces/{}?confirm=true", agent.client.workspace_id());
    world.admin("DELETE", &path, Value::Null).await;
    assert_eq!(agent.running.ended().await.unwrap(), StopReason::Removed);
    assert!(world.clock_seconds() - before <= 1);
}

#[tokio::test(start_paused = true)]
async fn the_agents_own_words_wake_nobody() {
    let world = World::new();
    let agent = Agent::settled(&world, EventsMode::Auto).await;
    let before = agent.polls(&world);
    for _ in 0..5 {
        agent.client.notify("by the way", &[]).await.unwrap();
        world.pass(2).await;
    }
    assert!(agent.polls(&world) - before <= 1);
    agent.running.stop().await.unwrap();
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
