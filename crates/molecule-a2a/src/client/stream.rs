//! What comes in a stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use molecule_protocol::{EventStreamParser, StreamItem};
use molecule_transport::{Body, Target};

use super::ClientError;
use crate::{AnswerError, Event, Version};

/// The events that an agent sends in answer to one call. Nothing follows an error. Dropping it ends the call.
///
/// That the stream ends does not say that the task has: what it has come to is in the last event about its status.
pub struct EventStream(BoxStream<'static, Result<Event, ClientError>>);

impl EventStream {
    pub(super) fn new(version: Version, target: Target, body: Body, max_event: usize) -> Self {
        let reader = Reader {
            version,
            target,
            body,
            // A line of data has its name in front.
            parser: EventStreamParser::new()
                .with_limits(max_event.saturating_add("data: ".len()), max_event),
            max_event,
            items: VecDeque::new(),
        };
        let events = stream::try_unfold(reader, Reader::next);
        Self(events.boxed())
    }

    pub(super) fn of(event: Event) -> Self {
        Self(stream::iter([Ok(event)]).boxed())
    }
}

impl Stream for EventStream {
    type Item = Result<Event, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

struct Reader {
    version: Version,
    target: Target,
    body: Body,
    parser: EventStreamParser,
    max_event: usize,
    /// What the last piece of the body has brought and nobody has asked for yet.
    items: VecDeque<StreamItem>,
}

impl Reader {
    async fn next(mut self) -> Result<Option<(Event, Self)>, ClientError> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return self.event(item).map(|event| Some((event, self)));
            }
            let Some(chunk) = self.body.chunk().await? else {
                return Ok(None);
            };
            self.items.extend(self.parser.feed(&chunk));
        }
    }

    fn event(&self, item: StreamItem) -> Result<Event, ClientError> {
        let target = self.target.clone();
        let StreamItem::Event(event) = item else {
            let limit = self.max_event as u64;
            return Err(ClientError::TooLarge { target, limit });
        };
        let event = self.version.decode_event(event.data.as_bytes());
        event.map_err(|error| match error {
            AnswerError::Refused(error) => ClientError::Refused(error),
            AnswerError::Unreadable(source) => ClientError::Unreadable { target, source },
        })
    }
}
