//! Endpoints over a transport.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use molecule_protocol::{Answer, ApiError, Auth, Call, Endpoint, PlatformUrl};
use molecule_transport::{CallOptions, Transport};

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
        self.call_with(endpoint, &CallOptions::new()).await
    }

    /// Makes the call with these timeouts and limits. A token that turns out to be out of date is read again, and the
    /// call made once more.
    pub(crate) async fn call_with<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        options: &CallOptions,
    ) -> Result<E::Output, AgentError> {
        let call = endpoint.call();
        if call.auth == Auth::Open {
            return self.call_once(endpoint, &call, options).await;
        }
        let known = self.tokens.generation().await?;
        match self.call_once(endpoint, &call, options).await {
            Err(AgentError::Api(ApiError::Unauthorized(_)))
                if self.tokens.generation().await? != known =>
            {
                self.call_once(endpoint, &call, options).await
            }
            result => result,
        }
    }

    async fn call_once<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        call: &Call,
        options: &CallOptions,
    ) -> Result<E::Output, AgentError> {
        let mut options = options
            .clone()
            .with_repeatable(call.repeatable)
            .with_authorize(call.auth != Auth::Open);
        options.deadline = self.deadline;
        let request = options.attach(call.to_request(&self.platform).map(Bytes::from));
        let (head, body) = self.transport.send(request).await?.into_parts();
        let body = body.collect().await?;
        Ok(endpoint.read(&Answer::new(head.status, &head.headers, &body))?)
    }
}
