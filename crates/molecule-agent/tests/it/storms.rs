//! What befalls an agent's files, its clock, its token and its stream of events.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt as _};
use http_body_util::BodyExt as _;
use molecule_agent::transport::testing::{Answer, ScriptedTransport, SimulatedClock};
use molecule_agent::transport::{
    Body, BoxFuture, Bytes, Clock, Request, Transport as _, TransportError, http,
};
use molecule_agent::{
    AgentError, AgentLoop, DeliveryError, ErrorKind, EventsState, InboundDelivery, InboundMessage,
    Journal, PollOptions, Received, RemoteAgentClient, Sender, Since, StopReason,
};

use crate::world::{ParseToken as _, Running, Trouble, World, shout};

const SECOND: Duration = Duration::from_secs(1);

fn start(client: &RemoteAgentClient) -> Running {
    let everything = client.poll_delivery(PollOptions::new().with_since(Since::All));
    World::run(client, shout, everything, AgentLoop::new())
}

/// The same agent as a new process would be it.
#[cfg(feature = "journal")]
async fn again(world: &World, client: &RemoteAgentClient) -> RemoteAgentClient {
    let token = client.load_token().await.unwrap().unwrap();
    let builder = world.builder(client.workspace_id()).token(token);
    builder.build().unwrap()
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn without_its_cursor_the_agent_knows_from_the_journal_what_it_answered() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.say(id, "m-1", "one").await;
    let agent = start(&client);
    world.pass(10).await;
    world.say(id, "m-2", "two").await;
    world.pass(10).await;
    agent.stop().await.unwrap();
    assert_eq!(world.notifications(id).await, ["ONE", "TWO"]);

    std::fs::remove_file(client.state_dir().join("cursor")).unwrap();
    let client = again(&world, &client).await;
    let agent = start(&client);
    world.pass(10).await;
    world.say(id, "m-3", "three").await;
    world.pass(10).await;
    agent.stop().await.unwrap();
    assert_eq!(world.notifications(id).await, ["ONE", "TWO", "THREE"]);
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn without_its_journal_the_agent_goes_on_after_what_it_had_taken() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let options = PollOptions::new().with_since(Since::All);
    let agent = world.start_polling(&client, world.slow_echo(3600), options);
    world.say(id, "m-1", "taken").await;
    world.pass(10).await;
    agent.crash().await;

    std::fs::remove_file(client.state_dir().join("journal.redb")).unwrap();
    let client = again(&world, &client).await;
    let agent = start(&client);
    world.say(id, "m-2", "new").await;
    world.pass(10).await;
    assert_eq!(client.watch_status().borrow().pending, 0);
    agent.stop().await.unwrap();
    assert_eq!(world.notifications(id).await, ["NEW"]);
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn what_waits_in_a_journal_that_cannot_be_read_yet_is_handled_when_it_can() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let (dir, aside) = (world.disk().join("deep"), world.disk().join("aside"));
    let options = || AgentLoop::new().with_journal(Journal::open(dir.join("journal.redb")));
    let polling = client.poll_delivery(PollOptions::new().with_since(Since::All));
    let agent = World::run(&client, world.slow_echo(3600), polling, options());
    world.say(id, "m-1", "one").await;
    world.pass(10).await;
    agent.crash().await;

    std::fs::rename(&dir, &aside).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    let agent = world.start_with(&client, shout, options());
    world.pass(60).await;
    assert!(world.notifications(id).await.is_empty());
    std::fs::remove_file(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();
    world.pass(10).await;
    assert_eq!(world.notifications(id).await, ["ONE"]);
    agent.stop().await.unwrap();
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_journal_without_anything_to_do_is_closed_however_rare_polls_are() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = start(&client);
    world.pass(10).await;
    assert_eq!(client.events_state(), EventsState::Flowing);
    world.say(client.workspace_id(), "m-1", "one").await;
    world.pass(1).await;
    let other = Journal::open(Journal::path_in(client.state_dir()));
    let in_use = other.dead().await.unwrap_err();
    assert!(matches!(in_use, AgentError::JournalInUse { .. }));
    world.pass(5).await;
    other.dead().await.unwrap();
    agent.stop().await.unwrap();
}

/// A time of day that can be set.
#[derive(Debug)]
struct Wall {
    clock: SimulatedClock,
    is_back: Arc<AtomicBool>,
}

impl Clock for Wall {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn wall(&self) -> SystemTime {
        let hours = u32::from(self.is_back.load(Ordering::Relaxed));
        self.clock.wall() - 3600 * SECOND * hours
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }

    fn jitter(&self) -> f64 {
        self.clock.jitter()
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_by_an_hour_changes_nothing() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let is_back = Arc::new(AtomicBool::new(false));
    let clock = Wall {
        clock: world.clock.clone(),
        is_back: Arc::clone(&is_back),
    };
    let builder = world.builder(id).clock(Arc::new(clock));
    let client = builder.token(token.parse_token()).build().unwrap();
    client.register().await.unwrap();
    let agent = start(&client);
    world.say(id, "m-1", "one").await;
    world.pass(10).await;
    let beats = world.count("POST /registry/heartbeat");
    is_back.store(true, Ordering::Relaxed);
    world.say(id, "m-2", "two").await;
    world.pass(10).await;
    world.trouble_at("/notify", 1, Trouble::AnswerLost);
    world.say(id, "m-3", "three").await;
    world.pass(280).await;
    is_back.store(false, Ordering::Relaxed);
    world.pass(10).await;
    world.say(id, "m-4", "four").await;
    world.pass(290).await;
    assert_eq!(
        world.notifications(id).await,
        ["ONE", "TWO", "THREE", "FOUR"]
    );
    let beats = world.count("POST /registry/heartbeat") - beats;
    // Set forward again, it is as if the machine had slept, which is worth one beat more.
    assert!((19..=23).contains(&beats), "{beats} beats in ten minutes");
    assert_eq!(world.status(id).await, "online");
    agent.stop().await.unwrap();
}

/// A registered client whose events are these, and how often it asked for them.
async fn streaming(
    world: &World,
    body: impl Fn() -> Body + Send + Sync + 'static,
) -> (RemoteAgentClient, Arc<AtomicUsize>) {
    let (id, token) = world.workspace("alpha").await;
    let opened = Arc::new(AtomicUsize::new(0));
    let (rest, count) = (world.network(), Arc::clone(&opened));
    let transport = ScriptedTransport::new(move |request: Request| -> BoxFuture<'static, Answer> {
        if !request.uri().path().ends_with("/events/stream") {
            let rest = rest.clone();
            return Box::pin(async move { rest.send(request).await });
        }
        count.fetch_add(1, Ordering::Relaxed);
        let answer = http::Response::builder().header("content-type", "text/event-stream");
        let answer = answer.body(body()).unwrap();
        Box::pin(async { Ok(answer) })
    });
    let builder = world.builder(id).transport(transport);
    let client = builder.token(token.parse_token()).build().unwrap();
    client.register().await.unwrap();
    (client, opened)
}

fn frames(texts: impl stream::Stream<Item = &'static str> + Send + 'static) -> Body {
    let pieces = texts.map(|text| Ok::<_, TransportError>(Bytes::from_static(text.as_bytes())));
    let lost = |error: axum::Error| panic!("{error}");
    Body::wrap(axum::body::Body::from_stream(pieces).map_err(lost))
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_says_anything_is_not_relied_upon() {
    let world = World::new();
    let (client, opened) = streaming(&world, || frames(stream::pending())).await;
    let id = client.workspace_id();
    let agent = start(&client);
    let polls = || world.count(&format!("GET /workspaces/{id}/activity"));
    world.pass(10).await;
    let before = polls();
    for number in 0..10 {
        assert_eq!(client.events_state(), EventsState::Connecting);
        assert_ne!(client.watch_status().borrow().events, EventsState::Flowing);
        world
            .say(id, &number.to_string(), &number.to_string())
            .await;
        world.pass(6).await;
        assert_eq!(world.notifications(id).await.len(), number + 1);
        world.pass(54).await;
    }
    assert!(polls() - before >= 120, "polls are as frequent as without");
    let opened = opened.load(Ordering::Relaxed);
    assert!((4..=8).contains(&opened), "{opened} times in ten minutes");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_about_the_state_is_no_flood_of_questions() {
    let world = World::new();
    let clock = world.clock.clone();
    let flood = move || {
        let offline = "data: {\"type\":\"WORKSPACE_OFFLINE\",\"data\":{}}\n\n";
        frames(stream::unfold(clock.clone(), move |clock| async move {
            clock.sleep(Duration::from_millis(10)).await;
            Some((offline, clock))
        }))
    };
    let (client, _) = streaming(&world, flood).await;
    let agent = start(&client);
    world.pass(60).await;
    let asked = world.count(&format!("GET /workspaces/{}/state", client.workspace_id()));
    assert!((50..=62).contains(&asked), "{asked} questions in a minute");
    assert_eq!(agent.stop().await.unwrap(), StopReason::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_while_polls_fail_is_no_flood_of_polls() {
    let world = World::new();
    let clock = world.clock.clone();
    let flood = move || {
        let message = "data: {\"type\":\"ACTIVITY_LOGGED\",\"data\":{}}\n\n";
        frames(stream::unfold(clock.clone(), move |clock| async move {
            clock.sleep(Duration::from_millis(10)).await;
            Some((message, clock))
        }))
    };
    let (client, _) = streaming(&world, flood).await;
    let agent = start(&client);
    world.pass(5).await;
    let polls = || {
        let id = client.workspace_id();
        world.count(&format!("GET /workspaces/{id}/activity"))
    };
    world.trouble(|request| {
        let polls = request.uri().path().ends_with("/activity");
        polls.then_some(Trouble::Status(404))
    });
    let before = polls();
    world.pass(60).await;
    let failed = polls() - before;
    assert!((50..=62).contains(&failed), "{failed} polls in a minute");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_status_says_whether_events_come() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = start(&client);
    world.pass(10).await;
    assert_eq!(client.watch_status().borrow().events, EventsState::Flowing);
    agent.stop().await.unwrap();
    assert_ne!(client.watch_status().borrow().events, EventsState::Flowing);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_for_an_hour_is_no_storm_of_requests() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    // Where there is no luck at all, each wait is the shortest.
    let clock = world.clock.clone().with_jitter(0.5);
    let builder = world.builder(id).clock(Arc::new(clock));
    let client = builder.token(token.parse_token()).build().unwrap();
    client.register().await.unwrap();
    let agent = start(&client);
    world.pass(10).await;
    world.say(id, "m-1", "one").await;
    let words = r#"{"error":"invalid workspace auth token"}"#;
    let refused = move |request: &Request| {
        let is_authorized = request.headers().contains_key("authorization");
        is_authorized.then_some(Trouble::Says(401, words))
    };
    world.trouble(refused);
    let before = world.requests().len();
    world.pass(3600).await;
    let a_minute = (world.requests().len() - before) as f64 / 60.0;
    assert!(a_minute < 45.0, "{a_minute} requests a minute");
    assert!(agent.is_running());
    assert!(client.journal().dead().await.unwrap().is_empty());
    world.no_trouble();
    world.pass(90).await;
    assert_eq!(world.notifications(id).await, ["ONE"]);
    agent.stop().await.unwrap();
}

/// One message, on a disk that is full when it is acknowledged for the first so many times.
struct Full {
    message: Option<InboundMessage>,
    left: Arc<AtomicUsize>,
    acknowledged: Arc<Mutex<Vec<String>>>,
}

impl InboundDelivery for Full {
    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        let message = self.message.take();
        Box::pin(async {
            match message {
                Some(message) => Ok(Received::Message(Box::new(message))),
                None => std::future::pending().await,
            }
        })
    }

    fn acknowledge<'a>(
        &'a mut self,
        message: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        Box::pin(async {
            let is_full = |left: usize| left.checked_sub(1);
            let order = Ordering::Relaxed;
            if self.left.fetch_update(order, order, is_full).is_err() {
                self.acknowledged.lock().unwrap().push(message.text.clone());
                return Ok(());
            }
            Err(AgentError::State {
                action: "write",
                path: PathBuf::from("cursor"),
                source: std::io::ErrorKind::StorageFull.into(),
            })
        })
    }
}

impl Full {
    fn new(times: usize) -> (Self, Arc<Mutex<Vec<String>>>) {
        let id = "28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse().unwrap();
        let time = "2026-11-22T04:01:56Z".parse().unwrap();
        let message = InboundMessage::text(id, time, Sender::CanvasUser, "one");
        let acknowledged = Arc::default();
        let full = Self {
            message: Some(message),
            left: Arc::new(AtomicUsize::new(times)),
            acknowledged: Arc::clone(&acknowledged),
        };
        (full, acknowledged)
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_acknowledged_on_a_full_disk_is_acknowledged_later() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (delivery, acknowledged) = Full::new(10);
    let agent = World::start_delivering(&client, shout, delivery);
    world.pass(40).await;
    assert!(acknowledged.lock().unwrap().is_empty());
    let status = client.watch_status().borrow().clone();
    assert_eq!(status.state.as_str(), "degraded");
    assert!(status.problem.unwrap().contains("cursor"));
    world.pass(20).await;
    assert_eq!(*acknowledged.lock().unwrap(), ["one"]);
    assert_eq!(world.notifications(client.workspace_id()).await, ["ONE"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_would_answer_twice_does_not_end_in_silence() {
    let check = async |journal: fn(&RemoteAgentClient) -> Journal| {
        let world = World::new();
        let client = world.registered("alpha").await;
        let (delivery, _) = Full::new(usize::MAX);
        let options = AgentLoop::new().with_journal(journal(&client));
        let agent = World::run(&client, shout, delivery, options);
        world.pass(60).await;
        assert!(agent.is_running());
        agent.stop().await
    };
    let error = check(|_| Journal::volatile()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Temporary);
    #[cfg(feature = "journal")]
    check(RemoteAgentClient::journal).await.unwrap();
}
