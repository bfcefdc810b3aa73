//! One agent of a fleet, before it runs.

use std::fmt;
use std::sync::Arc;

use molecule_transport::BoxFuture;

use crate::{AgentError, ClientBuilder, Connect, Handler, RemoteAgentClient};

pub(super) type Prepared = Result<Arc<dyn Handler>, AgentError>;
type Prepare = Arc<dyn Fn(RemoteAgentClient) -> BoxFuture<'static, Prepared> + Send + Sync>;

/// One agent of a [`Fleet`](crate::Fleet): a client to be, what answers its messages, and how it connects.
#[must_use]
pub struct FleetAgent {
    builder: ClientBuilder,
    prepare: Prepare,
    connect: Connect,
}

impl FleetAgent {
    /// An agent whose messages `handler` answers.
    pub fn new(builder: ClientBuilder, handler: impl Handler) -> Self {
        let handler: Arc<dyn Handler> = Arc::new(handler);
        Self::prepared_by(builder, move |_| {
            let handler = Arc::clone(&handler);
            async { Ok(handler) }
        })
    }

    /// An agent whose handler is made when it is its turn to start, for one that needs the client, or fails. After a failure
    /// that may pass it is asked again.
    pub fn prepared_by<F, Fut>(builder: ClientBuilder, prepare: F) -> Self
    where
        F: Fn(RemoteAgentClient) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Arc<dyn Handler>, AgentError>> + Send + 'static,
    {
        Self {
            builder,
            prepare: Arc::new(move |client| Box::pin(prepare(client))),
            connect: Connect::new(),
        }
    }

    /// Sets how it connects.
    pub fn with_connect(mut self, connect: Connect) -> Self {
        self.connect = connect;
        self
    }

    pub(super) const fn builder(&self) -> &ClientBuilder {
        &self.builder
    }

    /// The agent with its client built, unless that is not possible.
    pub(super) fn map_builder(
        self,
        change: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, AgentError>,
    ) -> Result<Ready, AgentError> {
        Ok(Ready {
            client: change(self.builder)?.build()?,
            prepare: self.prepare,
            connect: self.connect,
        })
    }
}

impl fmt::Debug for FleetAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetAgent")
            .field("builder", &self.builder)
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

/// An agent that can run.
pub(super) struct Ready {
    pub(super) client: RemoteAgentClient,
    pub(super) prepare: Prepare,
    pub(super) connect: Connect,
}
