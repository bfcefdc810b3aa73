//! Messages and what they are made of.

use molecule_protocol::Role;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What one side says to the other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Its writer's id for it.
    pub message_id: String,
    /// The conversation it belongs to.
    pub context_id: Option<String>,
    /// The task it belongs to.
    pub task_id: Option<String>,
    /// Who wrote it.
    pub role: Role,
    /// What it says.
    pub parts: Vec<Part>,
    /// Anything else that goes along.
    pub metadata: Option<Map<String, Value>>,
    /// Extensions of the protocol that it uses.
    pub extensions: Option<Vec<String>>,
    /// Other tasks that it is about.
    pub reference_task_ids: Option<Vec<String>>,
    /// What the answer cost, in the platform's words: it bills `input_tokens` and `output_tokens`.
    pub usage: Option<Value>,
}

impl Message {
    /// A message without parts yet.
    #[must_use]
    pub fn new(message_id: impl Into<String>, role: Role) -> Self {
        Self {
            message_id: message_id.into(),
            context_id: None,
            task_id: None,
            role,
            parts: Vec::new(),
            metadata: None,
            extensions: None,
            reference_task_ids: None,
            usage: None,
        }
    }

    /// What the agent says, under a fresh id.
    ///
    /// ```
    /// use molecule_a2a::Message;
    ///
    /// assert_eq!(Message::agent("hello").text(), "hello");
    /// ```
    #[must_use]
    pub fn agent(text: impl Into<String>) -> Self {
        Self::new(Uuid::new_v4().to_string(), Role::Agent).with_part(Part::text(text))
    }

    /// What a user, or another agent, says to an agent, under a fresh id.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Uuid::new_v4().to_string(), Role::User).with_part(Part::text(text))
    }

    /// Adds a part.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Says which task it belongs to.
    #[must_use]
    pub fn with_task(mut self, task_id: impl Into<String>, context_id: impl Into<String>) -> Self {
        self.task_id = Some(task_id.into());
        self.context_id = Some(context_id.into());
        self
    }

    /// Sets one piece of metadata.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata
            .get_or_insert_default()
            .insert(key.into(), value.into());
        self
    }

    /// Says what the answer cost.
    #[must_use]
    pub fn with_usage(mut self, usage: Value) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Its text parts, one to a line.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<_> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n")
    }
}

/// A piece of a message or of an artifact.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Part {
    /// What it holds.
    pub content: PartContent,
    /// Anything else that goes along.
    pub metadata: Option<Map<String, Value>>,
    /// What a file is called, in its sender's words: no path to write to without a look.
    pub filename: Option<String>,
    /// What kind of content it is, such as `text/csv`.
    pub media_type: Option<String>,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PartContent {
    /// Text.
    Text(String),
    /// A file that goes along, as base64.
    Raw(String),
    /// A file that is elsewhere.
    Url(String),
    /// Structured data.
    Data(Value),
}

impl Part {
    /// A part of nothing but this content.
    #[must_use]
    pub const fn new(content: PartContent) -> Self {
        Self {
            content,
            metadata: None,
            filename: None,
            media_type: None,
        }
    }

    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(PartContent::Text(text.into()))
    }

    /// Structured data.
    #[must_use]
    pub const fn data(data: Value) -> Self {
        Self::new(PartContent::Data(data))
    }

    /// A file that is elsewhere.
    #[must_use]
    pub fn url(url: impl Into<String>) -> Self {
        Self::new(PartContent::Url(url.into()))
    }

    /// A file that goes along, as base64.
    #[must_use]
    pub fn raw(base64: impl Into<String>) -> Self {
        Self::new(PartContent::Raw(base64.into()))
    }

    /// Says what the file is called.
    #[must_use]
    pub fn with_filename(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(filename.into());
        self
    }

    /// Says what kind of content it is.
    #[must_use]
    pub fn with_media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// The text of a text part.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            PartContent::Text(text) => Some(text),
            _ => None,
        }
    }
}
