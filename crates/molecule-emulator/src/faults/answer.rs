//! Answers that are not what they should be.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::io::ReaderStream;

/// Neither JSON nor UTF-8.
const GARBAGE: &[u8] = b"\xff\xfe{[\"not what was asked for\x00";

/// How often a connection gets the time to send what it holds before it breaks.
const YIELDS: u32 = 64;

/// The answer that a rule has in place of the platform's. The rule was checked when it was added.
pub(super) fn instead(status: u16, headers: &BTreeMap<String, String>, body: String) -> Response {
    let is_json = body.starts_with(['{', '[']);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    if is_json {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The same answer with another body.
pub(super) fn garbage(response: Response, body: Option<String>) -> Response {
    let body = body.map_or(Bytes::from_static(GARBAGE), Bytes::from);
    with_body(response, Body::from(body))
}

/// The same answer, which announces more than comes.
pub(super) async fn truncate(response: Response, bytes: usize) -> Response {
    let (head, body) = whole(response).await;
    let announced = body.len().max(1);
    let part = body.slice(..bytes.min(announced - 1));
    let mut response = with_body(
        Response::from_parts(head, Body::empty()),
        stream(Cursor::new(part).chain(Pause::new())),
    );
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(announced));
    response
}

/// The same answer with other rows, if it has any.
pub(super) async fn rows(response: Response, change: fn(Vec<Value>) -> Vec<Value>) -> Response {
    let (head, body) = whole(response).await;
    let changed = match serde_json::from_slice::<Vec<Value>>(&body) {
        Ok(rows) => Bytes::from(crate::reply::encode(&change(rows))),
        Err(_not_rows) => body,
    };
    with_body(
        Response::from_parts(head, Body::empty()),
        Body::from(changed),
    )
}

pub(super) fn twice(rows: Vec<Value>) -> Vec<Value> {
    rows.into_iter()
        .flat_map(|row| [row.clone(), row])
        .collect()
}

pub(super) fn backwards(mut rows: Vec<Value>) -> Vec<Value> {
    rows.reverse();
    rows
}

fn with_body(mut response: Response, body: Body) -> Response {
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = body;
    response
}

async fn whole(response: Response) -> (http::response::Parts, Bytes) {
    let (head, body) = response.into_parts();
    let body = body.collect().await;
    (
        head,
        body.map_or_else(|_| Bytes::new(), Collected::to_bytes),
    )
}

/// A body that ends where its source does, whatever was announced.
pub(crate) fn stream(bytes: impl AsyncRead + Send + 'static) -> Body {
    Body::from_stream(ReaderStream::with_capacity(bytes, 64 * 1024))
}

/// Ends, but not at once: a connection that ends early throws away what it has not sent.
pub(crate) struct Pause(u32);

impl Pause {
    pub(crate) fn new() -> Self {
        Self(YIELDS)
    }
}

impl AsyncRead for Pause {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0 == 0 {
            return Poll::Ready(Ok(()));
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Never ends.
pub(crate) struct Never;

impl AsyncRead for Never {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
