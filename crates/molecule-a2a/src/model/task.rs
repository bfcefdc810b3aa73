//! Tasks: work with a life of its own.

use serde_json::{Map, Value};

use super::{Message, Part};

/// Work that an agent took on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Its id, which the agent chose.
    pub id: String,
    /// The conversation it belongs to.
    pub context_id: String,
    /// How far it is.
    pub status: TaskStatus,
    /// What it made.
    pub artifacts: Option<Vec<Artifact>>,
    /// The messages about it, oldest first.
    pub history: Option<Vec<Message>>,
    /// Anything else that goes along.
    pub metadata: Option<Map<String, Value>>,
    /// What it cost, in the platform's words: it bills `input_tokens` and `output_tokens`.
    pub usage: Option<Value>,
}

impl Task {
    /// A task that was just taken on.
    #[must_use]
    pub fn new(id: impl Into<String>, context_id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            context_id: context_id.into(),
            status: TaskStatus::new(TaskState::Submitted),
            artifacts: None,
            history: None,
            metadata: None,
            usage: None,
        }
    }
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskStatus {
    /// The state.
    pub state: TaskState,
    /// What the agent says about it.
    pub message: Option<Message>,
    /// Since when, as RFC 3339.
    pub timestamp: Option<String>,
}

impl TaskStatus {
    /// A state of which nothing more is said.
    #[must_use]
    pub const fn new(state: TaskState) -> Self {
        Self {
            state,
            message: None,
            timestamp: None,
        }
    }
}

/// The states of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// Taken on.
    Submitted,
    /// Under way.
    Working,
    /// Waits for another message of the user.
    InputRequired,
    /// Waits until the user has signed in somewhere.
    AuthRequired,
    /// Done.
    Completed,
    /// Cancelled.
    Canceled,
    /// Failed.
    Failed,
    /// The agent will not do it.
    Rejected,
    /// Not said, or in a word that is not known.
    Unknown,
}

impl TaskState {
    /// Whether nothing will ever change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Canceled | Self::Failed | Self::Rejected
        )
    }

    /// Whether nothing changes until the user does something.
    #[must_use]
    pub const fn is_interrupted(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }
}

/// Something that a task made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Artifact {
    /// Its id, unique in its task.
    pub artifact_id: String,
    /// What it is called.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What it consists of.
    pub parts: Vec<Part>,
    /// Anything else that goes along.
    pub metadata: Option<Map<String, Value>>,
    /// Extensions of the protocol that it uses.
    pub extensions: Option<Vec<String>>,
}

impl Artifact {
    /// An artifact without parts yet.
    #[must_use]
    pub fn new(artifact_id: impl Into<String>) -> Self {
        Self {
            artifact_id: artifact_id.into(),
            name: None,
            description: None,
            parts: Vec::new(),
            metadata: None,
            extensions: None,
        }
    }

    /// Says what it is called.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a part.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}
