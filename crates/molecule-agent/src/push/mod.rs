//! Delivery by push: an A2A server that the platform calls, and the answer goes back on the same connection.

mod arrivals;
mod card;
mod conversion;
mod joining;
mod options;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::InboundMessage;
use molecule_protocol::endpoints::Delivery;
use molecule_transport::BoxFuture;

pub use options::PushOptions;

use crate::registration::without_password;
use crate::{
    AgentError, CursorSupport, DeliveryError, Handler, InboundDelivery, Received, RemoteAgentClient,
};
use arrivals::{Arrivals, Finding, Lookout};
use server::Server;
pub(crate) use server::answers;

/// How often to look whether calls arrive.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// Takes the platform's calls, and those of any other A2A client, and answers them on the connection on which they came.
///
/// Who called is not known: the platform does not tell, so that the sender is [`Unknown`](crate::Sender::Unknown). Calls run side by side,
/// also those of one conversation; `concurrency` limits them, `attempts` does not apply.
///
/// Once a minute without a call it looks into the platform's log whether there was one that failed. That is an
/// [`AgentError::NotReached`], which shows in heartbeats and in the agent's status until a call arrives.
#[derive(Debug)]
pub struct PushDelivery {
    client: RemoteAgentClient,
    url: String,
    fallback: bool,
    server: Server,
    arrivals: Arc<Arrivals>,
    lookout: Lookout,
    /// The first look is made at once, and one that failed made again.
    has_looked: bool,
    is_lost: bool,
}

impl PushDelivery {
    /// Listens. Calls that come wait until the agent runs.
    ///
    /// The client's [`reported_url`](crate::ClientBuilder::reported_url) has to lead here. Without one, for a platform on this machine, it is
    /// `http://localhost:<port>` from now on.
    ///
    /// # Errors
    /// [`AgentError::Option`] when no address is reported, or one that is no URL; [`AgentError::Server`] when the address cannot be
    /// listened on.
    pub fn bind(client: &RemoteAgentClient, options: &PushOptions) -> Result<Self, AgentError> {
        let arrivals = Arc::<Arrivals>::default();
        let (server, url) = Server::bind(client, options, Arc::clone(&arrivals))?;
        Ok(Self {
            client: client.clone(),
            url,
            fallback: options.fallback,
            server,
            arrivals,
            lookout: Lookout::default(),
            has_looked: false,
            is_lost: false,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.server.address()
    }

    /// Waits until there is something to say about the calls.
    async fn watch(&mut self) -> Result<Received, DeliveryError> {
        loop {
            let wait = if self.has_looked {
                BETWEEN_LOOKS
            } else {
                Duration::ZERO
            };
            let rest = self.client.clock().sleep(wait);
            tokio::select! {
                biased;
                error = self.server.failed() => return Err(DeliveryError::Final(error)),
                () = rest => {}
            }
            if let Some(news) = self.look().await? {
                return Ok(news);
            }
        }
    }

    async fn look(&mut self) -> Result<Option<Received>, DeliveryError> {
        let looked = self.lookout.look(&self.client, &self.arrivals).await;
        self.has_looked = looked.is_ok();
        match looked.map_err(DeliveryError::Temporary)? {
            Finding::Lost(reason) => {
                self.is_lost = true;
                Err(self.not_reached(reason).await)
            }
            Finding::Quiet if self.is_lost => Ok(None),
            Finding::Quiet | Finding::Arriving => {
                self.is_lost = false;
                Ok(Some(Received::Nothing))
            }
        }
    }

    /// It ends the agent's run only where that can go on by polling.
    async fn not_reached(&self, reason: Option<String>) -> DeliveryError {
        // The reason may repeat the address.
        let reason = reason.filter(|_| !self.url.contains('@'));
        let url = without_password(&self.url);
        let error = AgentError::NotReached { url, reason };
        let can_poll = self.client.cursor_support();
        if self.fallback && matches!(can_poll.await, Ok(CursorSupport::Yes)) {
            return DeliveryError::Final(error);
        }
        DeliveryError::Temporary(error)
    }
}

impl InboundDelivery for PushDelivery {
    fn serve(&mut self, handler: Arc<dyn Handler>) {
        self.server.start(handler);
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.server.drain())
    }

    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        Box::pin(self.watch())
    }

    fn acknowledge<'a>(
        &'a mut self,
        _: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        Box::pin(async { Ok(()) })
    }
}

/// The address that leads to an agent which listens on `port`, if the platform is on this machine.
fn address_here(client: &RemoteAgentClient, port: u16) -> Option<String> {
    let platform = client.platform_url().to_string().parse().ok()?;
    let is_here = molecule_transport::Origin::of(&platform)
        .ok()?
        .is_loopback();
    is_here.then(|| format!("http://localhost:{port}"))
}

/// The address that is reported for an agent that listens at `address`.
fn reported(client: &RemoteAgentClient, address: SocketAddr) -> Result<String, AgentError> {
    if let Delivery::Push { url } = client.delivery() {
        return Ok(url);
    }
    let url = address_here(client, address.port()).ok_or(AgentError::Option {
        option: "the reported url",
        value: String::new(),
        reason: "the platform is not on this machine, so that it has to be told where it reaches the agent",
    })?;
    client.deliver_by(Delivery::Push { url: url.clone() });
    Ok(url)
}
