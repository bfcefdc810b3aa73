//! A message that goes to a peer itself, without the platform in between.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request};

use crate::endpoint::Answer;
use crate::endpoints::A2aReply;
use crate::endpoints::a2a_refusal::refused_directly;
use crate::{ApiError, Message, PeerUrl, WorkspaceId};

/// A JSON-RPC `message/send` posted to a peer's own address. It carries who calls, and nothing that only the platform
/// may see.
///
/// ```
/// use http::{HeaderMap, StatusCode};
/// use molecule_protocol::{Answer, DirectMessage, Message};
///
/// let direct = DirectMessage::new(
///     "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?,
///     "https://agent.example.com/a2a".parse()?,
///     Message::text("m-1", "what time is it?"),
/// );
/// let request = direct.to_request();
/// assert_eq!(request.uri(), "https://agent.example.com/a2a");
/// assert_eq!(request.headers()["x-workspace-id"], "9e453dad-99f0-4e01-8c72-0031bf974e26");
///
/// let body = br#"{"jsonrpc":"2.0","id":"m-1","result":{"parts":[{"kind":"text","text":"noon"}]}}"#;
/// let reply = direct.read(&Answer::new(StatusCode::OK, &HeaderMap::new(), body))?;
/// assert_eq!(reply.text().as_deref(), Some("noon"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DirectMessage {
    caller: WorkspaceId,
    url: PeerUrl,
    message: Message,
}

impl DirectMessage {
    /// The name of the call in errors.
    pub const NAME: &'static str = "peer";

    /// A message from `caller` to the agent at `url`.
    #[must_use]
    pub const fn new(caller: WorkspaceId, url: PeerUrl, message: Message) -> Self {
        Self {
            caller,
            url,
            message,
        }
    }

    /// The request to send.
    ///
    /// # Panics
    /// Never: the URL was checked when it was made.
    #[must_use]
    pub fn to_request(&self) -> Request<Vec<u8>> {
        let mut request = Request::new(self.message.to_request().to_string().into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self
            .url
            .as_str()
            .parse()
            .expect("a peer's URL was checked to be a URI");
        let caller = HeaderValue::from_str(&self.caller.to_string());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            HeaderName::from_static("x-workspace-id"),
            caller.expect("a UUID is a valid header value"),
        );
        request
    }

    /// Reads what the peer answered.
    ///
    /// # Errors
    /// [`ApiError::A2a`] when it answered with a status that is not 2xx, redirects included, and no JSON-RPC error.
    pub fn read(&self, answer: &Answer<'_>) -> Result<A2aReply, ApiError> {
        A2aReply::read_directly(answer, || refused_directly(answer, Self::NAME))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::endpoints::{A2aOutcome, A2aRefusal};

    const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

    fn direct() -> DirectMessage {
        let url = "http://agent.example/a2a?x=1#y".parse().unwrap();
        DirectMessage::new(ID.parse().unwrap(), url, Message::text("m-1", "hi"))
    }

    fn read(status: u16, body: &str) -> Result<A2aReply, ApiError> {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        direct().read(&Answer::new(status, &headers, body.as_bytes()))
    }

    #[test]
    fn a_peer_sees_the_message_and_the_caller_alone() {
        let request = direct().to_request();
        assert_eq!(request.uri(), "http://agent.example/a2a?x=1");
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-workspace-id"]);
    }

    #[test]
    fn a_peer_cannot_speak_as_the_platform() {
        let busy = r#"{"busy":true,"error":"x","retry_after":5}"#;
        match read(503, busy) {
            Err(ApiError::A2a(_, reason)) => {
                assert_eq!(reason, A2aRefusal::ByAgent { retry_after: None });
            }
            other => panic!("{other:?}"),
        }
        let queued = read(202, r#"{"queued":true,"queue_id":"q"}"#).unwrap();
        assert_eq!(queued.outcome, A2aOutcome::Unreadable);
        let error = read(401, r#"{"error":"invalid caller auth token"}"#).unwrap_err();
        assert!(matches!(error, ApiError::A2a(..)), "{error:?}");
    }

    #[test]
    fn json_rpc_errors_may_have_any_status() {
        let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"bad"}}"#;
        for status in [200, 400, 500] {
            match read(status, body).unwrap().outcome {
                A2aOutcome::Failed(error) => assert_eq!(error.code, Some(-32600)),
                other => panic!("{other:?}"),
            }
        }
        assert!(read(400, r#"{"error":"bad"}"#).is_err());
    }
}
