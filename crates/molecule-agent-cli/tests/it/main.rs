//! The binary as its users run it: real processes against a real platform over real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a test that fails"
)]

mod account;
mod admin;
mod bad_input;
mod connect;
mod delegations;
mod demo;
mod dev;
mod docs;
mod doctor;
mod failures;
mod fleet;
mod handlers;
mod killed;
mod lifecycle;
mod man;
mod messages;
mod peers;
mod plugin;
mod push;
mod secrecy;
mod secrets;
mod settings;
mod single;
mod storms;
mod stub;
mod support;
mod token;
mod tokens;
mod validate;
mod workspace;
