//! The stub runtime: the smallest program that the platform takes for a workspace's container.
//!
//! It has no model and runs no code. It registers, keeps its heart beating, and answers every
//! message with `STUB OK`, so that provisioning, token rotation and restarts of a platform can be
//! tried without a real agent.
//!
//! ```no_run
//! use molecule_agent::stub::{StubConfig, StubRuntime};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?;
//! let config = StubConfig::new(id, "http://platform:8080".parse()?);
//! let stub = StubRuntime::bind(config, |line| println!("{line}"))?;
//! stub.run(CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Where it differs from the original: a refused token never holds up the heartbeat, JSON has no
//! spaces, a body that is JSON but no object is answered too, and no token is logged. It listens
//! on all interfaces, because the platform reaches it through the container's network, and sends
//! its token over plain http, because that is what the platform speaks there.

mod answer;
mod config;
mod error;
mod lifecycle;
mod log;
mod platform;
mod redact;
mod server;
mod token;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::ServeOptions;
use molecule_protocol::WorkspaceId;
use molecule_transport::{Clock, ReqwestTransport, Transport};
use tokio_util::sync::CancellationToken;

pub use config::StubConfig;
pub use error::StubError;

use log::Log;
use platform::Platform;

/// How long requests that are being answered may take to finish after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// A stub runtime that listens already; [`run`](Self::run) makes it answer.
#[must_use = "it answers nobody until it runs"]
pub struct StubRuntime {
    id: WorkspaceId,
    listener: TcpListener,
    address: SocketAddr,
    platform: Platform,
    clock: Arc<dyn Clock>,
}

impl StubRuntime {
    /// Starts to listen, so that the platform can reach the stub the moment it registers. Each
    /// line of the log goes to `log`, with its prefix and without a line break.
    ///
    /// # Errors
    ///
    /// [`StubError`] if the address cannot be listened on, or if HTTP over the network cannot be
    /// set up.
    pub fn bind(
        config: StubConfig,
        log: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, StubError> {
        let log = Log::new(config.workspace_id, log);
        let StubConfig {
            platform_url,
            register_url,
            hostname,
            ..
        } = &config;
        log.line(format_args!(
            "booting: platform={platform_url} self_url={register_url} hostname={hostname}"
        ));
        let (listener, address) = listen(config.listen)?;
        log.line(format_args!("listening on :{}", address.port()));
        let transport = transport(&config)?;
        let platform = Platform::new(&config, &transport, log);
        Ok(Self {
            id: config.workspace_id,
            listener,
            address,
            platform,
            clock: config.clock,
        })
    }

    /// Where it listens; with the port that was taken if it was asked for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Registers, beats and answers until `cancel`. Then it stops at once, but for answers that
    /// are under way, which get 5 s.
    ///
    /// # Errors
    ///
    /// [`StubError::Server`] if the listener fails. What goes wrong between the stub and the
    /// platform is only logged.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), StubError> {
        let Self {
            id,
            listener,
            platform,
            clock,
            ..
        } = self;
        let cancel = cancel.child_token();
        let living = cancel.run_until_cancelled(lifecycle::live(platform, clock.clone()));
        let serving = async {
            let _stop_living = cancel.clone().drop_guard();
            let options = ServeOptions::new()
                .with_clock(clock)
                .with_drain_timeout(GRACE);
            let routes = server::routes(&id.to_string());
            molecule_a2a::serve(listener, routes, options, cancel.clone()).await
        };
        let (_, served) = tokio::join!(living, serving);
        Ok(served?)
    }
}

impl fmt::Debug for StubRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StubRuntime")
            .field("id", &self.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StubError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr().map(|taken| (listener, taken)))
        .map_err(|source| StubError::Listen { address, source })
}

fn transport(config: &StubConfig) -> Result<Arc<dyn Transport>, StubError> {
    if let Some(transport) = &config.transport {
        return Ok(transport.clone());
    }
    let http = ReqwestTransport::builder()
        .with_clock(config.clock.clone())
        .build();
    Ok(Arc::new(
        http.map_err(|source| StubError::Transport { source })?,
    ))
}
