//! Who the agent may talk to, and where they are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use molecule_peers::PeerCache;
use molecule_protocol::endpoints::{DiscoverPeer, Discovery, ListPeers, PeerInfo};
use molecule_protocol::{PeerUrl, WorkspaceId};
use molecule_transport::{CallOptions, Limits};

use crate::{AgentError, ErrorKind, RemoteAgentClient};

/// What the agent remembers of its peers.
#[derive(Debug)]
pub(crate) struct Peers {
    cache: Mutex<PeerCache>,
}

impl Peers {
    pub(crate) const fn new(cache: PeerCache) -> Self {
        Self {
            cache: Mutex::new(cache),
        }
    }

    fn cache(&self) -> MutexGuard<'_, PeerCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RemoteAgentClient {
    /// The workspaces that this agent may talk to: siblings, children and the parent. Where they are is remembered
    /// for [`discover_peer`](Self::discover_peer).
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn get_peers(&self) -> Result<Vec<PeerInfo>, AgentError> {
        let list = ListPeers::new(self.workspace_id());
        let peers = self.authorized_with(&list, &peer_options()).await?;
        let urls = peers
            .iter()
            .filter_map(|peer| Some((peer.id, peer.url.as_deref()?)));
        self.settings().peers.cache().seed(urls, self.clock().now());
        Ok(peers)
    }

    /// The peers whose name or role contains `text`; case does not matter.
    ///
    /// They are picked here, because the search of a platform of the first generation fails as soon as one peer has
    /// no role.
    ///
    /// # Errors
    /// As [`get_peers`](Self::get_peers).
    pub async fn search_peers(&self, text: &str) -> Result<Vec<PeerInfo>, AgentError> {
        self.peers_where(|peer| peer.mentions(text)).await
    }

    /// The peers whose agent card names this skill, by its id, its name or a tag.
    ///
    /// # Errors
    /// As [`get_peers`](Self::get_peers).
    pub async fn find_peers_with_skill(&self, skill: &str) -> Result<Vec<PeerInfo>, AgentError> {
        self.peers_where(|peer| peer.has_skill(skill)).await
    }

    /// The peers whose agent card claims this capability, such as `streaming`.
    ///
    /// # Errors
    /// As [`get_peers`](Self::get_peers).
    pub async fn find_peers_with_capability(
        &self,
        capability: &str,
    ) -> Result<Vec<PeerInfo>, AgentError> {
        self.peers_where(|peer| peer.has_capability(capability))
            .await
    }

    async fn peers_where(
        &self,
        wanted: impl Fn(&PeerInfo) -> bool,
    ) -> Result<Vec<PeerInfo>, AgentError> {
        let mut peers = self.get_peers().await?;
        peers.retain(wanted);
        Ok(peers)
    }

    /// Where a peer takes messages, as far as the platform knows; remembered for 300 s
    /// ([`url_cache_ttl`](crate::ClientBuilder::url_cache_ttl)). `None` when it has no address now, or none of http(s).
    ///
    /// The address may be one that only containers know ([`PeerUrl::is_container_only`]), or a private one: it is
    /// foreign input, and [`call_peer`](Self::call_peer) looks at it before it calls it.
    ///
    /// # Errors
    /// `Forbidden` when the hierarchy keeps the two apart, or there is no such workspace; when the platform refuses, or
    /// gives no usable answer.
    pub async fn discover_peer(&self, target: WorkspaceId) -> Result<Option<PeerUrl>, AgentError> {
        let now = self.clock().now();
        if let Some(url) = self.settings().peers.cache().get(&target, now) {
            return Ok(Some(url.clone()));
        }
        let found = self.look_up_peer(target).await?.peer_url();
        if let Some(url) = &found {
            let now = self.clock().now();
            self.settings()
                .peers
                .cache()
                .insert(target, url.clone(), now);
        }
        Ok(found)
    }

    /// Asks the platform where a peer is, and why it is nowhere. Neither looks at what is remembered nor adds to it.
    ///
    /// # Errors
    /// As [`discover_peer`](Self::discover_peer).
    pub async fn look_up_peer(&self, target: WorkspaceId) -> Result<Discovery, AgentError> {
        let discover = DiscoverPeer::new(self.workspace_id(), target);
        match self.authorized_once(&discover).await {
            Err(error) if is_passing(&error) => self.authorized(&discover).await,
            // That a peer has no address is a 503 too, which it would be in vain to repeat.
            result => result,
        }
    }

    /// Forgets where a peer is, so that the platform is asked again.
    pub fn invalidate_peer_url(&self, target: WorkspaceId) {
        self.settings().peers.cache().invalidate(&target);
    }
}

/// Whether the platform may know more in a moment.
pub(crate) fn is_passing(error: &AgentError) -> bool {
    matches!(error.kind(), ErrorKind::Temporary | ErrorKind::Unreachable)
}

/// A card may be nested as deep as its owner likes, which must not hide the other peers.
fn peer_options() -> CallOptions {
    CallOptions::new().with_limits(Limits::DEFAULT.with_json_depth(usize::MAX))
}
