//! The rule for requests that name an origin: the platform's own, or one of its canvas.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, HOST, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

const CANVAS: [&str; 2] = ["http://localhost:3000", "http://localhost:3001"];

pub(crate) async fn check(request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return next.run(request).await;
    };
    if is_own(&origin, request.headers()) {
        return next.run(request).await;
    }
    if !CANVAS.iter().any(|allowed| origin == *allowed) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = if is_preflight {
        preflight()
    } else {
        next.run(request).await
    };
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let credentials = HeaderValue::from_static("true");
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
    response
}

fn preflight() -> Response {
    let methods = "GET,POST,PUT,PATCH,DELETE,OPTIONS";
    let headers = "Origin,Content-Type,Authorization,X-Workspace-Id";
    let allowed = [
        (ACCESS_CONTROL_ALLOW_METHODS, methods),
        (ACCESS_CONTROL_ALLOW_HEADERS, headers),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// Exactly `http://<Host>` or `https://<Host>`: no path, no trailing slash, no other name of the same machine.
pub(super) fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let (Ok(origin), Some(host)) = (
        origin.to_str(),
        headers.get(HOST).and_then(|v| v.to_str().ok()),
    ) else {
        return false;
    };
    let stripped = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    stripped == Some(host)
}
