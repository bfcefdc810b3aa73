//! Answers in the platform's own spelling.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: String,
    retry_after: Option<u32>,
}

/// What a handler ends with: both sides are answers, `Err` is the early one.
pub(crate) type Outcome = Result<Reply, Reply>;

impl Reply {
    pub(crate) fn new(status: StatusCode, body: &impl Serialize) -> Self {
        Self {
            status,
            body: encode(body),
            retry_after: None,
        }
    }

    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// `{"error": text}`
    pub(crate) fn error(status: StatusCode, text: &str) -> Self {
        Self::new(status, &json!({ "error": text }))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The text under `error`, or nothing.
    pub(crate) fn error_text(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// JSON as Go writes it: `<`, `>` and `&` are escaped. They occur in strings only, so the text can be edited afterwards.
pub(crate) fn encode(body: &impl Serialize) -> String {
    let text =
        serde_json::to_string(body).expect("our answers have string keys and no failing fields");
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// A number as Go writes it: whole values without a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is whole and within the range of i64"
)]
pub(crate) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9.0e15 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

pub(crate) fn bad_request(text: &str) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, text)
}

pub(crate) fn unauthorized(text: &str) -> Reply {
    Reply::error(StatusCode::UNAUTHORIZED, text)
}

pub(crate) fn forbidden(text: &str) -> Reply {
    Reply::error(StatusCode::FORBIDDEN, text)
}

pub(crate) fn not_found(text: &str) -> Reply {
    Reply::error(StatusCode::NOT_FOUND, text)
}

/// There are no containers here to do something in.
pub(crate) fn no_container() -> Reply {
    let text = "workspace container not running";
    Reply::error(StatusCode::SERVICE_UNAVAILABLE, text)
}

pub(crate) fn internal(text: &str) -> Reply {
    Reply::error(StatusCode::INTERNAL_SERVER_ERROR, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angle_brackets_and_ampersands_are_escaped_as_go_does() {
        assert_eq!(
            encode(&json!({"a": "<&>"})),
            r#"{"a":"\u003c\u0026\u003e"}"#
        );
    }

    #[test]
    fn whole_numbers_carry_no_fraction() {
        assert_eq!(number(0.0).to_string(), "0");
        assert_eq!(number(0.2).to_string(), "0.2");
    }
}
