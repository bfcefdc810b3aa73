//! A platform that listens.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::EmulatorConfig;
use crate::error::EmulatorError;
use crate::platform::Platform;
use crate::server;

/// A local platform that serves HTTP until it is stopped or dropped.
///
/// Dropping it closes all connections at once, as a crash would; the state lives on in its [`Platform`].
#[derive(Debug)]
#[must_use = "the platform stops when this is dropped"]
pub struct Emulator {
    platform: Platform,
    address: SocketAddr,
    cancel: CancellationToken,
    server: Option<JoinHandle<()>>,
    chores: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Starts a platform.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, the state file cannot be loaded, or the directory of plugins is not there.
    pub async fn start(config: EmulatorConfig) -> Result<Self, EmulatorError> {
        let listen = config.listen;
        Self::start_on(Platform::new(config)?, listen).await
    }

    /// Serves a platform that exists already, for example one whose server was stopped before. One server at a time: the
    /// end of any of them suspends the liveness sweeps.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn start_on(platform: Platform, listen: SocketAddr) -> Result<Self, EmulatorError> {
        let failed = |source| EmulatorError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        platform.resume_sweeps();
        let cancel = CancellationToken::new();
        let chores = vec![
            tokio::spawn(platform.clone().keep_saving()),
            tokio::spawn(platform.clone().keep_sweeping()),
        ];
        let server = tokio::spawn(server::serve(listener, platform.router(), cancel.clone()));
        tracing::info!(%address, "platform listening");
        Ok(Self {
            platform,
            address,
            cancel,
            server: Some(server),
            chores,
        })
    }

    /// The base url, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's token; empty in an environment without one.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        self.platform
            .config()
            .admin_token
            .as_deref()
            .unwrap_or_default()
    }

    /// A handle on the state that survives [`stop`](Self::stop).
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.platform.clone()
    }

    /// Stops: takes no more connections, closes those on which no request is in flight, lets the others finish for up to
    /// five seconds, and saves the state.
    ///
    /// # Errors
    ///
    /// The state file cannot be written.
    pub async fn stop(mut self) -> Result<(), EmulatorError> {
        self.cancel.cancel();
        if let Some(server) = self.server.take()
            && let Err(error) = server.await
        {
            tracing::error!(%error, "the server did not end well");
        }
        self.platform.suspend_sweeps();
        self.platform.save().await
    }

    /// Ends as a crash would: every connection is cut and nothing more is saved. The address is free afterwards.
    pub async fn kill(mut self) {
        for task in self.chores.drain(..).chain(self.server.take()) {
            task.abort();
            let _ = task.await;
        }
        self.cancel.cancel();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.chores
            .iter()
            .chain(&self.server)
            .for_each(JoinHandle::abort);
        // Sockets are no longer in the server's hands.
        self.cancel.cancel();
        self.platform.suspend_sweeps();
    }
}
