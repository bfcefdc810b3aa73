//! Everything that is seen from outside of the crate.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod captured;
mod client;
mod peer;
mod refusals;
#[cfg(feature = "server")]
mod server;
