//! Handlers that answer with more than a text, at an agent that polls: the text of it goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use molecule_agent::a2a::{Artifact, Message, Part, TaskContext, TaskOutcome, TaskWork};
use molecule_agent::transport::Clock as _;
use molecule_agent::transport::testing::SimulatedClock;
use molecule_agent::{HandlerOutcome, InboundMessage};
use serde_json::json;

use crate::world::World;

async fn answered(outcome: impl Fn() -> HandlerOutcome + Send + Sync + 'static) -> Vec<String> {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, move |_: InboundMessage| {
        std::future::ready(outcome())
    });
    world.say(client.workspace_id(), "m-1", "go").await;
    world.pass(60).await;
    agent.stop().await.unwrap();
    world.notifications(client.workspace_id()).await
}

#[tokio::test(start_paused = true)]
async fn of_a_message_the_text_goes_back() {
    let message = || {
        Message::agent("it is seven")
            .with_part(Part::data(json!(7)))
            .with_usage(json!({"input_tokens": 3}))
    };
    assert_eq!(answered(move || message().into()).await, ["it is seven"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_worked_on_to_its_end_and_what_it_made_goes_back() {
    let work = || {
        TaskWork::new(async |task: TaskContext| {
            SimulatedClock::new().sleep(Duration::from_secs(20)).await;
            let table = Artifact::new("table").with_part(Part::text("1,2"));
            task.artifact(table).await.unwrap();
            TaskOutcome::completed("here it is")
        })
    };
    assert_eq!(answered(move || work().into()).await, ["1,2\nhere it is"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_needs_to_know_more_asks() {
    let work = || TaskWork::new(async |_| TaskOutcome::input_required("in which city?"));
    assert_eq!(answered(move || work().into()).await, ["in which city?"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_is_a_handler_that_fails() {
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&starts);
    let work = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        TaskWork::new(async |_| TaskOutcome::failed("no disk"))
    };
    let said = answered(move || work().into()).await;
    assert_eq!(said, ["Agent error: no disk"]);
    assert_eq!(starts.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_is_a_handler_that_panics() {
    let work = || TaskWork::new(async |_| panic!("on purpose"));
    let said = answered(move || work().into()).await;
    assert_eq!(said, ["Agent error: the handler panicked"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_counts_as_a_message_that_is_handled() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, async |_: InboundMessage| {
        TaskWork::new(async |_| std::future::pending().await)
    });
    world.say(client.workspace_id(), "m-1", "go").await;
    world.pass(30).await;
    assert_eq!(client.watch_status().borrow().handling, 1);
    agent.crash().await;
}
