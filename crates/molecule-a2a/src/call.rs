//! What clients ask an agent, and what they are answered, in words that no version of the wire owns.

use serde_json::{Map, Value};

use crate::{Message, PushConfig, Task, TaskState};

/// One call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// Here is a message: `message/send`, `SendMessage`.
    Send(SendMessage),
    /// The same, answered with a stream of events: `message/stream`, `SendStreamingMessage`.
    Stream(SendMessage),
    /// How far is this task? `tasks/get`, `GetTask`.
    GetTask {
        /// The task.
        id: String,
        /// How many of the newest messages to tell. `None`: all.
        history_length: Option<u32>,
    },
    /// Which tasks are there? `ListTasks`, in version 1.0 alone.
    ListTasks(ListTasks),
    /// Stop this task: `tasks/cancel`, `CancelTask`.
    CancelTask {
        /// The task.
        id: String,
    },
    /// Go on telling about this task: `tasks/resubscribe`, `SubscribeToTask`.
    Resubscribe {
        /// The task.
        id: String,
    },
    /// Tell this webhook about the task: `tasks/pushNotificationConfig/set`, `CreateTaskPushNotificationConfig`.
    SetPushConfig(PushConfigOf),
    /// `tasks/pushNotificationConfig/get`, `GetTaskPushNotificationConfig`.
    GetPushConfig {
        /// The task.
        task_id: String,
        /// The webhook; in version 0.3 it may be missing, which is the one that has the task's own id, or else the first.
        id: Option<String>,
    },
    /// `tasks/pushNotificationConfig/list`, `ListTaskPushNotificationConfigs`.
    ListPushConfigs {
        /// The task.
        task_id: String,
    },
    /// `tasks/pushNotificationConfig/delete`, `DeleteTaskPushNotificationConfig`.
    DeletePushConfig {
        /// The task.
        task_id: String,
        /// The webhook.
        id: String,
    },
    /// The agent card for those who may see more: `agent/getAuthenticatedExtendedCard`, `GetExtendedAgentCard`.
    ExtendedCard,
}

/// A message and what is to happen with it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SendMessage {
    /// The message.
    pub message: Message,
    /// How to answer.
    pub options: SendOptions,
    /// Anything else that goes along with the call. The platform's chat sends its `history` here.
    pub metadata: Option<Map<String, Value>>,
}

impl SendMessage {
    /// A message without wishes.
    #[must_use]
    pub fn new(message: Message) -> Self {
        Self {
            message,
            options: SendOptions::default(),
            metadata: None,
        }
    }
}

/// How a message is to be answered.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct SendOptions {
    /// Whether to wait until a task is over or waits for the user: `blocking`, and the reverse of `returnImmediately`. `None`: not said.
    pub blocking: Option<bool>,
    /// How many of the newest messages of a task to tell. `None`: all.
    pub history_length: Option<u32>,
    /// The kinds of content that the client takes.
    pub accepted_output_modes: Option<Vec<String>>,
    /// A webhook to tell about the task.
    pub push: Option<PushConfig>,
}

/// Which tasks to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ListTasks {
    /// Those of this conversation alone.
    pub context_id: Option<String>,
    /// Those in this state alone.
    pub state: Option<TaskState>,
    /// At most so many, 1 to 100. `None`: 50.
    pub page_size: Option<u32>,
    /// Where the page before ended.
    pub page_token: Option<String>,
    /// How many of the newest messages of each task to tell. `None`: all.
    pub history_length: Option<u32>,
    /// Those whose status changed at or after this moment, as RFC 3339.
    pub status_timestamp_after: Option<String>,
    /// Whether to tell what the tasks made. `None`: no.
    pub include_artifacts: Option<bool>,
}

/// Some of the tasks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskPage {
    /// The tasks, the one whose status changed last first.
    pub tasks: Vec<Task>,
    /// Where the next page begins; empty after the last.
    pub next_page_token: String,
    /// How many a page holds at most.
    pub page_size: u32,
    /// How many there are on all pages.
    pub total_size: u32,
}

/// A webhook of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushConfigOf {
    /// The task.
    pub task_id: String,
    /// The webhook.
    pub config: PushConfig,
}

impl PushConfigOf {
    /// This webhook of this task.
    #[must_use]
    pub fn new(task_id: impl Into<String>, config: PushConfig) -> Self {
        Self {
            task_id: task_id.into(),
            config,
        }
    }
}

/// What a call that is not answered with a stream is answered with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallResult {
    /// To a message: the whole answer.
    Message(Message),
    /// To a message: a task.
    Sent(Task),
    /// To a question about a task, and to its cancellation.
    Task(Task),
    /// To [`Call::ListTasks`].
    Tasks(TaskPage),
    /// A webhook.
    PushConfig(PushConfigOf),
    /// All webhooks of a task.
    PushConfigs(Vec<PushConfigOf>),
    /// To [`Call::DeletePushConfig`].
    Deleted,
    /// An agent card, as it goes over the wire.
    Card(Value),
}
