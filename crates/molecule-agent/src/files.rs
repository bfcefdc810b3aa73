//! Where the client's file work is done: it may block, so that it is kept away from the async threads.

use tokio::task::{JoinError, spawn_blocking};

/// Where work with files runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Files {
    /// On the runtime's threads for what blocks.
    #[default]
    Pool,
    /// Where it is asked for, so that the order of things does not depend on threads.
    Inline,
}

impl Files {
    /// The output of work that may block. Once it has begun it goes on to its end, also when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self {
            Self::Pool => finished(spawn_blocking(work).await),
            Self::Inline => {
                // Others may run in between, as they would while a thread works.
                tokio::task::yield_now().await;
                work()
            }
        }
    }
}

/// The output of a blocking task. It is never cancelled, and its panic goes on here.
pub(crate) fn finished<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("{error}: the runtime is shutting down"),
    })
}
