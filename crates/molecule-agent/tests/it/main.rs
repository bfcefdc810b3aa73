//! The client against the local platform, in simulated time and without sockets, and the stub runtime.

#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a test that fails"
)]

mod account;
mod agent;
#[cfg(feature = "blocking")]
mod blocking;
mod calling;
mod conversations;
#[cfg(feature = "journal")]
mod crashes;
mod delegating;
mod delegations;
mod delivery;
mod disagreements;
mod events;
mod examples;
mod faults;
mod fleet;
mod generation_a;
mod heartbeats;
mod inbound;
mod own_messages;
mod parity;
mod peer_server;
mod peer_tasks;
#[cfg(feature = "plugins")]
mod plugins;
mod proxied;
#[cfg(feature = "push")]
mod push;
mod records;
mod registration;
mod rotation;
#[cfg(feature = "journal")]
mod soak;
mod status;
mod storms;
#[cfg(feature = "push")]
mod stub;
mod surprises;
mod suspension;
mod tasks;
mod windows;
mod wire;
mod world;
