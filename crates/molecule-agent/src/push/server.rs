//! The server as the delivery has it: listening from the start, answering once there is a handler, and drained at the end.

use std::fmt;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use molecule_a2a::{
    A2aError, A2aServer, Agent, Answer, ErrorCode, Incoming, ServerError, ServerOptions,
};
use molecule_protocol::Timestamp;
use molecule_protocol::endpoints::Delivery;
use molecule_transport::{
    BoxFuture, CallOptions, Clock, ForeignTransport, Timeouts, Transport as _,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::arrivals::Arrivals;
use super::card::card_of;
use super::conversion::{answer_of, message_of};
use super::{PushOptions, reported};
use crate::{AgentError, Handler, RemoteAgentClient};

/// Where an agent's card is.
const CARD: &str = "/.well-known/agent-card.json";

/// How long the agent's own port may take to answer.
const READY: Duration = Duration::from_secs(10);

/// The loop has less patience with what runs than this.
const DRAIN: Duration = Duration::from_secs(24 * 3600);

/// It ends when it is dropped, and what it works on with it.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    inbound: Arc<Inbound>,
    bound: Option<A2aServer>,
    running: Option<AbortOnDropHandle<Result<(), ServerError>>>,
    stop: CancellationToken,
}

impl Server {
    /// Listens. Says too at which address the platform is to call.
    pub(super) fn bind(
        client: &RemoteAgentClient,
        options: &PushOptions,
        arrivals: Arc<Arrivals>,
    ) -> Result<(Self, String), AgentError> {
        let inbound = Arc::new(Inbound {
            handler: OnceLock::new(),
            clock: Arc::clone(client.clock()),
            arrivals,
        });
        let agent: Arc<dyn Agent> = Arc::clone(&inbound) as _;
        let bound = A2aServer::bind(options.listen, agent, settings(client, options))?;
        let address = bound.local_addr();
        let url = reported(client, address)?;
        tracing::info!(%address, "listening for calls");
        let server = Self {
            address,
            inbound,
            bound: Some(bound),
            running: None,
            stop: CancellationToken::new(),
        };
        Ok((server, url))
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers calls from now on.
    pub(super) fn start(&mut self, handler: Arc<dyn Handler>) {
        let is_first = self.inbound.handler.set(handler).is_ok();
        if let Some(server) = self.bound.take().filter(|_| is_first) {
            let running = tokio::spawn(server.run(self.stop.clone()));
            self.running = Some(AbortOnDropHandle::new(running));
        }
    }

    /// Why it ended by itself.
    pub(super) async fn failed(&mut self) -> AgentError {
        let Some(running) = &mut self.running else {
            return pending().await;
        };
        let ended = running.await;
        self.running = None;
        match ended {
            Ok(Err(error)) => AgentError::Server(error),
            _ => AgentError::TaskFailed("server"),
        }
    }

    /// Takes no more calls, and lets those that run come to their end.
    pub(super) async fn drain(&mut self) {
        self.stop.cancel();
        if let Some(running) = &mut self.running {
            let _ = running.await;
        }
        self.running = None;
    }
}

/// Without an address of its own the card names the one where the agent listens.
fn settings(client: &RemoteAgentClient, options: &PushOptions) -> ServerOptions {
    let url = match client.delivery() {
        Delivery::Push { url } => url,
        Delivery::Poll => String::new(),
    };
    let settings = ServerOptions::new(card_of(&client.agent_card(), &url))
        .with_path(path_of(&url))
        .with_clock(Arc::clone(client.clock()))
        .with_drain_timeout(DRAIN);
    match &options.inbound_token {
        Some(token) => settings.with_inbound_token(token.expose()),
        None => settings,
    }
}

/// The path at which calls come.
fn path_of(url: &str) -> String {
    let uri = url.parse::<http::Uri>();
    uri.map_or_else(|_| String::new(), |uri| uri.path().to_owned())
}

/// What answers calls: the handler, once there is one.
struct Inbound {
    handler: OnceLock<Arc<dyn Handler>>,
    clock: Arc<dyn Clock>,
    arrivals: Arc<Arrivals>,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").finish_non_exhaustive()
    }
}

impl Agent for Inbound {
    fn answer(&self, incoming: Incoming) -> BoxFuture<'static, Result<Answer, A2aError>> {
        self.arrivals.note(&incoming.message.message_id);
        let message = message_of(incoming, Timestamp::from(self.clock.wall()));
        let outcome = self.handler.get().map(|handler| handler.handle(message));
        Box::pin(async move {
            match outcome {
                Some(outcome) => Ok(answer_of(outcome.await)),
                None => Err(A2aError::from(ErrorCode::Internal)),
            }
        })
    }
}

/// Waits until the agent's own port answers.
pub(crate) async fn answers(address: SocketAddr, clock: Arc<dyn Clock>) -> Result<(), AgentError> {
    let transport = ForeignTransport::builder()
        .with_local_addresses(true)
        .with_clock(clock)
        .build()?;
    let url = format!("http://{}{CARD}", reachable(address));
    let request = http::Request::get(url).body(Bytes::new());
    let request = request.expect("an address and a path are a URL");
    let options = CallOptions::new()
        .with_timeouts(Timeouts::both(READY))
        .with_deadline(READY);
    let answered = transport.send(options.attach(request)).await;
    let source = match answered {
        Ok(response) if response.status().is_success() => return Ok(()),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    Err(AgentError::NotAnswering { address, source })
}

/// All of a machine's addresses are no address; its loopback is one of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_below_the_path_of_the_address() {
        let check = |url: &str, expect: &str| assert_eq!(path_of(url), expect, "{url}");
        check("http://localhost:8000", "/");
        check("https://agents.example.com/one/two?x=1", "/one/two");
        check("", "");
    }

    #[test]
    fn who_listens_everywhere_listens_on_the_loopback() {
        let check = |address: &str, expect: &str| {
            let address = address.parse().unwrap();
            assert_eq!(reachable(address).to_string(), expect);
        };
        check("0.0.0.0:1", "127.0.0.1:1");
        check("[::]:1", "[::1]:1");
        check("192.0.2.1:1", "192.0.2.1:1");
    }
}
