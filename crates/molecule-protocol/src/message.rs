//! Messages between agents: the A2A 0.3 shapes that the platform speaks.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::FilePart;

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who asks.
    User,
    /// The one who answers.
    Agent,
}

/// How the tag of a part is written. Both are read, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PartTag {
    /// `kind`, as A2A 0.3 and the platform have it.
    #[default]
    Kind,
    /// `type`, for a peer that knows the older spelling alone.
    Type,
    /// Both, for a peer of which nobody knows.
    Both,
}

/// One part of a message. The tag is written `kind` (see [`PartTag`]) and read as `kind` or `type`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(String),
    /// A file.
    File(FilePart),
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
            Some("file") => match part.get("file").and_then(FilePart::from_json) {
                Some(file) => Self::File(file),
                None => Self::Unknown(part.clone()),
            },
            Some("data") => field("data").map_or_else(|| Self::Unknown(part.clone()), Self::Data),
            _ => Self::Unknown(part.clone()),
        }
    }

    /// The part as it goes over the wire, tagged with `kind`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.to_json_tagged(PartTag::Kind)
    }

    /// The part as it goes over the wire. A part of unknown shape keeps the tag that it has.
    #[must_use]
    pub fn to_json_tagged(&self, tag: PartTag) -> Value {
        let (kind, content) = match self {
            Self::Text(text) => ("text", text.as_str().into()),
            Self::File(file) => ("file", file.to_json()),
            Self::Data(data) => ("data", data.clone()),
            Self::Unknown(part) => return part.clone(),
        };
        let mut part = Map::new();
        if tag != PartTag::Type {
            part.insert("kind".to_owned(), kind.into());
        }
        if tag != PartTag::Kind {
            part.insert("type".to_owned(), kind.into());
        }
        part.insert(kind.to_owned(), content);
        part.into()
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

/// As it goes over the wire, tagged with `kind`.
impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Any JSON is a part; one of unknown shape is kept as it is.
impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|part| Self::from_json(&part))
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
    /// How its parts are tagged.
    pub part_tag: PartTag,
}

impl Message {
    /// A message without parts yet.
    ///
    /// ```
    /// use molecule_protocol::{FilePart, Message, Part};
    ///
    /// let message = Message::new("m-1")
    ///     .with_part(Part::Text("what is in it?".to_owned()))
    ///     .with_part(Part::File(FilePart::from_bytes(b"1,2\n").with_name("table.csv")));
    /// assert_eq!(message.to_request()["params"]["message"]["parts"][1]["file"]["bytes"], "MSwyCg==");
    /// ```
    #[must_use]
    pub fn new(message_id: impl Into<String>) -> Self {
        Self {
            message_id: message_id.into(),
            role: Role::User,
            parts: Vec::new(),
            metadata: Map::new(),
            part_tag: PartTag::Kind,
        }
    }

    /// A text from one agent to another.
    #[must_use]
    pub fn text(message_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(message_id).with_part(Part::Text(text.into()))
    }

    /// Adds a part.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Sets how its parts are tagged. Default: `kind`.
    #[must_use]
    pub const fn with_part_tag(mut self, tag: PartTag) -> Self {
        self.part_tag = tag;
        self
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
            "parts": self.parts.iter().map(|part| part.to_json_tagged(self.part_tag)).collect::<Vec<_>>(),
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
            json!({"kind": "file", "file": {"name": "nowhere"}}),
            json!(null),
        ] {
            assert_eq!(Part::from_json(&part).to_json(), part);
        }
    }

    #[test]
    fn every_kind_of_part_survives_both_spellings() {
        let file = FilePart::from_uri("https://f.example/1").with_mime_type("text/csv");
        for part in [
            Part::Text("hi".to_owned()),
            Part::File(file),
            Part::Data(json!({"a": [1, null]})),
        ] {
            for tag in [PartTag::Kind, PartTag::Type, PartTag::Both] {
                assert_eq!(Part::from_json(&part.to_json_tagged(tag)), part, "{tag:?}");
            }
        }
    }

    #[test]
    fn the_tag_is_spelt_as_the_peer_knows_it() {
        let parts = |tag| {
            let message = Message::text("m", "hi").with_part_tag(tag);
            message.to_request()["params"]["message"]["parts"][0].clone()
        };
        assert_eq!(parts(PartTag::Kind), json!({"kind": "text", "text": "hi"}));
        assert_eq!(parts(PartTag::Type), json!({"type": "text", "text": "hi"}));
        assert_eq!(
            parts(PartTag::Both),
            json!({"kind": "text", "type": "text", "text": "hi"})
        );
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
