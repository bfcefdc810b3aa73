//! What the protocol's conformance suites are run against: an agent whose behaviour the beginning of a message's id chooses.
//!
//! ```text
//! cargo run -p molecule-a2a --example a2a-sut -- [--listen ADDRESS] [--profile dual|v03|v1]
//! ```
//!
//! The suite of version 1.0 names what it wants in ids that begin with `tck-`. The one of version 0.3 wants every other message to
//! become a task that is answered at once, and that soon waits for input. With `--profile v1` any unknown id completes.

#![expect(clippy::print_stdout, reason = "it tells where it answers")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::{
    A2aError, A2aServer, Agent, Answer, Artifact, Card, CardProfile, ErrorCode, Incoming, Message,
    Part, ServerOptions, Skill, TaskContext, TaskEnded, TaskOutcome, TaskWork,
};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A quarter of the time for which the suites wait for an event of a stream.
const BEAT: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (listen, profile) = arguments(std::env::args().skip(1))?;
    let agent = Arc::new(agent(profile, BEAT));
    let server = A2aServer::bind(listen, agent, options(profile))?;
    println!("http://{}", server.local_addr());
    server.run(CancellationToken::new()).await?;
    Ok(())
}

fn arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(SocketAddr, CardProfile), Box<dyn Error>> {
    let mut listen = "127.0.0.1:0".parse()?;
    let mut profile = CardProfile::Dual;
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match (name.as_str(), value.as_str()) {
            ("--listen", address) => listen = address.parse()?,
            ("--profile", "dual") => profile = CardProfile::Dual,
            ("--profile", "v03") => profile = CardProfile::V03,
            ("--profile", "v1") => profile = CardProfile::V1,
            _ => return Err(format!("cannot use `{name} {value}`").into()),
        }
    }
    Ok((listen, profile))
}

/// How the suites want the server: not waiting where version 0.3 does not say whether to, webhooks on this machine, and each
/// message as a new one, because they send the same again.
pub(crate) fn options(profile: CardProfile) -> ServerOptions {
    let skill = Skill::new("tck", "Conformance").with_description("Does as the suites say.");
    let card = Card::new("system under test", "")
        .with_description("Does what the conformance suites ask for.")
        .with_skill(skill.with_tag("tck").with_example("hello"))
        .with_profile(profile);
    ServerOptions::new(card)
        .with_blocking_by_default(false)
        .with_redelivery_window(Duration::ZERO)
        .with_local_webhooks(true)
}

/// The agent; `beat` is how long it takes for anything that takes time.
pub(crate) fn agent(profile: CardProfile, beat: Duration) -> impl Agent {
    move |incoming: Incoming| async move { answer(&incoming.message, profile, beat) }
}

fn answer(message: &Message, profile: CardProfile, beat: Duration) -> Result<Answer, A2aError> {
    if let Some(unknown) = media_types(message).find(|kind| !TAKEN.contains(kind)) {
        let text = format!("{unknown} is not taken, only {}", TAKEN.join(" and "));
        return Err(A2aError::new(ErrorCode::ContentTypeNotSupported, text));
    }
    match Behaviour::of(&message.message_id, profile) {
        Behaviour::Answer(text) => Ok(Message::agent(text).into()),
        Behaviour::Refuse(text) => Err(A2aError::new(ErrorCode::UnsupportedOperation, text)),
        behaviour => Ok(TaskWork::new(move |task| work(behaviour, task, beat)).into()),
    }
}

/// The kinds of content that it takes.
const TAKEN: [&str; 2] = ["text/plain", "application/json"];

fn media_types(message: &Message) -> impl Iterator<Item = &str> {
    message
        .parts
        .iter()
        .filter_map(|part| part.media_type.as_deref())
}

#[derive(Clone, Copy)]
enum Behaviour {
    /// Answers with a message.
    Answer(&'static str),
    /// Answers with an error.
    Refuse(&'static str),
    /// Completes at once.
    Complete(&'static str),
    /// Completes after a while.
    CompleteLater(&'static str),
    /// Makes something, and completes.
    Make(fn() -> Part),
    /// Makes a text in two pieces, and completes.
    MakeInPieces,
    /// Waits for input at once.
    AskForInput,
    /// Waits for a sign-in.
    AskForAuthorization,
    /// Works a little, and waits for input.
    Park,
    /// Says again and again that it works, longer than anybody waits for a stream, and completes.
    KeepTelling,
}

/// By how the id of a message begins. The first that fits counts.
const BEHAVIOURS: &[(&str, Behaviour)] = &[
    ("test-resubscribe-message-id", Behaviour::KeepTelling),
    ("tck-complete-task", Behaviour::Complete("Hello from TCK")),
    (
        "tck-delayed-complete",
        Behaviour::CompleteLater("Done after delay"),
    ),
    (
        "tck-message-response",
        Behaviour::Answer("Direct message response"),
    ),
    ("tck-input-required", Behaviour::AskForInput),
    ("tck-auth-required", Behaviour::AskForAuthorization),
    ("tck-reject-task", Behaviour::Refuse("rejected")),
    (
        "tck-artifact-text",
        Behaviour::Make(|| Part::text("Generated text content")),
    ),
    ("tck-artifact-file-url", Behaviour::Make(file_elsewhere)),
    ("tck-artifact-file", Behaviour::Make(file)),
    (
        "tck-artifact-data",
        Behaviour::Make(|| Part::data(json!({"key": "value", "count": 42}))),
    ),
    (
        "tck-stream-001",
        Behaviour::Make(|| Part::text("Stream hello from TCK")),
    ),
    (
        "tck-stream-003",
        Behaviour::Make(|| Part::text("Stream task lifecycle")),
    ),
    (
        "tck-stream-ordering-001",
        Behaviour::Make(|| Part::text("Ordered output")),
    ),
    (
        "tck-stream-artifact-text",
        Behaviour::Make(|| Part::text("Streamed text content")),
    ),
    ("tck-stream-artifact-file", Behaviour::Make(file)),
    ("tck-stream-artifact-chunked", Behaviour::MakeInPieces),
    ("tck-", Behaviour::Complete("Done")),
];

impl Behaviour {
    fn of(message_id: &str, profile: CardProfile) -> Self {
        let row = BEHAVIOURS.iter().find(|row| message_id.starts_with(row.0));
        match (row, profile) {
            (Some(row), _) => row.1,
            (None, CardProfile::V1) => Self::Complete("Done"),
            (None, _) => Self::Park,
        }
    }
}

async fn work(behaviour: Behaviour, task: TaskContext, beat: Duration) -> TaskOutcome {
    let outcome = behave(behaviour, &task, beat).await;
    outcome.unwrap_or_else(|TaskEnded| TaskOutcome::canceled())
}

async fn behave(
    behaviour: Behaviour,
    task: &TaskContext,
    beat: Duration,
) -> Result<TaskOutcome, TaskEnded> {
    match behaviour {
        Behaviour::Answer(text) | Behaviour::Complete(text) => Ok(TaskOutcome::completed(text)),
        Behaviour::Refuse(text) => Ok(TaskOutcome::rejected(text)),
        Behaviour::AskForInput => Ok(TaskOutcome::input_required("What next?")),
        Behaviour::AskForAuthorization => Ok(TaskOutcome::auth_required("Who are you?")),
        Behaviour::CompleteLater(text) => {
            task.working(()).await?;
            wait(task, 4 * beat).await?;
            Ok(TaskOutcome::completed(text))
        }
        Behaviour::Make(part) => {
            task.working(()).await?;
            task.artifact(Artifact::new("output").with_part(part()))
                .await?;
            Ok(TaskOutcome::completed(()))
        }
        Behaviour::MakeInPieces => {
            task.working(()).await?;
            let piece = |text| Artifact::new("output").with_part(Part::text(text));
            task.chunk(piece("chunk-1 "), false, false).await?;
            task.chunk(piece("chunk-2"), true, true).await?;
            Ok(TaskOutcome::completed(()))
        }
        Behaviour::Park => {
            task.working(()).await?;
            wait(task, beat).await?;
            Ok(TaskOutcome::input_required("What next?"))
        }
        Behaviour::KeepTelling => {
            for number in 1..=12 {
                task.working(format!("Still at it, {number}")).await?;
                wait(task, beat).await?;
            }
            Ok(TaskOutcome::completed("Done"))
        }
    }
}

async fn wait(task: &TaskContext, time: Duration) -> Result<(), TaskEnded> {
    match timeout(time, task.cancellation().cancelled()).await {
        Ok(()) => Err(TaskEnded),
        Err(_) => Ok(()),
    }
}

fn file() -> Part {
    named(Part::raw("dGNr"))
}

fn file_elsewhere() -> Part {
    named(Part::url("https://example.com/output.txt"))
}

fn named(part: Part) -> Part {
    part.with_filename("output.txt")
        .with_media_type("text/plain")
}
