//! What answers the calls: the one thing that whoever uses this crate writes.

use std::fmt;

use molecule_transport::BoxFuture as Boxed;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{A2aError, Artifact, ErrorCode, Message, Task, TaskState, TaskStatus};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Boxed<'a, T>;

/// Answers messages. Async closures from [`Incoming`] to a result of something that is an [`Answer`] do.
///
/// ```
/// use molecule_a2a::{A2aError, Agent, Incoming, Message};
///
/// fn takes_an_agent(agent: impl Agent) {}
///
/// takes_an_agent(async |incoming: Incoming| Ok::<_, A2aError>(Message::agent(incoming.message.text())));
/// ```
pub trait Agent: Send + Sync + 'static {
    /// Answers one message. It is dropped when the server has to stop before it is done.
    fn answer(&self, incoming: Incoming) -> BoxFuture<'static, Result<Answer, A2aError>>;
}

impl<F, Fut, A> Agent for F
where
    F: Fn(Incoming) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A, A2aError>> + Send + 'static,
    A: Into<Answer>,
{
    fn answer(&self, incoming: Incoming) -> BoxFuture<'static, Result<Answer, A2aError>> {
        let answer = self(incoming);
        Box::pin(async move { answer.await.map(Into::into) })
    }
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Incoming {
    /// The message. Its context id is set: one that the sender left out was made up.
    pub message: Message,
    /// The task that it goes on with, as it was before the message.
    pub task: Option<Task>,
    /// What went along with the call. The platform's chat sends its `history` here.
    pub metadata: Option<Map<String, Value>>,
    /// The kinds of content that the client takes.
    pub accepted_output_modes: Option<Vec<String>>,
}

impl Incoming {
    /// A message that begins something new.
    #[must_use]
    pub const fn new(message: Message) -> Self {
        Self {
            message,
            task: None,
            metadata: None,
            accepted_output_modes: None,
        }
    }
}

/// What an agent makes of a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// This is the whole answer.
    Message(Message),
    /// It takes work with a life of its own. A message that goes on with a task makes the work go on with it.
    Task(TaskWork),
}

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

impl From<TaskWork> for Answer {
    fn from(work: TaskWork) -> Self {
        Self::Task(work)
    }
}

type Work = dyn FnOnce(TaskContext) -> BoxFuture<'static, TaskOutcome> + Send;

/// The work of a task, not begun yet.
pub struct TaskWork(Box<Work>);

impl TaskWork {
    /// Work that tells how it goes through the [`TaskContext`], and how it ended when it is done.
    ///
    /// ```
    /// use molecule_a2a::{Artifact, Part, TaskContext, TaskOutcome, TaskWork};
    ///
    /// let work = TaskWork::new(async |task: TaskContext| {
    ///     let table = Artifact::new("table").with_part(Part::text("1,2"));
    ///     if task.artifact(table).await.is_err() {
    ///         return TaskOutcome::canceled();
    ///     }
    ///     TaskOutcome::completed("here it is")
    /// });
    /// ```
    #[must_use]
    pub fn new<F, Fut>(work: F) -> Self
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output = TaskOutcome> + Send + 'static,
    {
        Self(Box::new(|task| Box::pin(work(task))))
    }

    /// Begins.
    #[must_use]
    pub fn start(self, task: TaskContext) -> BoxFuture<'static, TaskOutcome> {
        (self.0)(task)
    }
}

impl fmt::Debug for TaskWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskWork").finish_non_exhaustive()
    }
}

/// How the work on a task ended. The task is over then, unless it waits for the user.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskOutcome {
    pub(crate) state: TaskState,
    pub(crate) message: Option<Message>,
    pub(crate) usage: Option<Value>,
}

impl TaskOutcome {
    /// It is done; this is what there is to say.
    #[must_use]
    pub fn completed(message: impl Into<TaskMessage>) -> Self {
        Self::new(TaskState::Completed, message)
    }

    /// It cannot be done.
    #[must_use]
    pub fn failed(message: impl Into<TaskMessage>) -> Self {
        Self::new(TaskState::Failed, message)
    }

    /// The agent will not do it.
    #[must_use]
    pub fn rejected(message: impl Into<TaskMessage>) -> Self {
        Self::new(TaskState::Rejected, message)
    }

    /// Another message of the user is needed. It comes as an [`Incoming`] with this task.
    #[must_use]
    pub fn input_required(message: impl Into<TaskMessage>) -> Self {
        Self::new(TaskState::InputRequired, message)
    }

    /// The user has to sign in somewhere, and says so in another message.
    #[must_use]
    pub fn auth_required(message: impl Into<TaskMessage>) -> Self {
        Self::new(TaskState::AuthRequired, message)
    }

    /// It was told to stop, and did.
    #[must_use]
    pub fn canceled() -> Self {
        Self::new(TaskState::Canceled, ())
    }

    /// Says what it cost, in the platform's words: it bills `input_tokens` and `output_tokens`.
    #[must_use]
    pub fn with_usage(mut self, usage: Value) -> Self {
        self.usage = Some(usage);
        self
    }

    /// The state that the task is in now.
    #[must_use]
    pub const fn state(&self) -> TaskState {
        self.state
    }

    /// What there is to say.
    #[must_use]
    pub const fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    fn new(state: TaskState, message: impl Into<TaskMessage>) -> Self {
        Self {
            state,
            message: message.into().0,
            usage: None,
        }
    }
}

/// What is said along with a state: a text, a message, or nothing, which is `()`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskMessage(Option<Message>);

impl From<()> for TaskMessage {
    fn from((): ()) -> Self {
        Self(None)
    }
}

impl From<&str> for TaskMessage {
    fn from(text: &str) -> Self {
        Self(Some(Message::agent(text)))
    }
}

impl From<String> for TaskMessage {
    fn from(text: String) -> Self {
        Self(Some(Message::agent(text)))
    }
}

impl From<Message> for TaskMessage {
    fn from(message: Message) -> Self {
        Self(Some(message))
    }
}

/// The task is over, or nobody keeps it any more: the work can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task is over")]
pub struct TaskEnded;

/// What work tells about itself while it goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskUpdate {
    /// It is in this state now, which is neither final nor waits for the user.
    Status(TaskStatus),
    /// It made something.
    Artifact {
        /// What, or a further piece of it.
        artifact: Artifact,
        /// Whether the parts go behind those that the artifact has already.
        append: bool,
        /// Whether this is the last piece.
        last_chunk: bool,
    },
}

/// How the work on a task tells how it goes, and learns that it has to stop.
#[derive(Debug, Clone)]
pub struct TaskContext {
    id: String,
    context_id: String,
    cancel: CancellationToken,
    updates: mpsc::Sender<(TaskUpdate, oneshot::Sender<()>)>,
}

/// The other end of a [`TaskContext`]: what keeps the task reads here how the work goes.
#[derive(Debug)]
pub struct TaskUpdates(mpsc::Receiver<(TaskUpdate, oneshot::Sender<()>)>);

impl TaskContext {
    /// The context of a task, and where its updates come out. Cancelling `cancel` tells the work to stop.
    #[must_use]
    pub fn channel(
        id: impl Into<String>,
        context_id: impl Into<String>,
        cancel: CancellationToken,
    ) -> (Self, TaskUpdates) {
        let (updates, receiver) = mpsc::channel(1);
        let context = Self {
            id: id.into(),
            context_id: context_id.into(),
            cancel,
            updates,
        };
        (context, TaskUpdates(receiver))
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The conversation that it belongs to.
    #[must_use]
    pub fn context_id(&self) -> &str {
        &self.context_id
    }

    /// Whether the work has to stop, and a way to wait for that.
    #[must_use]
    pub const fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Says that the work is under way, and what it does.
    ///
    /// # Errors
    /// [`TaskEnded`] when the task is over.
    pub async fn working(&self, message: impl Into<TaskMessage>) -> Result<(), TaskEnded> {
        let mut status = TaskStatus::new(TaskState::Working);
        status.message = message.into().0;
        self.update(TaskUpdate::Status(status)).await
    }

    /// Hands over something that the work made. One with the same id is replaced.
    ///
    /// # Errors
    /// [`TaskEnded`] when the task is over.
    pub async fn artifact(&self, artifact: Artifact) -> Result<(), TaskEnded> {
        self.chunk(artifact, false, true).await
    }

    /// Hands over a piece of something that the work makes. Unless `append`, it replaces what is there; `last_chunk` completes it.
    ///
    /// # Errors
    /// [`TaskEnded`] when the task is over.
    pub async fn chunk(
        &self,
        artifact: Artifact,
        append: bool,
        last_chunk: bool,
    ) -> Result<(), TaskEnded> {
        self.update(TaskUpdate::Artifact {
            artifact,
            append,
            last_chunk,
        })
        .await
    }

    /// Returns when the update is taken.
    async fn update(&self, update: TaskUpdate) -> Result<(), TaskEnded> {
        let (taken, told) = oneshot::channel();
        let sent = self.updates.send((update, taken)).await;
        sent.map_err(|_| TaskEnded)?;
        told.await.map_err(|_| TaskEnded)
    }
}

impl TaskUpdates {
    /// The next update, and what to tell when it is taken; dropping that instead tells the work that the task is over. `None`
    /// when the work holds no context any more.
    pub async fn next(&mut self) -> Option<(TaskUpdate, oneshot::Sender<()>)> {
        self.0.recv().await
    }
}

/// The agent's own failure, in words for the other side.
impl From<TaskEnded> for A2aError {
    fn from(ended: TaskEnded) -> Self {
        Self::new(ErrorCode::Internal, ended.to_string())
    }
}
