//! Answers: once each, to whoever asked.

use std::collections::VecDeque;

use molecule_protocol::endpoints::{ActivitySource, ListActivity};
use molecule_protocol::{ActivityRow, InboundMessage, Message, Sender, Timestamp};
use uuid::Uuid;

use crate::{AgentError, RemoteAgentClient};

/// How many own notifications are remembered, to tell a lost answer from a lost acknowledgement.
const REMEMBERED: usize = 200;
/// The most rows that the platform gives at once.
const WINDOW: u32 = 500;

impl RemoteAgentClient {
    /// Answers a message: the canvas user by a notification, a peer by a message through the platform.
    ///
    /// The id of an answer to a peer follows from what it answers, so that one sent twice is recognised.
    ///
    /// # Errors
    /// [`AgentError::UnknownSender`] when there is nobody to answer; when the platform refuses, or gives no usable answer.
    pub async fn reply(&self, message: &InboundMessage, text: &str) -> Result<(), AgentError> {
        match &message.sender {
            Sender::CanvasUser => self.notify(text, &[]).await,
            Sender::Peer(peer) => {
                let asked = message
                    .message_id
                    .clone()
                    .unwrap_or_else(|| message.activity_id.to_string());
                let reply = Message::reply(reply_id(message), text, &asked);
                self.send_message(*peer, reply).await.map(|_| ())
            }
            other => Err(AgentError::UnknownSender(format!("{other:?}"))),
        }
    }
}

fn reply_id(message: &InboundMessage) -> String {
    Uuid::new_v5(message.activity_id.as_uuid(), b"reply").to_string()
}

/// Sends answers and remembers them, because a notification has no id by which the platform could recognise it.
#[derive(Debug)]
pub(crate) struct Replies {
    client: RemoteAgentClient,
    notified: VecDeque<Notified>,
}

/// A notification that the platform took.
#[derive(Debug)]
struct Notified {
    text: String,
    /// When the message that it answers was written; the notification is younger.
    after: Timestamp,
}

impl Replies {
    pub(crate) const fn new(client: RemoteAgentClient) -> Self {
        Self {
            client,
            notified: VecDeque::new(),
        }
    }

    /// One try. `unsure` says that an earlier one may have arrived.
    pub(crate) async fn send(
        &mut self,
        message: &InboundMessage,
        text: &str,
        unsure: bool,
    ) -> Result<(), AgentError> {
        let to_canvas = message.sender == Sender::CanvasUser;
        if !(to_canvas && unsure && self.is_in_the_log(message, text).await?) {
            self.client.reply(message, text).await?;
        }
        if to_canvas {
            self.remember(message, text);
        }
        Ok(())
    }

    fn remember(&mut self, message: &InboundMessage, text: &str) {
        if self.notified.len() == REMEMBERED {
            self.notified.pop_front();
        }
        self.notified.push_back(Notified {
            text: text.to_owned(),
            after: message.created_at,
        });
    }

    /// Whether the log has one more notification of this text than the earlier ones account for.
    async fn is_in_the_log(
        &self,
        message: &InboundMessage,
        text: &str,
    ) -> Result<bool, AgentError> {
        let earlier: Vec<_> = self
            .notified
            .iter()
            .filter(|notified| notified.text == text)
            .collect();
        let since = earlier
            .iter()
            .map(|n| n.after)
            .chain([message.created_at])
            .min()
            .unwrap_or(message.created_at);
        let list = ListActivity::inbound(self.client.workspace_id())
            .with_source(ActivitySource::Canvas)
            .with_limit(WINDOW);
        let page = self.client.fetch_rows(&list).await?;
        let logged = page
            .rows
            .iter()
            .filter(|row| row.created_at > since && notified_text(row) == Some(text))
            .count();
        Ok(logged > earlier.len())
    }
}

fn notified_text(row: &ActivityRow) -> Option<&str> {
    (row.method == "notify").then_some(())?;
    row.response_body.as_ref()?.get("result")?.as_str()
}
