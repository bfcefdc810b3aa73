//! Answers: once each, to whoever asked.

use molecule_protocol::endpoints::A2aRefusal;
use molecule_protocol::{ActivityId, ActivityRow, ApiError, InboundMessage, Message, Sender};
use molecule_transport::{Phase, TransportError};
use uuid::Uuid;

use crate::inbound::MAX_ROWS;
use crate::{AgentError, FetchInbound, RemoteAgentClient};

/// How often a server that fails is asked, where it fails for this answer alone: a peer's, or the platform with a 500.
const MAX_TRIES: u32 = 10;

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
            Sender::Unknown(sender) => Err(AgentError::UnknownSender(sender.clone())),
            other => Err(AgentError::UnknownSender(format!("{other:?}"))),
        }
    }
}

fn reply_id(message: &InboundMessage) -> String {
    Uuid::new_v5(message.activity_id.as_uuid(), b"reply").to_string()
}

/// One answer on its way.
pub(crate) struct Reply<'a> {
    client: &'a RemoteAgentClient,
    message: &'a InboundMessage,
    text: &'a str,
    tries: u32,
    /// An earlier try may have arrived.
    unsure: bool,
    /// The newest row of the log before the first try: a notification has no id by which to find it later.
    mark: Option<ActivityId>,
}

/// What a failed try means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It arrived all the same.
    Delivered,
    /// It may yet arrive.
    Retry,
    /// It never will.
    GiveUp,
}

impl<'a> Reply<'a> {
    pub(crate) const fn new(
        client: &'a RemoteAgentClient,
        message: &'a InboundMessage,
        text: &'a str,
    ) -> Self {
        Self {
            client,
            message,
            text,
            tries: 0,
            unsure: false,
            mark: None,
        }
    }

    pub(crate) async fn attempt(&mut self) -> Result<(), AgentError> {
        self.tries += 1;
        if self.message.sender == Sender::CanvasUser && self.is_in_the_log().await? {
            return Ok(());
        }
        let sent = self.client.reply(self.message, self.text).await;
        self.unsure |= sent
            .as_ref()
            .is_err_and(|error| !error.surely_without_effect());
        sent
    }

    /// Whether an earlier try arrived. Before the first one it only takes note of where the log ends.
    async fn is_in_the_log(&mut self) -> Result<bool, AgentError> {
        let Some(mark) = self.mark else {
            self.mark = Some(self.newest_row().await?);
            return Ok(false);
        };
        if !self.unsure {
            return Ok(false);
        }
        let rows = self.rows_after(mark).await?;
        Ok(rows.iter().any(|row| notified_text(row) == Some(self.text)))
    }

    async fn newest_row(&self) -> Result<ActivityId, AgentError> {
        let query = FetchInbound::new().with_limit(1);
        let page = self.client.fetch_rows(&query).await?;
        Ok(page.rows.last().map_or(ActivityId::NIL, |row| row.id))
    }

    /// An empty log had no row to start from, and one that was pruned since is as good as empty.
    async fn rows_after(&self, mark: ActivityId) -> Result<Vec<ActivityRow>, AgentError> {
        let after = FetchInbound::new().with_since_id(mark).with_limit(MAX_ROWS);
        match self.client.fetch_rows(&after).await {
            Err(AgentError::Api(ApiError::Gone(_))) => Ok(self
                .client
                .fetch_rows(&FetchInbound::new().with_limit(MAX_ROWS))
                .await?
                .rows),
            page => Ok(page?.rows),
        }
    }

    pub(crate) fn verdict(&self, error: &AgentError) -> Verdict {
        let to_peer = matches!(self.message.sender, Sender::Peer(_));
        match error {
            // The platform goes on delivering after its caller has left.
            AgentError::Transport(TransportError::Timeout {
                phase: Phase::Head | Phase::Body | Phase::Rest,
                ..
            }) if to_peer => Verdict::Delivered,
            AgentError::Api(ApiError::A2a(
                _,
                A2aRefusal::AnswerLost {
                    delivery_confirmed: Some(true),
                },
            )) => Verdict::Delivered,
            AgentError::Api(ApiError::A2a(_, A2aRefusal::ByAgent { .. }))
                if self.tries >= MAX_TRIES =>
            {
                Verdict::GiveUp
            }
            AgentError::Api(ApiError::Unavailable(refusal) | ApiError::A2a(refusal, _))
                if self.tries >= MAX_TRIES
                    && (to_peer && refusal.status.is_server_error()
                        || refusal.status == http::StatusCode::INTERNAL_SERVER_ERROR) =>
            {
                Verdict::GiveUp
            }
            error if error.may_pass() => Verdict::Retry,
            _ => Verdict::GiveUp,
        }
    }

    pub(crate) const fn tries(&self) -> u32 {
        self.tries
    }
}

fn notified_text(row: &ActivityRow) -> Option<&str> {
    (row.method == "notify").then_some(())?;
    row.response_body.as_ref()?.get("result")?.as_str()
}
