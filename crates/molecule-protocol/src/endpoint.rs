//! An endpoint is a value: what to send, and how to read what comes back.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{ApiError, Refusal};
use crate::json::Budget;
use crate::rows::{Rows, read_rows};
use crate::{JsonError, PlatformUrl, WorkspaceId, parse_json};

/// One call to the platform. It performs nothing.
///
/// ```
/// use molecule_protocol::endpoints::PollState;
/// use molecule_protocol::{Answer, Endpoint, WorkspaceStatus};
/// use http::{HeaderMap, StatusCode};
///
/// let poll = PollState::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?);
/// assert_eq!(poll.call().path, "/workspaces/9e453dad-99f0-4e01-8c72-0031bf974e26/state");
///
/// let body = br#"{"workspace_id":"9e45","status":"paused","paused":true,"deleted":false}"#;
/// let state = poll.read(&Answer::new(StatusCode::OK, &HeaderMap::new(), body))?;
/// assert_eq!(state.status, WorkspaceStatus::Paused);
/// assert!(state.should_stop());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Endpoint {
    /// What a good answer says.
    type Output;

    /// A short name for errors and logs, such as `register`.
    const NAME: &'static str;

    /// What to send.
    fn call(&self) -> Call;

    /// Reads the answer.
    ///
    /// # Errors
    /// When the platform refused the call, or answered something that is not what it documents.
    fn read(&self, answer: &Answer<'_>) -> Result<Self::Output, ApiError>;
}

/// Who has to vouch for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nobody: the route is open.
    Open,
    /// The workspace's own token; without one the call is made all the same, for first registrations.
    Workspace,
    /// The platform's admin token, or an organisation token.
    Admin,
}

/// What an endpoint sends.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path and query, starting with a slash, already percent-encoded.
    pub path: String,
    /// Headers of the endpoint itself; authorization and tenant headers are the transport's.
    pub headers: HeaderMap,
    /// The body: compact JSON, or what the headers say.
    pub body: Option<Vec<u8>>,
    /// Which token goes along.
    pub auth: Auth,
    /// Whether sending it twice does no more than sending it once.
    pub repeatable: bool,
}

impl Call {
    pub(crate) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            headers: HeaderMap::new(),
            body: None,
            auth: Auth::Workspace,
            repeatable: true,
        }
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self {
            method: Method::POST,
            repeatable: false,
            ..Self::get(path.into())
        }
    }

    pub(crate) fn delete(path: String) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::post(path)
        }
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body)
            .expect("our own request types have string keys and no failing serializer");
        self.bytes(HeaderValue::from_static("application/json"), bytes)
    }

    pub(crate) fn bytes(mut self, content_type: HeaderValue, body: Vec<u8>) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = Some(body);
        self
    }

    pub(crate) const fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    pub(crate) const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Says who calls: without it the platform takes a message for the canvas user's.
    pub(crate) fn on_behalf_of(mut self, caller: &WorkspaceId) -> Self {
        let value =
            HeaderValue::from_str(&caller.to_string()).expect("a UUID is a valid header value");
        self.headers
            .insert(HeaderName::from_static("x-workspace-id"), value);
        self
    }

    /// The call as an HTTP request to `platform`, without authorization.
    ///
    /// # Panics
    /// Never: both halves of the URL were checked when they were made.
    #[must_use]
    pub fn to_request(&self, platform: &PlatformUrl) -> Request<Vec<u8>> {
        let mut request = Request::new(self.body.clone().unwrap_or_default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = platform
            .join(&self.path)
            .parse()
            .expect("a checked base URL and an encoded path make a URI");
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// How the platform says that it did something: `{"status": "ok"}` and the like.
#[derive(Deserialize)]
struct Done {
    #[serde(rename = "status")]
    _status: String,
}

/// What came back: status, headers and the whole body.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// An answer of these parts.
    #[must_use]
    pub const fn new(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        Self {
            status,
            headers,
            body,
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The body's bytes.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The body as JSON of a 2xx answer.
    pub(crate) fn json<T: DeserializeOwned>(&self, endpoint: &'static str) -> Result<T, ApiError> {
        self.success(endpoint)?;
        parse_json(self.body).map_err(|error| self.malformed(endpoint, &error))
    }

    /// [`json`](Self::json) of a call that not every platform has.
    pub(crate) fn json_if_known<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
    ) -> Result<T, ApiError> {
        self.known(endpoint)?;
        self.json(endpoint)
    }

    /// The platform's own words for a route that it does not have. What stands before the platform answers otherwise.
    pub(crate) fn known(&self, endpoint: &'static str) -> Result<(), ApiError> {
        let says_so = self.body.trim_ascii() == b"404 page not found";
        if self.status == StatusCode::NOT_FOUND && says_so {
            return Err(ApiError::Unsupported(self.refused(endpoint)));
        }
        Ok(())
    }

    /// The elements of a list that `read` takes for rows, `null` being an empty list. Each is read for itself, so that one that is
    /// too deep, too dear or too odd hides no other. No row may take more than `share` of what the answer may take in memory.
    pub(crate) fn rows<T>(
        &self,
        endpoint: &'static str,
        share: usize,
        read: impl FnMut(&RawValue, &mut Budget) -> Option<T>,
    ) -> Result<Rows<T>, ApiError> {
        self.success(endpoint)?;
        read_rows(self.body, share, read).map_err(|error| self.malformed(endpoint, &error))
    }

    /// The platform says that it did what was asked. A 2xx alone could be anybody's, such as a proxy's.
    pub(crate) fn done(&self, endpoint: &'static str) -> Result<(), ApiError> {
        self.json::<Done>(endpoint).map(|Done { .. }| ())
    }

    pub(crate) fn success(&self, endpoint: &'static str) -> Result<(), ApiError> {
        if self.status.is_success() {
            Ok(())
        } else {
            Err(self.refusal(endpoint))
        }
    }

    pub(crate) fn malformed(&self, endpoint: &'static str, error: &JsonError) -> ApiError {
        let status = self.status;
        match error {
            JsonError::TooDear => ApiError::TooDear { endpoint, status },
            JsonError::Unreadable(error) => ApiError::Malformed {
                endpoint,
                status,
                source: error.into(),
            },
        }
    }

    /// The typed error of an answer that is not 2xx.
    pub(crate) fn refusal(&self, endpoint: &'static str) -> ApiError {
        ApiError::from_refusal(self.refused(endpoint), self)
    }

    pub(crate) fn refused(&self, endpoint: &'static str) -> Refusal {
        Refusal {
            endpoint,
            status: self.status,
            message: self.message(),
        }
    }

    /// The body as a JSON object, where it is one.
    pub(crate) fn object(&self) -> Option<serde_json::Map<String, Value>> {
        parse_json(self.body).ok()
    }

    /// The platform's own words, fit for a message.
    pub(crate) fn message(&self) -> Option<String> {
        let text = self.object()?.get("error")?.as_str()?.to_owned();
        Some(text.chars().filter(|c| !c.is_control()).take(300).collect())
    }
}
