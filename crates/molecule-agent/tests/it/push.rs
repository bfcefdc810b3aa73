//! Agents that are called: over real sockets, through a platform and directly, in a time that the tests move.

mod answering;
mod ending;
mod falling_back;
mod joining;
mod runtime;
mod scene;
