//! Why there is no server.

use std::io;
use std::net::SocketAddr;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; is another program listening there?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The runtime does not take the socket.
    #[error("cannot take connections; does the runtime have its I/O enabled?")]
    Listen(#[source] io::Error),
}
