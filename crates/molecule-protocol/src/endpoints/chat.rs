//! `GET /workspaces/:id/chat-history`: the conversation between the person at the canvas and the agent.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Attachment;
use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::{lenient, readable};
use crate::{ApiError, Timestamp, WorkspaceId};

/// `GET /workspaces/:id/chat-history`: the newest messages, or the newest before a moment.
///
/// Only later platforms have it: others answer [`ApiError::Unsupported`].
#[derive(Debug, Clone)]
pub struct ChatHistory {
    workspace_id: WorkspaceId,
    limit: Option<u32>,
    before: Option<Timestamp>,
}

/// Who said a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ChatRole {
    /// The person at the canvas.
    User,
    /// The agent.
    Agent,
    /// The platform.
    System,
    /// Somebody that we do not know.
    Other(String),
}

impl ChatRole {
    /// The platform's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::System => "system",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for ChatRole {
    fn from(word: String) -> Self {
        [Self::User, Self::Agent, Self::System]
            .into_iter()
            .find(|role| role.as_str() == word)
            .unwrap_or(Self::Other(word))
    }
}

impl From<ChatRole> for String {
    fn from(role: ChatRole) -> Self {
        role.as_str().to_owned()
    }
}

/// A message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatMessage {
    /// Its id, which is no id of an activity row for all messages.
    pub id: String,
    /// Who said it.
    pub role: ChatRole,
    /// What was said.
    #[serde(default, deserialize_with = "lenient")]
    pub content: String,
    /// The files that went along.
    #[serde(default, deserialize_with = "attachments")]
    pub attachments: Vec<Attachment>,
    /// When it was said.
    pub timestamp: Timestamp,
}

/// A part of the conversation, in the order in which it was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatPage {
    /// The messages that could be read.
    pub messages: Vec<ChatMessage>,
    /// Whether there are no earlier ones.
    pub reached_end: bool,
    /// How many elements of the answer are no messages.
    pub unreadable: usize,
}

#[derive(Deserialize)]
struct Body {
    messages: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "lenient")]
    reached_end: bool,
}

fn attachments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Attachment>, D::Error> {
    lenient(deserializer).map(readable)
}

impl ChatHistory {
    /// The newest messages of `workspace_id`, as many as the platform gives unless asked otherwise.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            limit: None,
            before: None,
        }
    }

    /// At most this many.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only messages from before this moment.
    #[must_use]
    pub const fn before(mut self, time: Timestamp) -> Self {
        self.before = Some(time);
        self
    }
}

impl Endpoint for ChatHistory {
    type Output = ChatPage;
    const NAME: &'static str = "chat history";

    fn call(&self) -> Call {
        let query = [
            self.limit.map(|limit| ("limit", limit.to_string())),
            self.before.map(|time| ("before_ts", time.to_string())),
        ];
        let path = format!("/workspaces/{}/chat-history", self.workspace_id);
        Call::get(with_query(path, query.into_iter().flatten()))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<ChatPage, ApiError> {
        let Body {
            messages,
            reached_end,
        } = answer.json_if_known(Self::NAME)?;
        let elements = messages.unwrap_or_default();
        let count = elements.len();
        let mut messages: Vec<ChatMessage> = readable(elements);
        messages.sort_by_key(|message| message.timestamp);
        Ok(ChatPage {
            unreadable: count - messages.len(),
            messages,
            reached_end,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

    fn read(status: u16, body: &str) -> Result<ChatPage, ApiError> {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        ChatHistory::new(ID.parse().unwrap()).read(&Answer::new(status, &headers, body.as_bytes()))
    }

    #[test]
    fn a_conversation_is_read_in_the_order_in_which_it_was_said() {
        let body = r#"{"messages":[
            {"id":"b","role":"agent","content":"HI","timestamp":"2026-11-22T04:00:02Z",
             "attachments":[{"uri":"workspace:/a.txt","name":"a.txt","size":3},{"name":"no uri"}]},
            {"id":"a","role":"user","content":"hi","attachments":null,"timestamp":"2026-11-22T04:00:01Z"},
            {"id":"c","role":"ghost","timestamp":"2026-11-22T04:00:03Z"},
            {"id":"d","role":"user"}, 7],"reached_end":true}"#;
        let page = read(200, body).unwrap();
        let ids: Vec<_> = page.messages.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!((page.reached_end, page.unreadable), (true, 2));
        let expect = Attachment::new("workspace:/a.txt", "a.txt").with_size(3);
        assert_eq!(page.messages[1].attachments, [expect]);
        assert_eq!(page.messages[2].role, ChatRole::Other("ghost".to_owned()));
    }

    #[test]
    fn a_platform_without_a_history_says_so() {
        let refused = |body| read(404, body).unwrap_err();
        assert!(matches!(
            refused("404 page not found"),
            ApiError::Unsupported(_)
        ));
        assert!(matches!(refused(""), ApiError::NoSuchRoute(_)));
        let gone = r#"{"error":"workspace not found"}"#;
        assert!(matches!(refused(gone), ApiError::NotFound(_)));
        assert_eq!(
            read(200, r#"{"messages":null}"#).unwrap(),
            ChatPage::default()
        );
        assert!(read(200, "[]").is_err());
    }

    #[test]
    fn the_page_is_in_the_query() {
        let history = ChatHistory::new(ID.parse().unwrap())
            .with_limit(20)
            .before("2026-11-22T04:01:56Z".parse().unwrap());
        assert_eq!(
            history.call().path,
            format!("/workspaces/{ID}/chat-history?limit=20&before_ts=2026-11-22T04%3A01%3A56Z")
        );
    }
}
