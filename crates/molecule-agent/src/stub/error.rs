//! What keeps the stub runtime from running.

use std::net::SocketAddr;

use molecule_a2a::ServerError;
use molecule_transport::TransportError;

/// Why the stub runtime could not start, or answers nobody any more. Anything else it only logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StubError {
    /// The address to listen on is taken, or not ours.
    #[error("cannot listen on {address}; is another runtime using it? choose another port")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no way to make calls to the platform.
    #[error("cannot set up the connection to the platform")]
    Transport {
        /// What is missing.
        #[source]
        source: TransportError,
    },
    /// Nothing can be answered.
    #[error("the stub runtime cannot answer")]
    Server {
        /// Why.
        #[from]
        source: ServerError,
    },
}
