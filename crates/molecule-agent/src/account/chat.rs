//! The conversation with the person at the canvas.

use std::collections::HashSet;

use molecule_protocol::Timestamp;
use molecule_protocol::endpoints::{ChatHistory, ChatPage};

use crate::{AgentError, RemoteAgentClient};

impl RemoteAgentClient {
    /// The newest messages of the conversation, or the newest before a moment.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer;
    /// [`ApiError::Unsupported`](molecule_protocol::ApiError::Unsupported) when it is of a generation without.
    pub async fn chat_history(
        &self,
        limit: Option<u32>,
        before: Option<Timestamp>,
    ) -> Result<ChatPage, AgentError> {
        let mut history = ChatHistory::new(self.workspace_id());
        if let Some(limit) = limit {
            history = history.with_limit(limit);
        }
        if let Some(time) = before {
            history = history.before(time);
        }
        self.authorized(&history).await
    }

    /// The conversation from its end to its beginning, in pages of up to `limit` messages.
    #[must_use]
    pub fn chat_history_pages(&self, limit: u32) -> ChatPages {
        ChatPages {
            client: self.clone(),
            limit,
            before: None,
            seen: HashSet::new(),
            ended: false,
        }
    }
}

/// A conversation, page by page into the past.
#[derive(Debug)]
pub struct ChatPages {
    client: RemoteAgentClient,
    limit: u32,
    before: Option<Timestamp>,
    /// What the last page held: pages overlap by a moment, because several messages can be of the same one.
    seen: HashSet<String>,
    ended: bool,
}

impl ChatPages {
    /// Only messages from before this moment.
    #[must_use]
    pub const fn before(mut self, time: Timestamp) -> Self {
        self.before = Some(time);
        self
    }

    /// The messages before those that were given, or nothing when there are none. No message is given twice.
    ///
    /// # Errors
    /// As [`RemoteAgentClient::chat_history`]. The next call tries the same page again.
    pub async fn next(&mut self) -> Result<Option<ChatPage>, AgentError> {
        while !self.ended {
            let page = self
                .client
                .chat_history(Some(self.limit), self.before)
                .await?;
            let page = self.turn(page);
            if !page.messages.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// What is new of a page, and from where to go on.
    fn turn(&mut self, mut page: ChatPage) -> ChatPage {
        let oldest = page.messages.first().map(|message| message.timestamp);
        let ids = page.messages.iter().map(|message| message.id.clone());
        let seen = std::mem::replace(&mut self.seen, ids.collect());
        page.messages.retain(|message| !seen.contains(&message.id));
        let is_earlier = |time: &Timestamp| self.before.is_none_or(|before| *time < before);
        let next = oldest.and_then(|oldest| {
            let candidates = [oldest.next_microsecond(), oldest];
            candidates.into_iter().find(is_earlier)
        });
        // A page that leads no further back is one of a platform that ignores where we are.
        self.ended = page.reached_end || next.is_none();
        self.before = next;
        page
    }
}
