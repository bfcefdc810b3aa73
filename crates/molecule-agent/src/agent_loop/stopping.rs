//! How the agent stops: first nothing more is begun, then what runs is cut off.

use tokio_util::sync::CancellationToken;

use crate::AgentError;

/// The two steps of stopping. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Stopping {
    /// Nothing more is begun.
    pub(super) drain: CancellationToken,
    /// What runs is cut off.
    pub(super) cut: CancellationToken,
}

/// Why something was left.
#[derive(Debug)]
pub(super) enum Left {
    /// The agent stops; the next run goes on with it.
    Undone,
    /// The agent cannot go on.
    Failed(AgentError),
}

impl From<AgentError> for Left {
    fn from(error: AgentError) -> Self {
        Self::Failed(error)
    }
}

impl Stopping {
    pub(super) async fn unless_draining<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, Left> {
        unless(&self.drain, work).await
    }

    pub(super) async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, Left> {
        unless(&self.cut, work).await
    }
}

async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Left> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Left::Undone),
        output = work => Ok(output),
    }
}
