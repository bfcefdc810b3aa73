//! `GET /workspaces/:id/events/stream`: what happens at the workspace, as it happens.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::endpoint::{Answer, Call, Endpoint};
use crate::{ApiError, EventStreamParser, WorkspaceId};

/// `GET /workspaces/:id/events/stream`: the events of one workspace, from now on.
///
/// A good answer has a body without end, which is for the caller to stream: [`read`](Endpoint::read) looks at its head alone and returns the
/// parser to feed it to. A platform that has no such stream is [`ApiError::Unsupported`].
///
/// ```
/// use http::{HeaderMap, StatusCode};
/// use molecule_protocol::endpoints::StreamEvents;
/// use molecule_protocol::{Answer, Endpoint, PlatformEvent, StreamItem};
///
/// let stream = StreamEvents::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?);
/// assert_eq!(stream.call().headers["accept"], "text/event-stream");
///
/// let mut headers = HeaderMap::new();
/// headers.insert("content-type", "text/event-stream".parse()?);
/// let mut parser = stream.read(&Answer::new(StatusCode::OK, &headers, &[]))?;
/// for item in parser.feed(b": ping\n\ndata: {\"type\":\"WORKSPACE_PAUSED\",\"data\":{}}\n\n") {
///     let StreamItem::Event(event) = item else { continue };
///     assert!(PlatformEvent::parse(&event.data)?.may_change_state());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamEvents {
    workspace_id: WorkspaceId,
    last_id: Option<HeaderValue>,
}

impl StreamEvents {
    /// The events of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            last_id: None,
        }
    }

    /// Says which event was the last one heard, so that a platform that keeps events can go on from there. An empty id, or one that no header
    /// can carry, is not sent.
    #[must_use]
    pub fn with_last_id(mut self, id: &str) -> Self {
        let value = HeaderValue::from_bytes(id.as_bytes()).ok();
        self.last_id = value.filter(|value| !value.is_empty());
        self
    }
}

impl Endpoint for StreamEvents {
    type Output = EventStreamParser;
    const NAME: &'static str = "events";

    fn call(&self) -> Call {
        let mut call = Call::get(format!("/workspaces/{}/events/stream", self.workspace_id));
        let accept = HeaderValue::from_static("text/event-stream");
        call.headers.insert(ACCEPT, accept);
        if let Some(id) = &self.last_id {
            call.headers
                .insert(HeaderName::from_static("last-event-id"), id.clone());
        }
        call
    }

    fn read(&self, answer: &Answer<'_>) -> Result<EventStreamParser, ApiError> {
        match answer.status() {
            StatusCode::OK if is_event_stream(answer.headers()) => Ok(EventStreamParser::new()),
            status if status.is_success() || is_absent(status) => {
                Err(ApiError::Unsupported(answer.refused(Self::NAME)))
            }
            _ => Err(answer.refusal(Self::NAME)),
        }
    }
}

/// How platforms, and what stands before them, say that there is no such stream.
fn is_absent(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

/// A page that is served for every path is no stream.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let media_type = value.and_then(|value| value.split(|byte| *byte == b';').next());
    media_type.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamEvents {
        StreamEvents::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap())
    }

    fn check(status: u16, content_type: &'static str, body: &str, expect: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let status = StatusCode::from_u16(status).unwrap();
        let read = stream().read(&Answer::new(status, &headers, body.as_bytes()));
        let shown = match read {
            Ok(_) => "stream".to_owned(),
            Err(error) => format!("{error:?}").split('(').next().unwrap().to_owned(),
        };
        assert_eq!(shown, expect, "{status} {content_type} {body}");
    }

    #[test]
    fn only_a_stream_of_events_is_one_and_a_platform_without_is_told_apart() {
        check(200, "text/event-stream", "", "stream");
        check(200, "Text/Event-Stream; charset=utf-8", "", "stream");
        check(200, "text/html", "", "Unsupported");
        check(204, "text/event-stream", "", "Unsupported");
        check(404, "text/plain", "404 page not found", "Unsupported");
        check(
            404,
            "application/json",
            r#"{"error":"not found"}"#,
            "Unsupported",
        );
        check(405, "text/plain", "", "Unsupported");
        check(501, "text/plain", "", "Unsupported");
        check(401, "application/json", r#"{"error":"x"}"#, "Unauthorized");
        check(429, "application/json", "{}", "RateLimited");
        check(503, "text/plain", "", "Unavailable");
    }

    #[test]
    fn the_last_id_goes_along_where_a_header_can_carry_it() {
        let header = |id: &str| {
            let call = stream().with_last_id(id).call();
            let value = call.headers.get("last-event-id").cloned();
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        assert_eq!(header("42").as_deref(), Some("42"));
        assert_eq!(header(""), None);
        assert_eq!(header("a\u{1}b"), None);
    }
}
