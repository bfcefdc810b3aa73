//! What there is to choose about being called.

use std::net::{Ipv4Addr, SocketAddr};

use molecule_token_store::Token;

/// Where an agent listens unless it is told otherwise. Whatever leads there from the reported address is on this machine: a reverse
/// proxy or a tunnel.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Options of a [`PushDelivery`](super::PushDelivery).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PushOptions {
    /// Where to listen. Default: `127.0.0.1:8000`.
    pub listen: SocketAddr,
    /// What callers have to carry as a bearer. Default: nothing, because the platform's calls carry none.
    pub inbound_token: Option<Token>,
    /// Whether to poll where the platform cannot call. Default: no.
    pub fallback: bool,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            inbound_token: None,
            fallback: false,
        }
    }
}

impl PushOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets where to listen. Port 0 takes a free one.
    #[must_use]
    pub const fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Sets what callers have to carry as a bearer. The platform's own calls carry none and are refused then, unless what is between
    /// adds it.
    #[must_use]
    pub fn with_inbound_token(mut self, token: Token) -> Self {
        self.inbound_token = Some(token);
        self
    }

    /// Says whether to poll, on a platform that can be polled, when it does not take the agent's address or its calls do not arrive.
    #[must_use]
    pub const fn with_fallback(mut self, fallback: bool) -> Self {
        self.fallback = fallback;
        self
    }
}
