//! The client: calls to other agents.

mod card;
mod error;
mod exchange;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use molecule_transport::{CallOptions, Timeouts, Transport};
use serde_json::Value;

pub use card::PeerCard;
pub use error::ClientError;
pub use stream::EventStream;

use crate::{
    Call, CallResult, ListTasks, Message, PushConfigOf, SendMessage, Task, TaskPage, Version,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an agent may be silent: one that is asked to wait for a task says nothing until then.
const SILENCE: Duration = Duration::from_secs(300);
/// The most bytes of an event, unless another limit is set.
const MAX_EVENT: usize = 1 << 20;

/// Calls one agent in one version of the protocol.
///
/// It adds nothing to a request that would tell who is calling. Who calls strangers gives it a transport that keeps to public
/// addresses and has no token, which is `molecule_transport::ForeignTransport`.
#[derive(Clone)]
pub struct A2aClient {
    transport: Arc<dyn Transport>,
    url: Uri,
    version: Version,
    options: CallOptions,
    max_event: usize,
}

/// What an agent answers to a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// This is the whole answer.
    Message(Message),
    /// It works on it, or has done so.
    Task(Task),
}

impl A2aClient {
    /// Calls the agent at `url`, which speaks `version`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, url: Uri, version: Version) -> Self {
        Self {
            transport,
            url,
            version,
            options: CallOptions::new().with_timeouts(Timeouts::new(CONNECT, SILENCE)),
            max_event: MAX_EVENT,
        }
    }

    /// Asks the agent for its card, and calls it as the card says: in version 1.0 if it speaks that. `base` is where the agent
    /// is, without the path of the card.
    ///
    /// # Errors
    /// As [`PeerCard::fetch`], and [`ClientError::NoInterface`] if it speaks neither version over JSON-RPC.
    pub async fn discover(transport: Arc<dyn Transport>, base: &Uri) -> Result<Self, ClientError> {
        let card = PeerCard::fetch(&*transport, base).await?;
        let (version, url) = card.interface().ok_or(ClientError::NoInterface)?;
        Ok(Self::new(transport, url, version))
    }

    /// Sets the waits and limits of each call. Default: 10 s for a connection, 300 s of silence, and the limits of
    /// [`CallOptions`]. Whether a call may be repeated is up to the call.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the most bytes of one event of a stream. Default: 1 MiB.
    #[must_use]
    pub const fn with_max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// Where the agent is.
    #[must_use]
    pub const fn url(&self) -> &Uri {
        &self.url
    }

    /// The version that is spoken.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Sends a message. Unless it is said otherwise in its options, the agent decides whether to answer before a task is over.
    ///
    /// # Errors
    /// Any [`ClientError`]. Whether the message arrived is open unless the agent refused it or
    /// [`surely_not_delivered`](ClientError::surely_not_delivered) says so.
    pub async fn send(&self, message: SendMessage) -> Result<Reply, ClientError> {
        let call = Call::Send(message);
        self.ask(&call, |result| match result {
            CallResult::Message(message) => Some(Reply::Message(message)),
            CallResult::Sent(task) => Some(Reply::Task(task)),
            _ => None,
        })
        .await
    }

    /// Sends a message, and listens to what comes of it.
    ///
    /// # Errors
    /// As [`send`](Self::send), up to the beginning of the stream.
    pub async fn stream(&self, message: SendMessage) -> Result<EventStream, ClientError> {
        self.listen(&Call::Stream(message)).await
    }

    /// Asks how far a task is, with so many of its newest messages, or all.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn task(&self, id: &str, history_length: Option<u32>) -> Result<Task, ClientError> {
        let id = id.to_owned();
        let call = Call::GetTask { id, history_length };
        self.ask(&call, task).await
    }

    /// Lists tasks. Only version 1.0 can.
    ///
    /// # Errors
    /// [`ClientError::Refused`] without a call in version 0.3, and otherwise any [`ClientError`].
    pub async fn tasks(&self, which: ListTasks) -> Result<TaskPage, ClientError> {
        let call = Call::ListTasks(which);
        self.ask(&call, |result| match result {
            CallResult::Tasks(page) => Some(page),
            _ => None,
        })
        .await
    }

    /// Stops a task.
    ///
    /// # Errors
    /// Any [`ClientError`]; the agent refuses if the task is over.
    pub async fn cancel(&self, id: &str) -> Result<Task, ClientError> {
        let id = id.to_owned();
        self.ask(&Call::CancelTask { id }, task).await
    }

    /// Listens to a task again. Agents that keep to version 1.0 begin with the task as it is now.
    ///
    /// # Errors
    /// Any [`ClientError`]; the agent refuses if the task is over.
    pub async fn resubscribe(&self, id: &str) -> Result<EventStream, ClientError> {
        let id = id.to_owned();
        self.listen(&Call::Resubscribe { id }).await
    }

    /// Has a webhook told about a task.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn set_push_config(&self, push: PushConfigOf) -> Result<PushConfigOf, ClientError> {
        self.ask(&Call::SetPushConfig(push), push_config).await
    }

    /// Asks about a webhook of a task. In version 0.3 its id may be left out.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn push_config(
        &self,
        task_id: &str,
        id: Option<&str>,
    ) -> Result<PushConfigOf, ClientError> {
        let (task_id, id) = (task_id.to_owned(), id.map(str::to_owned));
        let call = Call::GetPushConfig { task_id, id };
        self.ask(&call, push_config).await
    }

    /// Lists the webhooks of a task.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn push_configs(&self, task_id: &str) -> Result<Vec<PushConfigOf>, ClientError> {
        let task_id = task_id.to_owned();
        let call = Call::ListPushConfigs { task_id };
        self.ask(&call, |result| match result {
            CallResult::PushConfigs(list) => Some(list),
            _ => None,
        })
        .await
    }

    /// Has a webhook told nothing any more.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn delete_push_config(&self, task_id: &str, id: &str) -> Result<(), ClientError> {
        let (task_id, id) = (task_id.to_owned(), id.to_owned());
        let call = Call::DeletePushConfig { task_id, id };
        self.ask(&call, |_| Some(())).await
    }

    /// Asks for the card that those see who may see more.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn extended_card(&self) -> Result<Value, ClientError> {
        self.ask(&Call::ExtendedCard, |result| match result {
            CallResult::Card(card) => Some(card),
            _ => None,
        })
        .await
    }
}

fn task(result: CallResult) -> Option<Task> {
    match result {
        CallResult::Task(task) => Some(task),
        _ => None,
    }
}

fn push_config(result: CallResult) -> Option<PushConfigOf> {
    match result {
        CallResult::PushConfig(push) => Some(push),
        _ => None,
    }
}

/// Shows no more of the address than where it leads.
impl fmt::Debug for A2aClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("A2aClient")
            .field("host", &self.url.host())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
