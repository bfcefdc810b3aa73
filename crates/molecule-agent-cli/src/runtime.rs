//! Where asynchronous work runs.

use std::pin::pin;
use std::time::Duration;

use molecule_plugin::CancelFlag;
use tokio::runtime::Builder;

use crate::exit::{Exit, Problem};
use crate::signals::Signals;

/// How long a task may take to be dropped.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Runs a command. Tasks that are still under way when it ends are dropped before the program ends, because a task may
/// own a child process, which must not outlive it.
///
/// # Errors
/// The command's own, or when the system has no room for another thread.
pub(crate) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    result
}

/// Does work that blocks, without a runtime of many threads. The first signal sets the flag that the work watches, the
/// second one leaves the work behind.
///
/// # Errors
/// The work's own, or that it was left behind.
pub(crate) fn block_until_signalled<T: Send + 'static>(
    work: impl FnOnce(CancelFlag) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let result = runtime.block_on(watched(work));
    runtime.shutdown_background();
    result
}

async fn watched<T: Send + 'static>(
    work: impl FnOnce(CancelFlag) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let signals = Signals::listen()?;
    let cancel = CancelFlag::default();
    let watching = cancel.clone();
    let work = tokio::task::spawn_blocking(move || work(watching));
    until_forced(async { work.await? }, &signals, &cancel).await
}

/// Awaits work that watches the flag. The first signal sets it, so that the work ends and says what it did; the second one
/// leaves the work behind.
///
/// # Errors
/// The work's own, or that it was left behind.
pub(crate) async fn until_forced<T>(
    work: impl Future<Output = anyhow::Result<T>>,
    signals: &Signals,
    cancel: &CancelFlag,
) -> anyhow::Result<T> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = signals.stop.cancelled() => cancel.cancel(),
    }
    tokio::select! {
        done = work => done,
        () = signals.force.cancelled() => Err(left_behind().into()),
    }
}

fn left_behind() -> Problem {
    let message = "a second signal ended it; what it left unfinished is removed the next time";
    Problem::new(Exit::Unexpected, message)
}
