//! Answers as HTTP.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON with status 200, as all answers of JSON-RPC are: the platform's proxy replaces the body of any other.
pub(super) fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A body for those who look at the status first. The platform's proxy passes such a text on.
pub(super) fn plain_error(text: &str) -> Response {
    json(json!({"error": text}).to_string().into_bytes())
}

/// Come back later. The proxy keeps the message then, and delivers it again.
pub(super) fn busy(text: &str) -> Response {
    let later = [(RETRY_AFTER, "5")];
    (StatusCode::SERVICE_UNAVAILABLE, later, plain_error(text)).into_response()
}

pub(super) fn with_status(status: StatusCode, text: &str) -> Response {
    (status, plain_error(text)).into_response()
}
