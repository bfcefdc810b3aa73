//! Answers: once each, to whoever asked.

use molecule_protocol::endpoints::A2aRefusal;
use molecule_protocol::{
    ActivityId, ActivityRow, ApiError, InboundMessage, Message, Refusal, Sender,
};
use molecule_transport::{Phase, Priority, TransportError};
use uuid::Uuid;

use crate::inbound::{MAX_ROWS, PagesBack};
use crate::journal::Answer;
use crate::{AgentError, FetchInbound, RemoteAgentClient};

/// How often a server that fails is asked, where it fails for this answer alone: a peer's, or the platform with a 500.
const MAX_TRIES: u32 = 10;

/// How often a peer is sent an answer, under the same id, that it takes without a word for as long as is waited.
const ENOUGH_WITHOUT_ANSWER: u32 = 2;

/// How many pages of the log may have come since the first try.
const MAX_PAGES: u32 = 20;

/// What a message to a peer says: an answer,
const REPLY: &[u8] = b"reply";
/// or that there is none. The answer may follow, once somebody had the message handled again.
const FAILURE: &[u8] = b"failure";

impl RemoteAgentClient {
    /// Answers a message: the canvas user by a notification, a peer by a message through the platform.
    ///
    /// The id of an answer to a peer follows from what it answers, so that one sent twice is recognised.
    ///
    /// # Errors
    /// [`AgentError::UnknownSender`] when there is nobody to answer; when the platform refuses, or gives no usable answer.
    pub async fn reply(&self, message: &InboundMessage, text: &str) -> Result<(), AgentError> {
        self.reply_as(REPLY, message, text).await
    }

    async fn reply_as(
        &self,
        kind: &[u8],
        message: &InboundMessage,
        text: &str,
    ) -> Result<(), AgentError> {
        match &message.sender {
            Sender::CanvasUser => self.notify(text, &[]).await,
            Sender::Peer(peer) => {
                let asked = message
                    .message_id
                    .clone()
                    .unwrap_or_else(|| message.activity_id.to_string());
                let reply = Message::reply(reply_id(kind, message), text, &asked);
                self.send_message(*peer, reply).await.map(|_| ())
            }
            Sender::Unknown(sender) => Err(AgentError::UnknownSender(sender.clone())),
            other => Err(AgentError::UnknownSender(format!("{other:?}"))),
        }
    }
}

/// The same for each try, and another for each kind.
fn reply_id(kind: &[u8], message: &InboundMessage) -> String {
    Uuid::new_v5(message.activity_id.as_uuid(), kind).to_string()
}

/// One answer on its way.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    client: &'a RemoteAgentClient,
    message: &'a InboundMessage,
    answer: &'a mut Answer,
}

/// What a failed try means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It arrived all the same.
    Delivered,
    /// It may yet arrive.
    Retry,
    /// It never will.
    GiveUp,
}

impl<'a> Reply<'a> {
    pub(super) const fn new(
        client: &'a RemoteAgentClient,
        message: &'a InboundMessage,
        answer: &'a mut Answer,
    ) -> Self {
        Self {
            client,
            message,
            answer,
        }
    }

    /// Whether the end of the log has to be looked up before the first try: a notification has no id by which to find it later.
    pub(super) fn needs_mark(&self) -> bool {
        self.message.sender == Sender::CanvasUser && self.answer.mark.is_none()
    }

    /// Takes note of where the log ends.
    pub(super) async fn mark(&mut self) -> Result<(), AgentError> {
        self.answer.mark = Some(self.newest_row().await?);
        Ok(())
    }

    /// Sends it, unless an earlier try arrived.
    pub(super) async fn attempt(&mut self) -> Result<(), AgentError> {
        if self.is_in_the_log().await? {
            return Ok(());
        }
        let kind = if self.answer.is_failure {
            FAILURE
        } else {
            REPLY
        };
        let sent = self
            .client
            .reply_as(kind, self.message, &self.answer.text)
            .await;
        self.answer.unsure |= sent
            .as_ref()
            .is_err_and(|error| !error.surely_without_effect());
        sent
    }

    /// Whether an earlier notification arrived.
    async fn is_in_the_log(&self) -> Result<bool, AgentError> {
        let (Some(mut after), true) = (self.answer.mark, self.answer.unsure) else {
            return Ok(false);
        };
        for _ in 0..MAX_PAGES {
            let query = FetchInbound::new()
                .with_since_id(after)
                .with_limit(MAX_ROWS);
            let page = match self.client.fetch_rows(&query).await {
                Err(AgentError::Api(ApiError::Gone(_))) => return self.is_in_what_is_left().await,
                page => page?,
            };
            if self.is_in(&page.rows) {
                return Ok(true);
            }
            match page.rows.last() {
                Some(newest) if page.full => after = newest.id,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// An empty log had no row to start from, and one that was pruned since is as good as empty.
    async fn is_in_what_is_left(&self) -> Result<bool, AgentError> {
        let mut pages = PagesBack::new(self.client, &FetchInbound::new(), Priority::Message);
        while let Some(rows) = pages.next().await? {
            if self.is_in(&rows) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_in(&self, rows: &[ActivityRow]) -> bool {
        let text = Some(self.answer.text.as_str());
        rows.iter().any(|row| notified_text(row) == text)
    }

    async fn newest_row(&self) -> Result<ActivityId, AgentError> {
        let query = FetchInbound::new().with_limit(1);
        let page = self.client.fetch_rows(&query).await?;
        Ok(page.rows.last().map_or(ActivityId::NIL, |row| row.id))
    }

    /// What it means that the last of so many tries failed like this.
    pub(super) fn verdict(message: &InboundMessage, error: &AgentError, tries: u32) -> Verdict {
        let to_peer = matches!(message.sender, Sender::Peer(_));
        match error {
            // The platform goes on delivering after its caller has left. The first time it may be the network that lost it on the way.
            AgentError::Transport(TransportError::Timeout {
                phase: Phase::Head | Phase::Body | Phase::Rest,
                ..
            }) if to_peer && tries >= ENOUGH_WITHOUT_ANSWER => Verdict::Delivered,
            AgentError::Api(ApiError::A2a(
                _,
                A2aRefusal::AnswerLost {
                    delivery_confirmed: Some(true),
                },
            )) => Verdict::Delivered,
            AgentError::Api(ApiError::A2a(_, A2aRefusal::ByAgent { .. })) if tries >= MAX_TRIES => {
                Verdict::GiveUp
            }
            AgentError::Api(ApiError::Unavailable(refusal) | ApiError::A2a(refusal, _))
                if tries >= MAX_TRIES
                    && (to_peer && refusal.status.is_server_error()
                        || refusal.status == http::StatusCode::INTERNAL_SERVER_ERROR) =>
            {
                Verdict::GiveUp
            }
            AgentError::Api(ApiError::A2a(refusal, A2aRefusal::ByAgent { .. }))
                if is_about_a_token(refusal) =>
            {
                Verdict::Retry
            }
            error if error.may_pass() => Verdict::Retry,
            _ => Verdict::GiveUp,
        }
    }
}

/// The platform's words, which may be a peer's. If they are the platform's, its trouble has passed: the token is accepted since.
fn is_about_a_token(refusal: &Refusal) -> bool {
    let words = refusal.message.as_deref().unwrap_or_default();
    refusal.status == http::StatusCode::UNAUTHORIZED && words.contains("auth token")
}

fn notified_text(row: &ActivityRow) -> Option<&str> {
    (row.method == "notify").then_some(())?;
    row.response_body.as_ref()?.get("result")?.as_str()
}
