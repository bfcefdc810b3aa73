//! Answers as a stream of server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use molecule_transport::{Clock, within};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use super::answering::{Opened, failed};
use crate::tasks::Subscription;
use crate::{A2aError, Event, RpcId, Version};

/// Who waits hears something this often, so that nothing between takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const NOTHING: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// Where the events come from.
pub(super) enum Source {
    /// The agent has not answered yet.
    Opening(oneshot::Receiver<Result<Opened, A2aError>>),
    Task(Subscription),
    /// The only event.
    Single(Box<Event>),
    Failed(A2aError),
    Over,
}

/// A stream that answers one call.
pub(super) struct EventStream {
    pub(super) version: Version,
    pub(super) id: RpcId,
    pub(super) source: Source,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: CancellationToken,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl EventStream {
    pub(super) fn into_response(self) -> Response {
        let events = unfold(self, async |mut stream| {
            let piece = stream.piece().await?;
            Some((Ok::<_, std::convert::Infallible>(piece), stream))
        });
        let mut response = Response::new(Body::from_stream(events));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let unbuffered = HeaderValue::from_static("no");
        headers.insert("x-accel-buffering", unbuffered);
        response
    }

    /// The next event as it goes over the wire, or a sign of life.
    async fn piece(&mut self) -> Option<Bytes> {
        let (clock, stop) = (self.clock.clone(), self.stop.clone());
        tokio::select! {
            biased;
            piece = within(&*clock, KEEP_ALIVE, self.next()) => piece.unwrap_or(Some(NOTHING)),
            () = stop.cancelled() => None,
        }
    }

    /// It may be dropped and called again.
    async fn next(&mut self) -> Option<Bytes> {
        if let Source::Opening(opening) = &mut self.source {
            let opened = opening.await.unwrap_or_else(|_| Err(failed()));
            self.source = opened.map_or_else(Source::Failed, Source::from);
        }
        if let Source::Task(events) = &mut self.source {
            let next = events.next().await?;
            let name = format!("id: {}-{}\n", events.epoch(), next.number);
            let data = self.version.encode_event(&self.id, &next.event);
            return Some(event(&name, &data));
        }
        match std::mem::replace(&mut self.source, Source::Over) {
            Source::Single(only) => Some(event("", &self.version.encode_event(&self.id, &only))),
            Source::Failed(error) => Some(event("", &self.version.encode_error(&self.id, &error))),
            _ => None,
        }
    }
}

impl From<Opened> for Source {
    fn from(opened: Opened) -> Self {
        match opened {
            Opened::Message(message) => Self::Single(Box::new(Event::Message(message))),
            Opened::Waiting(task) => Self::Single(Box::new(Event::Task(task))),
            Opened::Task(started) => match started.events {
                Some(events) => Self::Task(events),
                None => Self::Single(Box::new(Event::Task(started.first))),
            },
        }
    }
}

fn event(name: &str, data: &[u8]) -> Bytes {
    // Compact JSON has no line breaks, so that one line holds it.
    [name.as_bytes(), b"data: ", data, b"\n\n"].concat().into()
}
