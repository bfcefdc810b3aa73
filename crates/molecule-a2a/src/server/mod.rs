//! The server.

mod answering;
mod auth;
mod body;
mod cards;
mod error;
mod inbound;
mod kept;
mod line;
mod listen;
mod options;
mod redelivery;
mod reply;
mod routes;
mod rpc;
mod serve;
mod shared;
mod stream;

use std::sync::Arc;

use axum::Router;

pub use error::ServerError;
pub use listen::A2aServer;
pub use options::{Limits, ServerOptions};
pub use serve::{ServeOptions, serve};

use self::shared::Shared;
use crate::Agent;

/// The routes of an agent, to be part of another server. Their limits on slow clients' connections are that server's own, and it stops
/// without waiting for tasks. The card's url has to be set.
pub fn router(agent: Arc<dyn Agent>, options: ServerOptions) -> Router {
    let path = options.path.clone();
    routes::routes(Shared::new(agent, options, ""), &path)
}
