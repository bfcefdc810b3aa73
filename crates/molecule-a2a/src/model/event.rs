//! What happens in a stream.

use serde_json::{Map, Value};

use super::{Artifact, Message, Task, TaskStatus};

/// One event of a stream, and one notification of a webhook.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A task as it is now. Streams about tasks open with one.
    Task(Task),
    /// The whole answer.
    Message(Message),
    /// A task's status changed.
    Status(StatusUpdate),
    /// A task made something.
    Artifact(ArtifactUpdate),
}

/// A task's status changed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StatusUpdate {
    /// The task.
    pub task_id: String,
    /// The task's conversation.
    pub context_id: String,
    /// Its status from now on.
    pub status: TaskStatus,
    /// Whether the stream ends with this. Version 1.0 does not say it: there the stream just ends.
    pub is_final: bool,
    /// Anything else that goes along.
    pub metadata: Option<Map<String, Value>>,
}

/// A task made something.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ArtifactUpdate {
    /// The task.
    pub task_id: String,
    /// The task's conversation.
    pub context_id: String,
    /// What it made, or a further piece of it.
    pub artifact: Artifact,
    /// Whether the parts go behind those that the artifact has already.
    pub append: Option<bool>,
    /// Whether this is the artifact's last piece.
    pub last_chunk: Option<bool>,
    /// Anything else that goes along.
    pub metadata: Option<Map<String, Value>>,
}
