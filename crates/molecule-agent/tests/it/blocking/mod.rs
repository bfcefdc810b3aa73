//! The client for programs that are not async.

mod calls;
mod methods;
