//! The same listener for routes of the caller's own.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use molecule_transport::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use super::error::ServerError;
use super::listen::Acceptor;
use super::options::Limits;

/// What [`serve`] is told.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where time comes from. Default: the operating system.
    pub clock: Arc<dyn Clock>,
    /// How many connections there may be, and how long each may take. What a request may hold is up to the routes.
    pub limits: Limits,
    /// How long requests that are being answered may take after the stop. Default: 30 s.
    pub drain_timeout: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            limits: Limits::default(),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl ServeOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the clock that everything waits by.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how many connections there may be, and how long each may take.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long requests that are being answered may take after the stop.
    #[must_use]
    pub const fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }
}

/// Serves routes of your own the way an [`A2aServer`](crate::A2aServer) serves an agent: answers leave at once, and slow or idle clients
/// are cut off. At `stop` nothing listens any more, and what is being answered has the drain timeout to finish. When this is dropped,
/// connections break.
///
/// # Errors
/// [`ServerError::Listen`] if the runtime does not take the socket.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = listener.map_err(ServerError::Listen)?;
    let acceptor = Acceptor::new(options.clock, options.limits, router);
    let _cut = acceptor.cut_at_the_end();
    stop.run_until_cancelled(acceptor.accept(&listener)).await;
    drop(listener);
    acceptor.finish(options.drain_timeout).await;
    Ok(())
}
