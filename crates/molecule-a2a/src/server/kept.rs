//! Work that goes on when its caller hangs up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

use super::shared::Shared;
use crate::BoxFuture;

/// A future that is done in any case: what is not done when this is dropped goes on by itself, until the
/// server stops. As long as somebody
/// waits, it takes no task of its own.
pub(super) struct Kept<T: Send + 'static> {
    work: Option<BoxFuture<'static, T>>,
    shared: Arc<Shared>,
}

impl<T: Send + 'static> Kept<T> {
    pub(super) fn new(work: BoxFuture<'static, T>, shared: &Arc<Shared>) -> Self {
        Self {
            work: Some(work),
            shared: shared.clone(),
        }
    }
}

impl<T: Send + 'static> Future for Kept<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let output = std::task::ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Kept<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let stop = self.shared.stop.clone();
        let work = async move {
            tokio::select! {
                _ = work => {}
                () = stop.cancelled() => {}
            }
        };
        self.shared.tracker.spawn_on(work, &runtime);
    }
}
