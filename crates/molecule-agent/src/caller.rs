//! Endpoints over a transport.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::response::Parts;
use molecule_protocol::endpoints::{Heartbeat, ListActivity, PollState, Register};
use molecule_protocol::{Answer, Auth, Call, Endpoint, PlatformUrl};
use molecule_transport::{Body, CallOptions, Priority, Transport};

use crate::AgentError;
use crate::tokens::Tokens;

/// Makes the calls that endpoints describe.
#[derive(Clone)]
pub(crate) struct Caller {
    platform: PlatformUrl,
    transport: Arc<dyn Transport>,
    tokens: Tokens,
    deadline: Option<Duration>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl Caller {
    pub(crate) fn new(
        platform: PlatformUrl,
        transport: Arc<dyn Transport>,
        tokens: Tokens,
        deadline: Option<Duration>,
    ) -> Self {
        Self {
            platform,
            transport,
            tokens,
            deadline,
        }
    }

    pub(crate) const fn platform(&self) -> &PlatformUrl {
        &self.platform
    }

    pub(crate) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) async fn call<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
    ) -> Result<E::Output, AgentError> {
        self.call_with(endpoint, &usual_options::<E>()).await
    }

    /// Makes the call with these timeouts and limits.
    pub(crate) async fn call_with<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        options: &CallOptions,
    ) -> Result<E::Output, AgentError> {
        self.read(endpoint, &endpoint.call(), options).await
    }

    /// Makes the call, and tries no second time although it could be repeated.
    pub(crate) async fn call_once<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
    ) -> Result<E::Output, AgentError> {
        let mut call = endpoint.call();
        call.repeatable = false;
        self.read(endpoint, &call, &usual_options::<E>()).await
    }

    async fn read<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        call: &Call,
        options: &CallOptions,
    ) -> Result<E::Output, AgentError> {
        let (head, body) = self.open(call, options).await?;
        let body = body.collect().await?;
        Ok(endpoint.read(&Answer::new(head.status, &head.headers, &body))?)
    }

    /// Makes the call, and hands on the body of a good answer as it comes.
    #[cfg(feature = "plugins")]
    pub(crate) async fn stream<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        options: &CallOptions,
    ) -> Result<(E::Output, Body), AgentError> {
        let options = options.clone().with_streamed(true);
        let (head, mut body) = self.open(&endpoint.call(), &options).await?;
        let words = if head.status.is_success() {
            Vec::new()
        } else {
            beginning(&mut body).await
        };
        let output = endpoint.read(&Answer::new(head.status, &head.headers, &words))?;
        Ok((output, body))
    }

    /// Sends the call. A token that turns out to be out of date is read again, and the call sent once more.
    pub(crate) async fn open(
        &self,
        call: &Call,
        options: &CallOptions,
    ) -> Result<(Parts, Body), AgentError> {
        if call.auth == Auth::Open {
            return self.send(call, options).await;
        }
        let known = self.tokens.generation().await?;
        let (head, mut body) = self.send(call, options).await?;
        if head.status != StatusCode::UNAUTHORIZED || self.tokens.generation().await? == known {
            return Ok((head, body));
        }
        let words = beginning(&mut body).await;
        if call.repeatable || is_about_the_token(&words) {
            return self.send(call, options).await;
        }
        Ok((head, Bytes::from(words).into()))
    }

    async fn send(&self, call: &Call, options: &CallOptions) -> Result<(Parts, Body), AgentError> {
        let mut options = options
            .clone()
            .with_repeatable(call.repeatable)
            .with_authorize(call.auth != Auth::Open);
        // What has no end cannot be late.
        options.deadline = self.deadline.filter(|_| !options.endless);
        let request = options.attach(call.to_request(&self.platform).map(Bytes::from));
        Ok(self.transport.send(request).await?.into_parts())
    }
}

/// When the rate limit is shared, a call goes in turn: what keeps the agent alive first, routine last.
fn usual_options<E: Endpoint>() -> CallOptions {
    let priority = match E::NAME {
        Register::NAME | Heartbeat::NAME => Priority::Heartbeat,
        ListActivity::NAME => Priority::Poll,
        PollState::NAME => Priority::State,
        _ => Priority::Message,
    };
    CallOptions::new().with_priority(priority)
}

/// Whether it is the platform that refuses: its proxy hands on a peer's own 401, and then the peer has had the message.
fn is_about_the_token(words: &[u8]) -> bool {
    String::from_utf8_lossy(words).contains("auth token")
}

/// What a refusal says. It is kept although the rest of it is too long, or does not come.
pub(crate) async fn beginning(body: &mut Body) -> Vec<u8> {
    const ENOUGH: usize = 64 << 10;
    let mut words = Vec::new();
    while words.len() < ENOUGH
        && let Ok(Some(data)) = body.chunk().await
    {
        words.extend_from_slice(&data);
    }
    words
}
