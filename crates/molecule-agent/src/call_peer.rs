//! Messages to peers: to their own address where that is allowed, else through the platform.

use std::time::Duration;

use bytes::Bytes;
use molecule_protocol::endpoints::{A2aRefusal, A2aReply, PollState, SendMessage};
use molecule_protocol::{Answer, ApiError, DirectMessage, Message, PeerUrl, WorkspaceId};
use molecule_transport::{CallOptions, Limits, Timeouts, Transport as _};
use uuid::Uuid;

use crate::peers::is_passing;
use crate::{AgentError, ErrorKind, RemoteAgentClient};

/// The longest that connecting to a peer's own address takes.
const MAX_CONNECT: Duration = Duration::from_secs(10);

/// How a peer is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallPeer {
    /// Always through the platform. Default: only when the peer's own address is not to be had.
    pub proxy_only: bool,
    /// How long to wait for each sign of life. Default: that of the client, 30 s.
    pub timeout: Option<Duration>,
}

impl CallPeer {
    /// To the peer itself if its address is known and allowed, else through the platform.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether the peer's own address is tried first. Default: true.
    #[must_use]
    pub const fn with_prefer_direct(mut self, prefer: bool) -> Self {
        self.proxy_only = !prefer;
        self
    }

    /// Sets how long to wait for a connection and for each piece of the answer. A direct call takes twice as long at
    /// most, however busy the peer seems.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// What is sent to a peer: a text, which gets an id of its own, or a whole [`Message`], whose id lets the peer know it again. Who may have
/// to send it once more makes a [`Message::text`] with an id to remember.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerMessage(Message);

impl From<Message> for PeerMessage {
    fn from(message: Message) -> Self {
        Self(message)
    }
}

impl From<String> for PeerMessage {
    fn from(text: String) -> Self {
        Self(Message::text(Uuid::new_v4().to_string(), text))
    }
}

impl From<&str> for PeerMessage {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// To the peer's own address.
    Direct,
    /// Through the platform.
    Proxy,
}

/// What a peer answered, and how it was reached.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PeerReply {
    /// What became of the message, and the envelope as it came.
    pub reply: A2aReply,
    /// Which way the message went.
    pub route: Route,
    /// The id of the message.
    pub message_id: String,
}

impl PeerReply {
    fn new(reply: A2aReply, route: Route, message: Message) -> Self {
        Self {
            reply,
            route,
            message_id: message.message_id,
        }
    }

    /// The text of the answer, if the peer answered with text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.reply.text()
    }
}

impl RemoteAgentClient {
    /// Sends a message to a peer and waits for what it answers.
    ///
    /// It goes to the peer's own address if the platform knows one and that is on the public internet (checked after
    /// the name was looked up), or anywhere with
    /// [`allow_private_peers`](crate::ClientBuilder::allow_private_peers); otherwise through the platform. The peer
    /// learns who calls, and never sees the token. When the request surely did not reach the address, the same message,
    /// under the same id, goes through the platform; when nobody knows, it does not.
    ///
    /// ```no_run
    /// # async fn example(client: molecule_agent::RemoteAgentClient) -> Result<(), molecule_agent::AgentError> {
    /// use molecule_agent::CallPeer;
    /// use molecule_agent::protocol::endpoints::A2aOutcome;
    ///
    /// for peer in client.find_peers_with_skill("translate").await? {
    ///     let answer = client.call_peer(peer.id, "good morning, in Greek?", CallPeer::new()).await?;
    ///     match &answer.reply.outcome {
    ///         A2aOutcome::Answered(_) => println!("{}", answer.text().unwrap_or_default()),
    ///         A2aOutcome::Failed(error) => println!("{error}"),
    ///         other => println!("{other:?}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ApiError::A2a`](molecule_protocol::ApiError::A2a) tells why a message was not delivered, or with which status the agent refused it;
    /// [`AgentError::DeliveryUnknown`] when nobody knows whether the peer has it; [`AgentError::MessageTooLarge`] for
    /// more than the platform takes; when the platform refuses, or gives no usable answer.
    pub async fn call_peer(
        &self,
        target: WorkspaceId,
        message: impl Into<PeerMessage>,
        options: CallPeer,
    ) -> Result<PeerReply, AgentError> {
        let PeerMessage(message) = message.into();
        check_size(&message)?;
        let timeout = options.timeout.unwrap_or(self.settings().a2a_timeout);
        if !options.proxy_only
            && let Some(url) = self.direct_url(target).await?
        {
            match self.call_directly(target, url, &message, timeout).await {
                Err(error) if error.surely_without_effect() => {
                    tracing::info!(peer = %target, error = %error, "the peer is called through the platform instead");
                }
                result => return Ok(PeerReply::new(result?, Route::Direct, message)),
            }
        }
        let result = self.send_within(target, message.clone(), timeout).await;
        let reply = result.map_err(|error| delivery_unknown(error, target, &message))?;
        Ok(PeerReply::new(reply, Route::Proxy, message))
    }

    /// The address to try first, if there is one. When the platform cannot say, it is left to deliver the message.
    async fn direct_url(&self, target: WorkspaceId) -> Result<Option<PeerUrl>, AgentError> {
        match self.discover_peer(target).await {
            Ok(url) => {
                Ok(url.filter(|url| {
                    self.settings().foreign.allow_private || !url.is_container_only()
                }))
            }
            Err(error) if is_passing(&error) => {
                tracing::debug!(peer = %target, error = %error, "where the peer is cannot be found out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn call_directly(
        &self,
        target: WorkspaceId,
        url: PeerUrl,
        message: &Message,
        timeout: Duration,
    ) -> Result<A2aReply, AgentError> {
        let direct = DirectMessage::new(self.workspace_id(), url, message.clone());
        let result = self.post_directly(&direct, timeout).await;
        match result {
            Err(AgentError::Transport(error))
                if error.kind() == molecule_transport::ErrorKind::ForbiddenAddress =>
            {
                Err(error.into())
            }
            Err(error) => {
                self.invalidate_peer_url(target);
                Err(delivery_unknown(error, target, message))
            }
            reply => reply,
        }
    }

    async fn post_directly(
        &self,
        direct: &DirectMessage,
        timeout: Duration,
    ) -> Result<A2aReply, AgentError> {
        let options = peer_options(Timeouts::new(timeout.min(MAX_CONNECT), timeout))
            .with_deadline(timeout.saturating_mul(2));
        let transport = self.settings().foreign.transport()?;
        let request = options.attach(direct.to_request().map(Bytes::from));
        let (head, body) = transport.send(request).await?.into_parts();
        let body = body.collect().await?;
        Ok(direct.read(&Answer::new(head.status, &head.headers, &body))?)
    }

    /// Sends a message to another workspace, through the platform.
    ///
    /// # Errors
    /// [`ApiError::A2a`](molecule_protocol::ApiError::A2a) tells why it was not delivered; when the platform refuses, or gives no usable answer.
    pub async fn send_message(
        &self,
        target: WorkspaceId,
        message: Message,
    ) -> Result<A2aReply, AgentError> {
        self.send_within(target, message, self.settings().a2a_timeout)
            .await
    }

    async fn send_within(
        &self,
        target: WorkspaceId,
        message: Message,
        timeout: Duration,
    ) -> Result<A2aReply, AgentError> {
        let send = SendMessage::from_workspace(self.workspace_id(), target, message);
        let options = peer_options(Timeouts::both(timeout));
        match self.authorized_with(&send, &options).await {
            Err(AgentError::TokenRejected {
                source: ApiError::Unauthorized(refusal),
                ..
            }) if !self.is_token_refused().await => {
                let reason = A2aRefusal::ByAgent { retry_after: None };
                Err(ApiError::A2a(refusal, reason).into())
            }
            result => result,
        }
    }

    /// The proxy hands on a peer's own 401 in the peer's words, which may be those of the platform.
    async fn is_token_refused(&self) -> bool {
        let state = self.call(&PollState::new(self.workspace_id())).await;
        state.is_err_and(|error| error.kind() == ErrorKind::Authentication)
    }
}

/// What a peer answers may be nested as it likes: it is no JSON-RPC then, but the peer has the message.
fn peer_options(timeouts: Timeouts) -> CallOptions {
    CallOptions::new()
        .with_timeouts(timeouts)
        .with_limits(Limits::DEFAULT.with_json_depth(usize::MAX))
}

/// A direct call takes no more than the platform does, so that it can take over.
fn check_size(message: &Message) -> Result<(), AgentError> {
    let bytes = message.to_request().to_string().len();
    let limit = SendMessage::MAX_BYTES;
    if bytes <= limit {
        return Ok(());
    }
    Err(AgentError::MessageTooLarge { bytes, limit })
}

/// Where the connection failed in the middle, that is what counts.
fn delivery_unknown(error: AgentError, target: WorkspaceId, message: &Message) -> AgentError {
    match error {
        AgentError::Transport(source) if !source.surely_not_delivered() => {
            AgentError::DeliveryUnknown {
                target,
                message_id: message.message_id.clone(),
                source,
            }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gets_an_id_of_its_own() {
        let [one, two] = ["a", "a"].map(|text| PeerMessage::from(text).0);
        assert_ne!(one.message_id, two.message_id);
        assert_eq!(one.parts, two.parts);
    }

    #[test]
    fn the_platforms_limit_holds_for_every_way() {
        let fits = |length: usize| check_size(&Message::text("m", "x".repeat(length))).is_ok();
        assert!(fits(SendMessage::MAX_BYTES - 500) && !fits(SendMessage::MAX_BYTES));
    }
}
