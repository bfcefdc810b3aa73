//! The platform over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agent;
mod client;
mod container;
mod conventions;
mod delegations;
mod events;
mod faults;
mod generation_b;
mod inbox;
mod lifecycle;
mod listener;
mod liveness;
mod operator;
mod persistence;
mod plugins;
mod proxy;
mod quirks;
mod rate_limit;
mod records;
mod registry;
mod replay;
mod stop;
mod transcripts;
mod world;
