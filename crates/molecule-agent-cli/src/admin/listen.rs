//! `--admin-listen`: health, readiness and metrics over TCP.

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::Agents;
use super::router::public;
use crate::exit::Problem;
use crate::listen_address::ListenAddress;
use crate::output::Output;

/// Listens until what is returned is dropped, and says where.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn listen(
    address: ListenAddress,
    agents: &Agents,
    io: &Output,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let ListenAddress(address) = address;
    let listener = TcpListener::bind(address).await.with_context(|| {
        Problem::usage(format!(
            "cannot listen on {address}; --admin-listen 127.0.0.1:0 takes a free port"
        ))
    })?;
    let bound = listener.local_addr()?;
    if !bound.ip().is_loopback() {
        tracing::warn!(address = %bound, "whoever reaches this address can read the agent's health and metrics");
    }
    io.note(&format!(
        "admin: http://{bound} (/healthz, /readyz, /metrics)"
    ));
    let router = public(agents.clone());
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the admin address answers no more");
        }
    })))
}
