//! The body of an answer: a stream of bytes that is measured and timed as it arrives.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

use crate::json_depth::JsonDepth;
use crate::steady::{Steady, TooSlow};
use crate::{BoxFuture, Clock, Target, TransportError};

/// The body of an answer. It streams; what it may measure was fixed by
/// [`CallOptions`](crate::CallOptions) when the answer arrived, and reading past that is an error.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), molecule_transport::TransportError> {
/// use molecule_transport::Body;
///
/// let mut body = Body::from("STUB OK");
/// while let Some(chunk) = body.chunk().await? {
///     assert_eq!(chunk, "STUB OK");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Body(UnsyncBoxBody<Bytes, TransportError>);

impl Body {
    /// A body without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// A body that reads from `source` as it comes, without limits of its own.
    pub fn wrap<B>(source: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = TransportError> + Send + 'static,
    {
        Self(source.boxed_unsync())
    }

    /// The next piece, or `None` at the end.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] if the connection breaks, a wait runs out, the body ends early, or
    /// it exceeds a limit. Nothing follows an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            match self.0.frame().await.transpose()? {
                None => return Ok(None),
                Some(frame) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// Everything up to the end, in memory.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn collect(mut self) -> Result<Bytes, TransportError> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The same body, which fails with `error` once `timer` has run out.
    pub(crate) fn timed(self, timer: Timer) -> Self {
        Self::wrap(Timed {
            source: self,
            timer,
            done: false,
        })
    }

    /// The same body, which fails when it comes too slowly.
    pub(crate) fn steady(self, clock: Arc<dyn Clock>, idle: Duration, too_slow: TooSlow) -> Self {
        Self::wrap(Steady::new(self, clock, idle, too_slow))
    }

    /// The same body, held to what was announced and allowed.
    pub(crate) fn measured(self, measure: Measure) -> Self {
        Self::wrap(Measured {
            source: self,
            measure,
            done: false,
        })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::wrap(Full::new(bytes).map_err(|never| match never {}))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

type FrameResult = Option<Result<Frame<Bytes>, TransportError>>;

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FrameResult> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Makes the error of a timer.
type Overdue = Box<dyn Fn() -> TransportError + Send>;

/// A wait that either starts anew with every piece (idle time) or never does (deadline).
pub(crate) struct Timer {
    clock: Arc<dyn Clock>,
    limit: Duration,
    restarts: bool,
    sleep: Option<BoxFuture<'static, ()>>,
    overdue: Overdue,
}

impl Timer {
    pub(crate) fn idle(clock: Arc<dyn Clock>, limit: Duration, overdue: Overdue) -> Self {
        Self {
            clock,
            limit,
            restarts: true,
            sleep: None,
            overdue,
        }
    }

    pub(crate) fn deadline(clock: Arc<dyn Clock>, limit: Duration, overdue: Overdue) -> Self {
        let sleep = Some(clock.sleep(limit));
        Self {
            clock,
            limit,
            restarts: false,
            sleep,
            overdue,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TransportError> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| self.clock.sleep(self.limit));
        sleep.as_mut().poll(cx).map(|()| (self.overdue)())
    }

    fn restart(&mut self) {
        if self.restarts {
            self.sleep = None;
        }
    }
}

struct Timed {
    source: Body,
    timer: Timer,
    done: bool,
}

impl Timed {
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<FrameResult> {
        let overdue = ready!(self.timer.poll(cx));
        self.done = true;
        Poll::Ready(Some(Err(overdue)))
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FrameResult> {
        if self.done {
            return Poll::Ready(None);
        }
        // A source that always has more would keep a deadline from being looked at after it.
        if let Poll::Ready(frame) = self.poll_due(cx) {
            return Poll::Ready(frame);
        }
        let frame = ready!(Pin::new(&mut self.source).poll_frame(cx));
        self.timer.restart();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

/// What a body was announced to be, and may be at most.
pub(crate) struct Measure {
    pub(crate) target: Target,
    pub(crate) limit: u64,
    /// What `Content-Length` says, if it speaks of this body.
    pub(crate) expected: Option<u64>,
    /// The scanner of a JSON body, with its limit for the error.
    pub(crate) json: Option<(JsonDepth, usize)>,
    pub(crate) received: u64,
}

impl Measure {
    fn take(&mut self, data: &Bytes) -> Result<(), TransportError> {
        self.received += data.len() as u64;
        if self.received > self.limit {
            return Err(self.too_large());
        }
        if self
            .expected
            .is_some_and(|expected| self.received > expected)
        {
            let source = "the body is longer than its content-length".into();
            return Err(TransportError::Malformed {
                target: self.target.clone(),
                source,
            });
        }
        match &mut self.json {
            Some((scanner, limit)) => scanner.scan(data).map_err(|_| TransportError::JsonTooDeep {
                target: self.target.clone(),
                limit: *limit,
            }),
            None => Ok(()),
        }
    }

    fn finish(&self) -> Result<(), TransportError> {
        match self.expected {
            Some(expected) if self.received < expected => Err(TransportError::Truncated {
                target: self.target.clone(),
                expected: self.expected,
                received: self.received,
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn too_large(&self) -> TransportError {
        TransportError::BodyTooLarge {
            target: self.target.clone(),
            limit: self.limit,
        }
    }
}

struct Measured {
    source: Body,
    measure: Measure,
    done: bool,
}

impl Measured {
    /// Passes on what is fine, and turns the end of the source into an error if it came early.
    fn check(&mut self, frame: FrameResult) -> FrameResult {
        let checked = match &frame {
            None => self.measure.finish(),
            Some(Ok(frame)) => frame
                .data_ref()
                .map_or(Ok(()), |data| self.measure.take(data)),
            Some(Err(_)) => Ok(()),
        };
        match checked {
            Ok(()) => frame,
            Err(error) => Some(Err(error)),
        }
    }
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FrameResult> {
        if self.done {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.source).poll_frame(cx));
        let frame = self.check(frame);
        self.done = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}
