//! The listening side: connections, and their end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::{Extension, Router};
use bytes::Bytes;
use http::request::Parts;
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::faults::Line;

/// How long a stop waits for requests in flight.
const GRACE: Duration = Duration::from_secs(5);

/// The address of the client of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// Whether the server that took a request is stopping; what never ends by itself ends then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

impl<S: Send + Sync> FromRequestParts<S> for Stopping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Accepts connections until cancelled, then lets requests in flight finish. When the future is dropped, so are they.
pub(crate) async fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    let stopping = Extension(Stopping(cancel.clone()));
                    let router = router.clone().layer((Extension(Client(client)), stopping));
                    connections.spawn(connection(stream, router, cancel.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::task::yield_now().await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = cancel.cancelled() => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!("requests in flight were cut off");
    }
}

async fn connection(stream: TcpStream, router: Router, cancel: CancellationToken) {
    // Go writes header names in title case; a client that compares them literally should notice here, too.
    let (line, end, requests) = Line::new(stream, cancel.clone());
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let (answer, end) = (router.call(request), end.clone());
        let in_flight = requests.token();
        async move {
            let Ok(response) = answer.await;
            let passed = end.pass(response);
            passed.map(|response| {
                response.map(|body| Answering {
                    body,
                    _request: in_flight,
                })
            })
        }
    });
    let serving = http1::Builder::new()
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(line), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = cancel.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The body of an answer, whose request is in flight until the body's end.
struct Answering {
    body: Body,
    _request: TaskTrackerToken,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
