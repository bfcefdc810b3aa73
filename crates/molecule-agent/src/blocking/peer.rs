//! Peers at their own address, for programs that are not async.

use molecule_a2a::{Event, Reply, SendMessage, Task};
use molecule_protocol::WorkspaceId;

use super::RemoteAgentClient;
use crate::AgentError;

/// As [`Peer`](crate::Peer). Each method waits for its end, with the errors of the other and [`AgentError::InsideRuntime`].
#[derive(Debug)]
pub struct Peer {
    pub(super) peer: crate::Peer,
    pub(super) client: RemoteAgentClient,
}

/// What happens, as a peer tells it: an iterator, which ends after the last event.
#[derive(Debug)]
pub struct PeerEvents {
    events: crate::PeerEvents,
    client: RemoteAgentClient,
}

impl Peer {
    /// Who it is.
    #[must_use]
    pub const fn workspace_id(&self) -> WorkspaceId {
        self.peer.workspace_id()
    }

    /// As [`send`](crate::Peer::send).
    ///
    /// # Errors
    /// As there.
    pub fn send(&self, message: SendMessage) -> Result<Reply, AgentError> {
        self.client.wait(self.peer.send(message))
    }

    /// As [`stream`](crate::Peer::stream).
    ///
    /// # Errors
    /// As there.
    pub fn stream(&self, message: SendMessage) -> Result<PeerEvents, AgentError> {
        self.client
            .wait(self.peer.stream(message))
            .map(|events| self.listen(events))
    }

    /// As [`task`](crate::Peer::task).
    ///
    /// # Errors
    /// As there.
    pub fn task(&self, id: &str, history_length: Option<u32>) -> Result<Task, AgentError> {
        self.client.wait(self.peer.task(id, history_length))
    }

    /// As [`cancel`](crate::Peer::cancel).
    ///
    /// # Errors
    /// As there.
    pub fn cancel(&self, id: &str) -> Result<Task, AgentError> {
        self.client.wait(self.peer.cancel(id))
    }

    /// As [`resubscribe`](crate::Peer::resubscribe).
    ///
    /// # Errors
    /// As there.
    pub fn resubscribe(&self, id: &str) -> Result<PeerEvents, AgentError> {
        self.client
            .wait(self.peer.resubscribe(id))
            .map(|events| self.listen(events))
    }

    fn listen(&self, events: crate::PeerEvents) -> PeerEvents {
        PeerEvents {
            events,
            client: self.client.clone(),
        }
    }
}

impl Iterator for PeerEvents {
    type Item = Result<Event, AgentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.client.wait(self.events.next()).transpose()
    }
}
