//! `--admin-listen`: health, readiness and metrics over TCP.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::Agents;
use super::router::public;
use crate::exit::Problem;
use crate::output::Output;

/// An address to listen on. A port alone is one of this machine's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminAddress(SocketAddr);

impl std::str::FromStr for AdminAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.strip_prefix(':').unwrap_or(text);
        let on_loopback = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let address = port.parse().map(on_loopback).or_else(|_| text.parse());
        address
            .map(Self)
            .map_err(|_| "give an address and a port, such as 127.0.0.1:9464, or a port alone")
    }
}

/// Listens until what is returned is dropped, and says where.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn listen(
    address: AdminAddress,
    agents: &Agents,
    io: &Output,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let AdminAddress(address) = address;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let address: Option<AdminAddress> = text.parse().ok();
        let expect = expect.map(|text| AdminAddress(text.parse().unwrap()));
        assert_eq!(address, expect, "{text}");
    }

    #[test]
    fn an_address_without_a_host_is_of_the_loopback() {
        check("9464", Some("127.0.0.1:9464"));
        check(":0", Some("127.0.0.1:0"));
        check("0.0.0.0:1", Some("0.0.0.0:1"));
        check("[::1]:1", Some("[::1]:1"));
        check("localhost", None);
        check("65536", None);
    }
}
