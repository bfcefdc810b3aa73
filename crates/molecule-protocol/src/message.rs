//! Messages between agents: the A2A 0.3 shapes that the platform speaks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who asks.
    User,
    /// The one who answers.
    Agent,
}

/// One part of a message. The tag is written `kind` and read as `kind` or `type`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(String),
    /// A file, as the platform describes it.
    File(Value),
    /// Structured data.
    Data(Value),
    /// A part with a tag that this version does not know, whole.
    Unknown(Value),
}

impl Part {
    /// Reads a part; one of unknown shape is kept as it is.
    #[must_use]
    pub fn from_json(part: &Value) -> Self {
        let tag = part
            .get("kind")
            .or_else(|| part.get("type"))
            .and_then(Value::as_str);
        let field = |name: &str| part.get(name).cloned();
        match tag {
            Some("text") => match part.get("text").and_then(Value::as_str) {
                Some(text) => Self::Text(text.to_owned()),
                None => Self::Unknown(part.clone()),
            },
            Some("file") => field("file").map_or_else(|| Self::Unknown(part.clone()), Self::File),
            Some("data") => field("data").map_or_else(|| Self::Unknown(part.clone()), Self::Data),
            _ => Self::Unknown(part.clone()),
        }
    }

    /// The part as it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!({"kind": "text", "text": text}),
            Self::File(file) => json!({"kind": "file", "file": file}),
            Self::Data(data) => json!({"kind": "data", "data": data}),
            Self::Unknown(part) => part.clone(),
        }
    }

    /// The text of a text part.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A message to send to an agent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Its id; the same id means the same message, however often it arrives.
    pub message_id: String,
    /// Who wrote it.
    pub role: Role,
    /// What it says.
    pub parts: Vec<Part>,
    /// Anything else that goes along.
    pub metadata: Map<String, Value>,
}

impl Message {
    /// A text from one agent to another.
    #[must_use]
    pub fn text(message_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            message_id: message_id.into(),
            role: Role::User,
            parts: vec![Part::Text(text.into())],
            metadata: Map::new(),
        }
    }

    /// The answer to `in_reply_to`. Its role tells the receiver not to answer it in turn.
    #[must_use]
    pub fn reply(
        message_id: impl Into<String>,
        text: impl Into<String>,
        in_reply_to: &str,
    ) -> Self {
        let mut message = Self::text(message_id, text);
        message.role = Role::Agent;
        message
            .metadata
            .insert("in_reply_to".to_owned(), in_reply_to.into());
        message
    }

    /// The JSON-RPC request `message/send` that carries it; its id is the message's id.
    #[must_use]
    pub fn to_request(&self) -> Value {
        let mut message = json!({
            "role": self.role,
            "messageId": self.message_id,
            "parts": self.parts.iter().map(Part::to_json).collect::<Vec<_>>(),
        });
        if !self.metadata.is_empty() {
            message["metadata"] = self.metadata.clone().into();
        }
        json!({"jsonrpc": "2.0", "id": self.message_id, "method": "message/send", "params": {"message": message}})
    }
}

/// The text parts, one after the other, each on a line of its own.
pub(crate) fn joined_text(parts: &[Part]) -> String {
    parts
        .iter()
        .filter_map(Part::text)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_tag_are_read() {
        for part in [
            json!({"kind": "text", "text": "hi"}),
            json!({"type": "text", "text": "hi"}),
        ] {
            assert_eq!(Part::from_json(&part), Part::Text("hi".to_owned()));
        }
    }

    #[test]
    fn parts_of_unknown_shape_are_kept() {
        for part in [
            json!({"kind": "hologram"}),
            json!(7),
            json!({"kind": "text"}),
            json!(null),
        ] {
            assert_eq!(Part::from_json(&part).to_json(), part);
        }
    }

    #[test]
    fn a_message_becomes_a_json_rpc_request() {
        let request = Message::reply("m-2", "hello", "m-1").to_request();
        assert_eq!(
            request,
            json!({"jsonrpc": "2.0", "id": "m-2", "method": "message/send", "params": {"message": {
                "role": "agent", "messageId": "m-2", "parts": [{"kind": "text", "text": "hello"}],
                "metadata": {"in_reply_to": "m-1"}}}})
        );
    }
}
