//! The transport seen from outside: over real sockets, and in simulated time.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod authorization;
mod bounds;
mod budget;
mod calls;
mod deadline;
mod decisions;
mod layers;
mod pacing;
mod retrying;
mod tenant;

#[cfg(feature = "reqwest")]
mod downloads;
#[cfg(feature = "reqwest")]
mod environment;
#[cfg(feature = "reqwest")]
mod foreign;
#[cfg(feature = "reqwest")]
mod hostile;
#[cfg(feature = "reqwest")]
mod redirects;
#[cfg(feature = "reqwest")]
mod server;
#[cfg(feature = "reqwest")]
mod sockets;
#[cfg(feature = "reqwest")]
mod tls;
