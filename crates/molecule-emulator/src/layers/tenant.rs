//! The hosted service's guard: a request names the organisation, or there is nothing here.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::platform::Platform;

/// Paths that need no organisation; `/cp/` is exempt as a prefix.
const EXEMPT: [&str; 4] = [
    "/health",
    "/metrics",
    "/registry/register",
    "/registry/heartbeat",
];

pub(crate) async fn guard(
    State(platform): State<Platform>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let named = request
        .headers()
        .get("x-molecule-org-id")
        .and_then(|value| value.to_str().ok());
    let expected = platform.config().org_id.as_deref();
    let passes = expected.is_none()
        || expected == named
        || EXEMPT.contains(&path)
        || path.starts_with("/cp/");
    if passes {
        next.run(request).await
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}
