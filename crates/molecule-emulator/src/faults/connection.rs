//! A connection that can end, or half end, where an answer should be.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The mark of an answer that no client gets.
///
/// A server turns it into what happens to its connection. Whoever calls [`Platform::router`](crate::Platform::router)
/// without a socket finds it in the extensions of the response, and has to fail the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severed {
    /// The connection is closed.
    Dropped,
    /// The platform closes its own direction, and goes on reading.
    HalfClosed,
}

impl IntoResponse for Severed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::BAD_GATEWAY.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The connection is cut on purpose.
#[derive(Debug, thiserror::Error)]
#[error("a fault cuts the connection")]
pub(crate) struct Cut;

/// A connection whose own direction can be closed early. Nobody who writes to it notices.
///
/// Once the server stops, the line is deaf but for requests that are being answered: whatever else would come, or never
/// come, is not waited for.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    end: End,
    closed: bool,
    stopping: CancellationToken,
    requests: TaskTracker,
}

/// Closes the platform's direction of a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct End(Arc<AtomicBool>);

impl End {
    /// Lets an answer pass, or does to the connection what is to be done in its place.
    pub(crate) fn pass(&self, response: Response) -> Result<Response, Cut> {
        match response.extensions().get::<Severed>() {
            Some(Severed::Dropped) => return Err(Cut),
            Some(Severed::HalfClosed) => self.0.store(true, Ordering::Relaxed),
            None => {}
        }
        Ok(response)
    }

    fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Line {
    /// A line, its end, and what keeps count of the requests that are being answered.
    pub(crate) fn new(stream: TcpStream, stopping: CancellationToken) -> (Self, End, TaskTracker) {
        let (end, requests) = (End::default(), TaskTracker::new());
        let line = Self {
            stream,
            end: end.clone(),
            closed: false,
            stopping,
            requests: requests.clone(),
        };
        (line, end, requests)
    }

    fn is_deaf(&self) -> bool {
        self.stopping.is_cancelled() && self.requests.is_empty()
    }

    /// Closes the platform's direction, once.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.closed {
            // A client that has left already closed it itself.
            let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
            self.closed = true;
        }
        Poll::Ready(())
    }

    /// Reads until the client hangs up.
    fn poll_hangup(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *self).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_deaf() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.end.has_come() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        ready!(self.poll_close(context));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.end.has_come() {
            return Pin::new(&mut self.stream).poll_shutdown(context);
        }
        ready!(self.poll_close(context));
        self.poll_hangup(context)
    }
}
