//! What answers messages.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use molecule_a2a::{Message, TaskWork};
use molecule_protocol::InboundMessage;
use molecule_transport::BoxFuture;
use tokio::sync::oneshot;

/// What a handler made of a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandlerOutcome {
    /// This is the answer.
    Reply(String),
    /// There is nothing to answer.
    Nothing,
    /// The handler failed; the sender is told so in these words, and the heartbeat counts it.
    Error(String),
    /// This is the answer, with everything that belongs to it. Where the agent polls, its text parts go back; where calls
    /// are pushed, all of it does, and the platform reads its `usage` and the `tool_trace` of its metadata.
    Message(Message),
    /// It takes work with a life of its own. Where calls are pushed, that is a task, which callers can watch, cancel and go on with.
    /// Where the agent polls, the work is done at once, and the texts of what it made and of its last message go back; work
    /// that failed is a handler that failed.
    Task(TaskWork),
}

/// Work that is not begun yet is equal to nothing, not even to itself.
impl PartialEq for HandlerOutcome {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reply(one), Self::Reply(other)) | (Self::Error(one), Self::Error(other)) => {
                one == other
            }
            (Self::Message(one), Self::Message(other)) => one == other,
            (Self::Nothing, Self::Nothing) => true,
            _ => false,
        }
    }
}

impl From<String> for HandlerOutcome {
    fn from(text: String) -> Self {
        Self::Reply(text)
    }
}

impl From<&str> for HandlerOutcome {
    fn from(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }
}

impl From<Option<String>> for HandlerOutcome {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Nothing, Self::Reply)
    }
}

impl From<Message> for HandlerOutcome {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

impl From<TaskWork> for HandlerOutcome {
    fn from(work: TaskWork) -> Self {
        Self::Task(work)
    }
}

impl From<()> for HandlerOutcome {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

impl<T: Into<Self>, E: std::fmt::Display> From<Result<T, E>> for HandlerOutcome {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(|error| Self::Error(error.to_string()), Into::into)
    }
}

/// Something that answers messages, whether they are polled for or pushed. Async closures do, whose output is a text, a whole
/// [`Message`], a [`TaskWork`], or an `Option` or a `Result` of a text. What is not async, or blocks, goes through
/// [`blocking_handler`].
///
/// ```
/// use molecule_agent::{Handler, InboundMessage};
///
/// fn takes_a_handler(handler: impl Handler) {}
///
/// takes_a_handler(async |message: InboundMessage| message.text.to_uppercase());
/// takes_a_handler(async |message: InboundMessage| message.text.parse::<f64>().map(|n| (n * 2.0).to_string()));
/// ```
///
/// Work that takes long is better a task: whoever watches it sees how it goes, and it can be cancelled.
///
/// ```
/// # use molecule_agent::{Handler, InboundMessage};
/// # fn takes_a_handler(handler: impl Handler) {}
/// use molecule_agent::a2a::{Artifact, Part, TaskContext, TaskOutcome, TaskWork};
///
/// takes_a_handler(async |message: InboundMessage| {
///     TaskWork::new(async move |task: TaskContext| {
///         let table = Artifact::new("table").with_part(Part::text(message.text));
///         match task.artifact(table).await {
///             Ok(()) => TaskOutcome::completed("here it is"),
///             Err(_) => TaskOutcome::canceled(),
///         }
///     })
/// });
/// ```
pub trait Handler: Send + Sync + 'static {
    /// Answers one message. It is dropped when the agent has to stop before it is done.
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome>;
}

impl<F, Fut> Handler for F
where
    F: Fn(InboundMessage) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<HandlerOutcome>> + Send + 'static,
{
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        let answer = self(message);
        Box::pin(async move { answer.await.into() })
    }
}

impl Handler for Arc<dyn Handler> {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        (**self).handle(message)
    }
}

/// A handler out of a function that is not async, whose output is a text, an `Option` or a `Result` of one.
///
/// Each message is handled on a thread of its own, outside of the async runtime. So the function may block and compute as
/// long as it likes, and use blocking clients; heartbeats do not wait for it. A thread cannot be stopped: when the agent
/// has to stop before the function is done, the function runs on, and what it returns is not sent.
///
/// ```
/// # use molecule_agent::Handler;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # fn takes_a_handler(handler: impl Handler) {}
/// use molecule_agent::blocking_handler;
///
/// takes_a_handler(blocking_handler(|message| message.text.to_uppercase()));
/// takes_a_handler(blocking_handler(|message| std::fs::read_to_string(format!("answers/{}", message.text))));
/// # }
/// ```
pub fn blocking_handler<F, O>(function: F) -> impl Handler
where
    F: Fn(InboundMessage) -> O + Send + Sync + 'static,
    O: Into<HandlerOutcome>,
{
    let function = Arc::new(function);
    move |message: InboundMessage| {
        let function = Arc::clone(&function);
        on_a_thread(move || function(message).into())
    }
}

/// The output of `work`, whose panic goes on here.
async fn on_a_thread(work: impl FnOnce() -> HandlerOutcome + Send + 'static) -> HandlerOutcome {
    let (sender, outcome) = oneshot::channel();
    let run = move || {
        // Nobody waits for it any more when the agent had to stop.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    };
    let thread = thread::Builder::new().name("molecule-handler".to_owned());
    if let Err(error) = thread.spawn(run) {
        return HandlerOutcome::Error(format!("no thread to handle the message on: {error}"));
    }
    let ended = outcome.await.expect("the thread sends before it ends");
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}
