//! Ctrl-C and SIGTERM: the first one asks the program to finish, the second one ends it.

use std::io;

use molecule_agent::CancellationToken;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What signals ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// Cancelled by the first signal: take nothing new, finish what runs.
    pub(crate) stop: CancellationToken,
    /// Cancelled by the second signal: end now.
    pub(crate) force: CancellationToken,
}

impl Signals {
    /// Takes the signals over from their default, which ends the program at once.
    ///
    /// # Errors
    /// When the system has no room for another handler.
    pub(crate) fn listen() -> io::Result<Self> {
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let signals = Self::default();
        let Self { stop, force } = signals.clone();
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            stop.cancel();
            either(&mut interrupt, &mut terminate).await;
            force.cancel();
        });
        Ok(signals)
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
