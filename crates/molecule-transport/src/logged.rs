//! A line in the log for every request.

use std::sync::Arc;

use crate::{BoxFuture, Clock, Request, Response, Target, Transport, TransportError};

/// Logs every request at the level debug: its method, origin and path, what became of it, and the time until then (of an
/// answer: until its head was there). Headers, queries and bodies stay out, because they may hold secrets.
#[derive(Debug)]
pub struct Logged<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T: Transport> Logged<T> {
    /// Logs what `inner` sends.
    pub fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }

    async fn sent(&self, request: Request) -> Result<Response, TransportError> {
        let target = Target::of(&request);
        let start = self.clock.now();
        let result = self.inner.send(request).await;
        let elapsed = self.clock.now().saturating_sub(start);
        match &result {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!(request = %target, status, ?elapsed, "answered");
            }
            Err(error) => {
                let problem = error.kind();
                tracing::debug!(request = %target, ?problem, ?elapsed, "not answered");
            }
        }
        result
    }
}

impl<T: Transport> Transport for Logged<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.sent(request))
    }
}
