//! The server over sockets.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use molecule_transport::{Clock, within};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::ServerError;
use super::line::{Line, Lines, Place, Watched};
use super::options::{Limits, ServerOptions};
use super::routes::routes;
use super::shared::Shared;
use crate::Agent;

/// How long answers that are written already may take to leave, and work that was given up to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long to wait when no connection can be taken, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An agent that listens.
pub struct A2aServer {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    router: Router,
}

impl A2aServer {
    /// Listens on an address; port 0 is any that is free. Connections are taken from now on, and answered when it runs. A card without a
    /// url names this address.
    ///
    /// # Errors
    /// [`ServerError::Bind`] if the address cannot be listened on.
    pub fn bind(
        listen: SocketAddr,
        agent: Arc<dyn Agent>,
        options: ServerOptions,
    ) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Bind {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let path = options.path.clone();
        let url = format!("http://{address}/{}", path.trim_matches('/'));
        let shared = Shared::new(agent, options, &url);
        let router = routes(shared.clone(), &path);
        Ok(Self {
            listener,
            address,
            shared,
            router,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers calls until `stop`. From then on new ones are told to come back later, while those that are in work, and the tasks, may
    /// go on for the drain timeout.
    ///
    /// # Errors
    /// [`ServerError::Listen`] if the runtime does not take the socket.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServerError> {
        let listener = tokio::net::TcpListener::from_std(self.listener);
        let listener = listener.map_err(ServerError::Listen)?;
        let acceptor = Acceptor::new(self.shared.clock.clone(), self.shared.limits, self.router);
        let _cut = acceptor.cut_at_the_end();
        // It goes first, so that no work outlives the connection that it was for.
        let _stop = self.shared.stop.clone().drop_guard();
        tokio::select! {
            () = drained(&self.shared, &stop) => {}
            () = acceptor.accept(&listener) => {}
        }
        drop(listener);
        acceptor.finish(LAST_WORDS).await;
        Ok(())
    }
}

impl std::fmt::Debug for A2aServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("A2aServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Ends what is still open when the server does, or is dropped.
pub(super) struct Cut(Arc<Lines>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Returns when everything is done after the stop, or given up.
async fn drained(shared: &Shared, stop: &CancellationToken) {
    stop.cancelled().await;
    shared.stop_taking_calls();
    let clock = &*shared.clock;
    let idle = within(clock, shared.drain, shared.idle()).await;
    shared.stop.cancel();
    if idle.is_err() {
        tracing::warn!("calls or tasks in work were given up");
        // A call may have kept the wait for the tasks from beginning.
        shared.tracker.close();
        let gave_up = within(clock, LAST_WORDS, shared.tracker.wait()).await;
        if gave_up.is_err() {
            tracing::warn!("tasks that were given up could not be kept");
        }
    }
}

/// What takes connections and has the router answer on them.
pub(super) struct Acceptor {
    clock: Arc<dyn Clock>,
    router: Router,
    lines: Arc<Lines>,
    connections: TaskTracker,
    /// Cancelled when connections end as soon as their answers have left.
    finish: CancellationToken,
}

impl Acceptor {
    pub(super) fn new(clock: Arc<dyn Clock>, limits: Limits, router: Router) -> Self {
        Self {
            lines: Lines::new(clock.clone(), limits),
            clock,
            router,
            connections: TaskTracker::new(),
            finish: CancellationToken::new(),
        }
    }

    /// What is still open ends when this is dropped.
    pub(super) fn cut_at_the_end(&self) -> Cut {
        Cut(self.lines.clone())
    }

    /// Takes connections, and ends those whose client takes too long.
    pub(super) async fn accept(&self, listener: &tokio::net::TcpListener) {
        tokio::select! {
            () = self.take(listener) => {}
            () = self.lines.watch() => {}
        }
    }

    async fn take(&self, listener: &tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    self.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream) {
        let Some((line, place)) = self.lines.add() else {
            tracing::warn!("too many connections: one is refused");
            return;
        };
        // Without it, an answer in two pieces waits for the client's acknowledgement of the first.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let connection = connection(stream, self.router.clone(), line, self.finish.clone());
        self.connections.spawn(held(place, connection));
    }

    /// Ends the connections, those in use after their answer has left. That may take as long as `patience`.
    pub(super) async fn finish(&self, patience: Duration) {
        self.finish.cancel();
        self.connections.close();
        let ended = within(&*self.clock, patience, self.connections.wait()).await;
        if ended.is_err() {
            tracing::warn!("clients did not take their answers in time");
        }
    }
}

async fn held(place: Place, connection: impl Future<Output = ()>) {
    connection.await;
    drop(place);
}

async fn connection(stream: TcpStream, router: Router, line: Arc<Line>, finish: CancellationToken) {
    let router = TowerToHyperService::new(router);
    let watched = Watched::new(stream, line.clone());
    let service = {
        let line = line.clone();
        service_fn(move |request| {
            line.busy();
            let (answer, line) = (router.call(request), line.clone());
            async move {
                let Ok(response) = answer.await;
                Ok::<_, Infallible>(response.map(|body| Answering { body, line }))
            }
        })
    };
    let mut serving = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(watched), service)
    );
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = line.cut() => return,
        () = finish.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = line.cut() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The body of an answer. The line is busy until its end.
struct Answering {
    body: Body,
    line: Arc<Line>,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.line.idle();
    }
}
