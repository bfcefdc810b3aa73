//! Holds an answer to what its caller allows, before anyone reads it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};

use crate::body::{Measure, Timer};
use crate::json_depth::JsonDepth;
use crate::{
    BoxFuture, CallOptions, Clock, Limits, Phase, Request, Response, Target, Transport,
    TransportError,
};

/// Holds the answers of `inner` to the [`Limits`] and the idle time of each call, and refuses
/// encoded ones. `ReqwestTransport` does so by itself; put this around an HTTP client of your
/// own.
#[derive(Debug)]
pub struct Guard<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T: Transport> Guard<T> {
    /// Guards the answers of `inner`.
    pub fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

impl<T: Transport> Transport for Guard<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let call = Call::of(&request);
        let answer = self.inner.send(request);
        Box::pin(async move { call.admit(answer.await?, self.clock.clone()) })
    }
}

/// What is known of a request once it is on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) target: Target,
    pub(crate) options: CallOptions,
    method: Method,
}

impl Call {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            target: Target::of(request),
            options: CallOptions::of(request),
            method: request.method().clone(),
        }
    }

    /// Checks the head of `response`, and puts its body under measure and timer.
    pub(crate) fn admit(
        &self,
        response: Response,
        clock: Arc<dyn Clock>,
    ) -> Result<Response, TransportError> {
        let limits = &self.options.limits;
        self.check_headers(response.headers(), limits)?;
        self.check_encoding(response.headers())?;
        let measure = self.measure(response.status(), response.headers(), limits);
        if measure
            .expected
            .is_some_and(|expected| expected > limits.body_bytes)
        {
            return Err(measure.too_large());
        }
        let timer = self.idle_timer(clock.clone());
        let (idle, call) = (self.options.timeouts.idle_read, self.clone());
        let too_slow = Box::new(move |after| call.timeout(Phase::Rest, after));
        let endless = self.options.endless;
        Ok(response.map(|body| match body.timed(timer) {
            body if endless => body.measured(measure),
            body => body.steady(clock, idle, too_slow).measured(measure),
        }))
    }

    /// The error of a server that was silent for too long.
    pub(crate) fn silent(&self, phase: Phase) -> TransportError {
        self.timeout(phase, self.options.timeouts.idle_read)
    }

    fn timeout(&self, phase: Phase, after: Duration) -> TransportError {
        TransportError::Timeout {
            target: self.target.clone(),
            phase,
            after,
        }
    }

    fn idle_timer(&self, clock: Arc<dyn Clock>) -> Timer {
        let (call, limit) = (self.clone(), self.options.timeouts.idle_read);
        Timer::idle(clock, limit, Box::new(move || call.silent(Phase::Body)))
    }

    fn check_headers(&self, headers: &HeaderMap, limits: &Limits) -> Result<(), TransportError> {
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if headers.len() <= limits.header_count && bytes <= limits.header_bytes {
            return Ok(());
        }
        Err(self.headers_too_large())
    }

    pub(crate) fn headers_too_large(&self) -> TransportError {
        TransportError::HeadersTooLarge {
            target: self.target.clone(),
            count: self.options.limits.header_count,
            bytes: self.options.limits.header_bytes,
        }
    }

    fn check_encoding(&self, headers: &HeaderMap) -> Result<(), TransportError> {
        let content = values(headers, CONTENT_ENCODING);
        // What is chunked only is not encoded, and was put together again already.
        let transfer = values(headers, TRANSFER_ENCODING)
            .filter(|encoding| !encoding.trim().eq_ignore_ascii_case("chunked"));
        let foreign = content
            .chain(transfer)
            .find(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"));
        match foreign {
            None => Ok(()),
            Some(encoding) => Err(TransportError::Encoded {
                target: self.target.clone(),
                encoding: encoding.chars().take(40).collect(),
            }),
        }
    }

    fn measure(&self, status: StatusCode, headers: &HeaderMap, limits: &Limits) -> Measure {
        let expected = if self.has_body(status) {
            content_length(headers)
        } else {
            None
        };
        let json = is_json(headers).then(|| (JsonDepth::new(limits.json_depth), limits.json_depth));
        Measure {
            target: self.target.clone(),
            limit: if self.options.endless {
                u64::MAX
            } else {
                limits.body_bytes
            },
            expected,
            json,
            received: 0,
        }
    }

    /// Answers to HEAD, and 204 and 304, announce a length without sending it.
    fn has_body(&self, status: StatusCode) -> bool {
        self.method != Method::HEAD
            && status != StatusCode::NO_CONTENT
            && status != StatusCode::NOT_MODIFIED
    }
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Cow<'_, str>> {
    let values = headers.get_all(name).into_iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}
