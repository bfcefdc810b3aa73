//! How long connecting takes, per call: the HTTP client itself knows one limit for all calls.
//!
//! The connector runs inside the future of the call that needs the connection, so the call's
//! limit reaches it as a task-local value.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

use crate::{BoxError, Clock, Elapsed, within};

tokio::task_local! {
    /// The waits of the call that is being made.
    pub(crate) static WAITS: Arc<Waits>;
}

/// The connection did not come about in time.
#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
pub(crate) struct ConnectTimedOut;

/// Where a call stands between its start and the head of the answer.
#[derive(Debug)]
pub(crate) struct Waits {
    clock: Arc<dyn Clock>,
    connect: Duration,
    /// Since when the server is silent; `None` while a connection is being made.
    silent_since: Mutex<Option<Duration>>,
}

impl Waits {
    pub(crate) fn new(clock: Arc<dyn Clock>, connect: Duration) -> Arc<Self> {
        let silent_since = Mutex::new(Some(clock.now()));
        Arc::new(Self {
            clock,
            connect,
            silent_since,
        })
    }

    /// Runs `call` until it is done, or the server has been silent for `idle`. The time of
    /// connecting does not count: it has its own limit.
    pub(crate) async fn watch<F: Future>(
        self: Arc<Self>,
        idle: Duration,
        call: F,
    ) -> Result<F::Output, Elapsed> {
        let mut call = Box::pin(WAITS.scope(self.clone(), call));
        loop {
            let left = idle.saturating_sub(self.silence());
            if left.is_zero() {
                return Err(Elapsed);
            }
            if let Ok(output) = within(&*self.clock, left, call.as_mut()).await {
                return Ok(output);
            }
        }
    }

    fn silence(&self) -> Duration {
        let since = *self
            .silent_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| {
            self.clock.now().saturating_sub(since)
        })
    }

    fn set_silent_since(&self, since: Option<Duration>) {
        *self
            .silent_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = since;
    }

    async fn limit<C, F>(self: Arc<Self>, connect: F) -> Result<C, BoxError>
    where
        F: Future<Output = Result<C, BoxError>>,
    {
        let connecting = Connecting::start(&self);
        let connected = within(&*self.clock, self.connect, connect).await;
        drop(connecting);
        connected.map_err(|_| ConnectTimedOut)?
    }
}

/// Holds the wait for an answer back; also when the connecting is dropped half-way.
#[must_use]
struct Connecting<'a>(&'a Waits);

impl<'a> Connecting<'a> {
    fn start(waits: &'a Waits) -> Self {
        waits.set_silent_since(None);
        Self(waits)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.set_silent_since(Some(self.0.clock.now()));
    }
}

/// Puts the limit of the current call on each connection that is made for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LimitConnect;

impl<S> Layer<S> for LimitConnect {
    type Service = LimitedConnect<S>;

    fn layer(&self, inner: S) -> LimitedConnect<S> {
        LimitedConnect(inner)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LimitedConnect<S>(S);

impl<S, R> Service<R> for LimitedConnect<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connect = self.0.call(request);
        match WAITS.try_with(Arc::clone) {
            Ok(waits) => Box::pin(waits.limit(connect)),
            Err(_outside_of_a_call) => Box::pin(connect),
        }
    }
}
