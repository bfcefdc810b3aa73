//! One limit for a whole call.

use std::sync::Arc;
use std::time::Duration;

use crate::body::Timer;
use crate::{
    BoxFuture, CallOptions, Clock, Request, Response, Target, Transport, TransportError, within,
};

/// Ends a call when [`CallOptions::deadline`] has passed since `send`: the retries, the waits
/// between them, and the reading of the body. It belongs outside of [`Retry`](crate::Retry).
#[derive(Debug)]
pub struct Deadline<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T: Transport> Deadline<T> {
    /// Puts `inner` under the deadlines that its calls ask for.
    pub fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }

    async fn limited(&self, request: Request, after: Duration) -> Result<Response, TransportError> {
        let target = Target::of(&request);
        let overdue = move || TransportError::Deadline {
            target: target.clone(),
            after,
        };
        let due = self.clock.now() + after;
        let sent = within(&*self.clock, after, self.inner.send(request)).await;
        let response = sent.map_err(|_| overdue())??;
        let left = due.saturating_sub(self.clock.now());
        let timer = Timer::deadline(self.clock.clone(), left, Box::new(overdue));
        Ok(response.map(|body| body.timed(timer)))
    }
}

impl<T: Transport> Transport for Deadline<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        match CallOptions::of(&request).deadline {
            Some(after) => Box::pin(self.limited(request, after)),
            None => self.inner.send(request),
        }
    }
}
