//! The client for programs that are not async: the same names, the same arguments, and every call waits for its end.
//!
//! It brings a runtime of its own, on one thread in the background, which ends with the last clone of the client. Calls may come from
//! several threads at once. A call from inside an async runtime would stall it, so that it is an error:
//! [`AgentError::InsideRuntime`]. That includes tokio's `spawn_blocking` and what the loops call back on their way, such as
//! [`HeartbeatLoop::with_task_supplier`](crate::HeartbeatLoop::with_task_supplier); it does not include handlers, which have
//! threads of their own.
//!
//! ```no_run
//! use molecule_agent::blocking::RemoteAgentClient;
//! use molecule_agent::{CancellationToken, Connect};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = RemoteAgentClient::new_default(
//!     "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?,
//!     "https://molecule.example.com".parse()?,
//! )?;
//! let reason = client.connect(|message| message.text.to_uppercase(), Connect::new(), &CancellationToken::new())?;
//! println!("{reason}"); // paused, removed or cancelled
//! # Ok(())
//! # }
//! ```

mod methods;
mod peer;

use std::sync::Arc;

use molecule_protocol::endpoints::ChatPage;
use molecule_protocol::{InboundMessage, PlatformUrl, Timestamp, WorkspaceId};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

pub use peer::{Peer, PeerEvents};

#[cfg(feature = "push")]
use crate::RuntimeOptions;
use crate::{
    AgentError, AgentLoop, ClientBuilder, Connect, EventNotice, HandlerOutcome, InboundDelivery,
    StopReason, blocking_handler,
};

/// A remote agent's connection to its platform. Cloning it is cheap; clones share everything.
#[derive(Debug, Clone)]
pub struct RemoteAgentClient {
    client: crate::RemoteAgentClient,
    background: Arc<Background>,
}

impl RemoteAgentClient {
    /// A client that does what this async one does.
    ///
    /// # Errors
    /// [`AgentError::Runtime`] when the system gives no thread for the runtime.
    pub fn new(client: crate::RemoteAgentClient) -> Result<Self, AgentError> {
        Ok(Self {
            client,
            background: Arc::new(Background::start()?),
        })
    }

    /// A client with default options.
    ///
    /// # Errors
    /// When there is no home directory to keep the token in, or no thread for the runtime.
    pub fn new_default(
        workspace_id: WorkspaceId,
        platform: PlatformUrl,
    ) -> Result<Self, AgentError> {
        Self::builder(workspace_id, platform).build_blocking()
    }

    /// A client with options, to be ended by [`build_blocking`](ClientBuilder::build_blocking).
    pub fn builder(workspace_id: WorkspaceId, platform: PlatformUrl) -> ClientBuilder {
        ClientBuilder::new(workspace_id, platform)
    }

    /// The async client that makes the calls.
    #[must_use]
    pub const fn as_async(&self) -> &crate::RemoteAgentClient {
        &self.client
    }

    /// As [`run_agent_loop`](crate::RemoteAgentClient::run_agent_loop); the handler is a function that may block.
    ///
    /// # Errors
    /// As there; [`AgentError::InsideRuntime`] from inside an async runtime.
    pub fn run_agent_loop<O: Into<HandlerOutcome>>(
        &self,
        handler: impl Fn(InboundMessage) -> O + Send + Sync + 'static,
        delivery: impl InboundDelivery,
        options: AgentLoop,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let handler = blocking_handler(handler);
        self.wait(
            self.client
                .run_agent_loop(handler, delivery, options, cancel),
        )
    }

    /// As [`connect`](crate::RemoteAgentClient::connect); the handler is a function that may block.
    ///
    /// # Errors
    /// As there; [`AgentError::InsideRuntime`] from inside an async runtime.
    pub fn connect<O: Into<HandlerOutcome>>(
        &self,
        handler: impl Fn(InboundMessage) -> O + Send + Sync + 'static,
        options: Connect,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let handler = blocking_handler(handler);
        self.wait(self.client.connect(handler, options, cancel))
    }

    /// As [`run_runtime`](crate::RemoteAgentClient::run_runtime); the handler is a function that may block.
    ///
    /// # Errors
    /// As there; [`AgentError::InsideRuntime`] from inside an async runtime.
    #[cfg(feature = "push")]
    pub fn run_runtime<O: Into<HandlerOutcome>>(
        &self,
        handler: impl Fn(InboundMessage) -> O + Send + Sync + 'static,
        options: RuntimeOptions,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let handler = blocking_handler(handler);
        self.wait(self.client.run_runtime(handler, options, cancel))
    }

    /// Ends the waits of the loops that run.
    pub fn wake(&self) {
        self.client.wake();
    }

    /// As [`events`](crate::RemoteAgentClient::events); they are an iterator without an end.
    #[must_use]
    pub fn events(&self) -> EventStream {
        EventStream {
            events: self.client.events(),
            client: self.clone(),
        }
    }

    /// As [`peer`](crate::RemoteAgentClient::peer).
    #[must_use]
    pub fn peer(&self, target: WorkspaceId) -> Peer {
        Peer {
            peer: self.client.peer(target),
            client: self.clone(),
        }
    }

    /// Forgets where a peer is, so that the platform is asked anew.
    pub fn invalidate_peer_url(&self, target: WorkspaceId) {
        self.client.invalidate_peer_url(target);
    }

    /// As [`chat_history_pages`](crate::RemoteAgentClient::chat_history_pages); the pages are an iterator.
    #[must_use]
    pub fn chat_history_pages(&self, limit: u32) -> ChatPages {
        ChatPages {
            pages: self.client.chat_history_pages(limit),
            client: self.clone(),
        }
    }

    fn wait<T, E: From<AgentError>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if Handle::try_current().is_ok() {
            return Err(AgentError::InsideRuntime.into());
        }
        self.background.runtime().block_on(call)
    }
}

/// A conversation, page by page into the past. An error does not end it: the next page is the same one again.
#[derive(Debug)]
pub struct ChatPages {
    pages: crate::ChatPages,
    client: RemoteAgentClient,
}

impl ChatPages {
    /// Only messages from before this moment.
    #[must_use]
    pub fn before(mut self, time: Timestamp) -> Self {
        self.pages = self.pages.before(time);
        self
    }
}

impl Iterator for ChatPages {
    type Item = Result<ChatPage, AgentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.client.wait(self.pages.next()).transpose()
    }
}

/// What happens at the agent's workspace. An error does not end it: the next call connects again.
#[derive(Debug)]
pub struct EventStream {
    events: crate::EventStream,
    client: RemoteAgentClient,
}

impl Iterator for EventStream {
    type Item = Result<EventNotice, AgentError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.client.wait(self.events.next()))
    }
}

impl ClientBuilder {
    /// The client for programs that are not async. Nothing is sent and nothing is written yet.
    ///
    /// # Errors
    /// As for [`build`](Self::build); [`AgentError::Runtime`] when the system gives no thread for the runtime.
    pub fn build_blocking(self) -> Result<RemoteAgentClient, AgentError> {
        RemoteAgentClient::new(self.build()?)
    }
}

/// A runtime that may be dropped anywhere.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Background {
    /// The calls run on their callers' threads; one more keeps connections and loops going.
    fn start() -> Result<Self, AgentError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("molecule-agent")
            .enable_all()
            .build();
        Ok(Self(Some(runtime.map_err(AgentError::Runtime)?)))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken only by the drop")
    }
}

/// A runtime that waits for its end panics when it is dropped inside of another.
impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_client_may_be_dropped_by_its_own_runtime() {
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        let builder = RemoteAgentClient::builder(id, "http://127.0.0.1:1".parse().unwrap());
        let client = builder.state_dir("nowhere").build_blocking().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (last, ready) = tokio::sync::oneshot::channel::<RemoteAgentClient>();
        client.background.runtime().spawn(async move {
            let client = ready.await.unwrap();
            let is_last = Arc::strong_count(&client.background) == 1;
            drop(client);
            sender.send(is_last).unwrap();
        });
        last.send(client).unwrap();
        assert!(receiver.recv().unwrap(), "another client lives");
    }
}
