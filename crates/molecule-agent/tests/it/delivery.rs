//! Deliveries of one's own, and how the agent treats what goes wrong in one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::BoxFuture;
use molecule_agent::{
    AgentError, DeliveryError, ErrorKind, EventsMode, InboundDelivery, InboundMessage, PollOptions,
    Received, Sender, Since, StopReason, blocking_handler,
};

use uuid::Uuid;

use crate::world::{World, shout};

/// What happens when a message is asked for.
enum Step {
    Say(&'static str),
    Nothing,
    Fail,
    Break,
    Panic,
    Wait,
    End,
}

/// A delivery that goes through its steps, and keeps a diary.
struct Scripted {
    steps: VecDeque<Step>,
    given: u128,
    diary: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn new(steps: impl IntoIterator<Item = Step>) -> (Self, Arc<Mutex<Vec<String>>>) {
        let diary = Arc::default();
        let script = Self {
            steps: steps.into_iter().collect(),
            given: 0,
            diary: Arc::clone(&diary),
        };
        (script, diary)
    }

    fn note(&self, line: String) {
        self.diary.lock().unwrap().push(line);
    }

    async fn next(&mut self) -> Result<Received, DeliveryError> {
        match self.steps.pop_front() {
            Some(Step::Say(text)) => {
                self.note(format!("gave {text}"));
                self.given += 1;
                Ok(Received::Message(Box::new(message(self.given, text))))
            }
            Some(Step::Nothing) => Ok(Received::Nothing),
            Some(Step::Fail) => Err(DeliveryError::Temporary(AgentError::delivery("jammed"))),
            Some(Step::Break) => Err(AgentError::delivery("broken").into()),
            Some(Step::Panic) => panic!("on purpose"),
            Some(Step::End) => Ok(Received::End),
            Some(Step::Wait) | None => std::future::pending().await,
        }
    }
}

impl InboundDelivery for Scripted {
    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        Box::pin(self.next())
    }

    fn acknowledge<'a>(
        &'a mut self,
        message: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        self.note(format!("done {}", message.text));
        Box::pin(async {
            match message.text.as_str() {
                "unforgettable" => Err(AgentError::delivery("the disk is full")),
                _ => Ok(()),
            }
        })
    }
}

fn message(number: u128, text: &str) -> InboundMessage {
    let id = Uuid::from_u128(number).into();
    let time = "2026-11-22T04:01:56Z".parse().unwrap();
    InboundMessage::text(id, time, Sender::CanvasUser, text)
}

#[tokio::test(start_paused = true)]
async fn messages_of_any_delivery_are_answered_and_acknowledged_one_by_one() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (script, diary) = Scripted::new([Step::Say("one"), Step::Nothing, Step::Say("two")]);
    let agent = World::start_delivering(&client, shout, script);
    world.pass(1).await;
    assert_eq!(
        world.notifications(client.workspace_id()).await,
        ["ONE", "TWO"]
    );
    assert_eq!(
        *diary.lock().unwrap(),
        ["gave one", "done one", "gave two", "done two"]
    );
    assert_eq!(agent.stop().await.unwrap(), StopReason::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_behind_a_box_is_one() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (script, _) = Scripted::new([Step::Say("one")]);
    let boxed: Box<dyn InboundDelivery> = Box::new(script);
    let agent = World::start_delivering(&client, shout, boxed);
    world.pass(1).await;
    assert_eq!(world.notifications(client.workspace_id()).await, ["ONE"]);
    agent.stop().await.unwrap();
}

/// The agent ends by itself with an error that says so.
async fn check_ends(steps: impl IntoIterator<Item = Step>, expect: &str) {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (script, _) = Scripted::new(steps);
    let agent = World::start_delivering(&client, shout, script);
    let error = agent.ended().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    let text = format!("{error:?} {error}");
    assert!(text.contains(expect), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_ends_ends_the_agent() {
    check_ends([Step::Say("one"), Step::End], "DeliveryEnded").await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_panics_ends_the_agent() {
    check_ends([Step::Panic], "delivery task stopped unexpectedly").await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_broken_for_good_ends_the_agent() {
    check_ends([Step::Break], "broken").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_acknowledged_ends_the_agent() {
    check_ends([Step::Say("unforgettable")], "the disk is full").await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_waited_out_and_counted_in_the_heartbeat() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let fails = std::iter::repeat_with(|| Step::Fail).take(8);
    let (script, _) = Scripted::new(fails.chain([Step::Say("one"), Step::Wait]));
    let agent = World::start_delivering(&client, shout, script);
    world.pass(35).await;
    assert_eq!(world.status(client.workspace_id()).await, "degraded");
    world.pass(10).await;
    assert_eq!(world.notifications(client.workspace_id()).await, ["ONE"]);
    world.pass(100).await;
    assert_eq!(world.status(client.workspace_id()).await, "online");
    agent.stop().await.unwrap();
}

/// A delivery that does not wait at all.
struct Restless;

impl InboundDelivery for Restless {
    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        Box::pin(async { Ok(Received::Nothing) })
    }

    fn acknowledge<'a>(
        &'a mut self,
        _: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_does_not_wait_keeps_nobody_from_running() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = World::start_delivering(&client, shout, Restless);
    while world.count("POST /registry/heartbeat") == 0 {
        tokio::task::yield_now().await;
    }
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poll_delivery_can_be_opened_before_the_loop_and_polls_at_its_own_interval() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.say(id, "m-1", "old").await;
    world.pass(60).await;
    let options = PollOptions::new()
        .with_interval(Duration::from_secs(1))
        .with_events(EventsMode::Off);
    let mut polling = client.poll_delivery(options);
    assert_eq!(polling.skipped(), 0);
    polling.open().await.unwrap();
    assert_eq!(polling.skipped(), 1);
    let polls = || world.count(&format!("GET /workspaces/{id}/activity"));
    let before = polls();
    let agent = World::start_delivering(&client, shout, polling);
    world.pass(30).await;
    assert!((28..=31).contains(&(polls() - before)));
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn opening_tells_at_once_what_the_loop_would_tell_later() {
    let world = World::generation_a();
    let client = world.client("alpha").await;
    let error = client
        .poll_delivery(PollOptions::new())
        .open()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let flood = PollOptions::new().with_interval(Duration::ZERO);
    let error = client.poll_delivery(flood).open().await.unwrap_err();
    assert!(error.to_string().contains("poll interval"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_acknowledged_is_given_again() {
    let world = World::new();
    let client = world.registered("alpha").await;
    for text in ["one", "two"] {
        world.say(client.workspace_id(), text, text).await;
        world.clock_tick().await;
    }
    let mut polling = client.poll_delivery(PollOptions::new().with_since(Since::All));
    for expect in ["one", "one"] {
        let Received::Message(message) = polling.receive().await.unwrap() else {
            panic!("no message")
        };
        assert_eq!(message.text, expect);
    }
    let Received::Message(message) = polling.receive().await.unwrap() else {
        panic!("no message")
    };
    polling.acknowledge(&message).await.unwrap();
    let mut next_run = client.poll_delivery(PollOptions::new());
    assert!(
        matches!(next_run.receive().await.unwrap(), Received::Message(message) if message.text == "two")
    );
}

#[tokio::test(start_paused = true)]
async fn functions_that_are_not_async_answer_and_may_panic() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let handler = blocking_handler(|message| match message.text.as_str() {
        "panic" => panic!("on purpose"),
        text => text.parse::<u32>().map(|number| (number + 1).to_string()),
    });
    let (script, _) = Scripted::new([Step::Say("1"), Step::Say("x"), Step::Say("panic")]);
    let agent = World::start_delivering(&client, handler, script);
    // The threads do not live in simulated time, so that their answers are waited for.
    while world.notifications(client.workspace_id()).await.len() < 3 {
        world.pass(1).await;
    }
    assert_eq!(
        world.notifications(client.workspace_id()).await,
        [
            "2",
            "Agent error: invalid digit found in string",
            "Agent error: the handler panicked"
        ]
    );
    agent.stop().await.unwrap();
}
