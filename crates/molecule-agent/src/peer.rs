//! Peers that can be reached at their own address: streams, and tasks with a life of their own.

use std::sync::Arc;

use futures_util::StreamExt as _;
use molecule_a2a::{A2aClient, ClientError, Event, EventStream, Reply, SendMessage, Task, Version};
use molecule_protocol::WorkspaceId;
use tokio::sync::OnceCell;

use crate::{AgentError, RemoteAgentClient};

/// A peer at its own address, to which more can be said than one message at a time: see [`RemoteAgentClient::peer`].
///
/// Where it is and which version of A2A it speaks is found out with the first call, and kept.
#[derive(Debug)]
pub struct Peer {
    client: RemoteAgentClient,
    target: WorkspaceId,
    found: OnceCell<A2aClient>,
}

/// What happens, as a peer tells it.
#[derive(Debug)]
pub struct PeerEvents(EventStream);

impl RemoteAgentClient {
    /// A peer at its own address. Nothing is sent yet.
    ///
    /// [`call_peer`](Self::call_peer) is for those that answer a message with a message, and goes through the platform where it has to.
    /// Platforms pass on neither streams nor questions about tasks, so that this needs an address that the agent can call: one on the
    /// public internet (checked after the name was looked up), or any with
    /// [`allow_private_peers`](crate::ClientBuilder::allow_private_peers). The peer sees neither the token nor who calls.
    ///
    /// ```no_run
    /// # async fn example(client: molecule_agent::RemoteAgentClient, id: molecule_agent::WorkspaceId) -> Result<(), molecule_agent::AgentError> {
    /// use molecule_agent::a2a::{Event, Message, SendMessage};
    ///
    /// let peer = client.peer(id);
    /// let mut events = peer.stream(SendMessage::new(Message::user("draw a map"))).await?;
    /// while let Some(event) = events.next().await? {
    ///     if let Event::Status(update) = event {
    ///         println!("{:?}", update.status.state);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn peer(&self, target: WorkspaceId) -> Peer {
        Peer {
            client: self.clone(),
            target,
            found: OnceCell::new(),
        }
    }
}

impl Peer {
    /// Who it is.
    #[must_use]
    pub const fn workspace_id(&self) -> WorkspaceId {
        self.target
    }

    /// Sends a message. Unless its options say so, it is up to the peer whether it answers before a task is over.
    ///
    /// # Errors
    /// [`AgentError::NotDirect`] when the peer has no address of its own; [`AgentError::Peer`] when it refuses, gives no usable answer,
    /// or its address is one that is not called; as for [`discover_peer`](RemoteAgentClient::discover_peer).
    pub async fn send(&self, message: SendMessage) -> Result<Reply, AgentError> {
        let client = self.client().await?;
        self.told(client.send(message).await)
    }

    /// Sends a message, and listens to what comes of it.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn stream(&self, message: SendMessage) -> Result<PeerEvents, AgentError> {
        let client = self.client().await?;
        self.told(client.stream(message).await).map(PeerEvents)
    }

    /// Asks how far a task is, with so many of its newest messages, or all.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn task(&self, id: &str, history_length: Option<u32>) -> Result<Task, AgentError> {
        let client = self.client().await?;
        self.told(client.task(id, history_length).await)
    }

    /// Stops a task.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the peer refuses if the task is over.
    pub async fn cancel(&self, id: &str) -> Result<Task, AgentError> {
        let client = self.client().await?;
        self.told(client.cancel(id).await)
    }

    /// Listens to a task again, for instance after the stream of its events broke.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the peer refuses if the task is over.
    pub async fn resubscribe(&self, id: &str) -> Result<PeerEvents, AgentError> {
        let client = self.client().await?;
        self.told(client.resubscribe(id).await).map(PeerEvents)
    }

    async fn client(&self) -> Result<&A2aClient, AgentError> {
        self.found.get_or_try_init(|| self.find()).await
    }

    /// Its card says which versions it speaks and where. One without a card may be older than cards.
    async fn find(&self) -> Result<A2aClient, AgentError> {
        let url = self.client.discover_peer(self.target).await?;
        let allow_private = self.client.settings().foreign.allow_private;
        let url = url.filter(|url| allow_private || !url.is_container_only());
        let url = url.ok_or(AgentError::NotDirect(self.target))?;
        let uri: http::Uri = url.to_string().parse().expect("a checked URL is a URI");
        let transport = self.client.settings().foreign.transport()?;
        let transport = Arc::clone(transport);
        match A2aClient::discover(Arc::clone(&transport), &uri).await {
            Err(ClientError::Status { .. } | ClientError::Unreadable { .. }) => {
                Ok(A2aClient::new(transport, uri, Version::V0_3))
            }
            found => self.told(found),
        }
    }

    /// Where the peer is has to be asked again if nobody is there.
    fn told<T>(&self, result: Result<T, ClientError>) -> Result<T, AgentError> {
        result.map_err(|error| {
            if error.surely_not_delivered() {
                self.client.invalidate_peer_url(self.target);
            }
            AgentError::Peer(error)
        })
    }
}

impl PeerEvents {
    /// The next event; `None` after the last one.
    ///
    /// # Errors
    /// [`AgentError::Peer`] when the stream breaks, or what comes cannot be read.
    pub async fn next(&mut self) -> Result<Option<Event>, AgentError> {
        Ok(self.0.next().await.transpose()?)
    }
}
