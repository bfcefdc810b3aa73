//! An agent over its router and over real sockets.

mod access;
mod cards;
mod echo;
mod inbound;
mod life;
mod messages;
mod push;
mod redelivery;
mod serving;
mod sockets;
mod store;
mod streams;
mod tasks;
mod world;
