//! Everything that is seen from outside of the crate.

mod captured;
mod client;
mod refusals;
