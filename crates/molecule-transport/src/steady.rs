//! Holds a body to the slowest pace that still counts as progress.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{Body, BoxFuture, Clock, TransportError};

/// How long a body may be slower than that.
const GRACE: Duration = Duration::from_secs(60);

/// What each byte adds to the time that its body may take: a thousand of them a second is slow, not hostile.
const PER_BYTE: Duration = Duration::from_millis(1);

/// Makes the error of a body that was waited for so long.
pub(crate) type TooSlow = Box<dyn Fn(Duration) -> TransportError + Send>;

/// A server that sends a byte now and then is never silent, and never done. Only the time counts during which the
/// reader waits, so that a slow reader is not the server's fault.
pub(crate) struct Steady {
    source: Body,
    clock: Arc<dyn Clock>,
    allowed: Duration,
    waited: Duration,
    waiting_since: Option<Duration>,
    sleep: Option<BoxFuture<'static, ()>>,
    too_slow: TooSlow,
    done: bool,
}

impl Steady {
    pub(crate) fn new(
        source: Body,
        clock: Arc<dyn Clock>,
        idle: Duration,
        too_slow: TooSlow,
    ) -> Self {
        Self {
            source,
            clock,
            allowed: GRACE.saturating_add(idle),
            waited: Duration::ZERO,
            waiting_since: None,
            sleep: None,
            too_slow,
            done: false,
        }
    }

    /// Ready once the body was waited for too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.clock.now();
            let since = *self.waiting_since.get_or_insert(now);
            let waited = self.waited + now.saturating_sub(since);
            let left = self.allowed.saturating_sub(waited);
            if left.is_zero() {
                return Poll::Ready(());
            }
            let sleep = self.sleep.get_or_insert_with(|| self.clock.sleep(left));
            ready!(sleep.as_mut().poll(cx));
            // More may have come since this sleep began.
            self.sleep = None;
        }
    }

    fn received(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += self.clock.now().saturating_sub(since);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.allowed = self.allowed.saturating_add(PER_BYTE * bytes);
    }
}

impl http_body::Body for Steady {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.source).poll_frame(cx) {
            let data = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref());
            let bytes = data.map_or(0, Bytes::len);
            self.received(bytes);
            return Poll::Ready(frame);
        }
        ready!(self.poll_overdue(cx));
        self.done = true;
        let error = (self.too_slow)(self.allowed);
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}
