//! The edge of the hosted service: a request that does not come from the platform's own origin is the canvas's.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ORIGIN;

use super::origin::is_own;
use crate::platform::Platform;

pub(crate) async fn check(
    State(platform): State<Platform>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let named = headers
        .get(ORIGIN)
        .is_some_and(|origin| is_own(origin, headers));
    if platform.config().edge && !named && is_guarded(request.uri().path()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(request).await
}

/// `/workspaces` and everything below it, and the list of peers.
fn is_guarded(path: &str) -> bool {
    let below = path.strip_prefix("/workspaces");
    let is_peers = path.starts_with("/registry/") && path.ends_with("/peers");
    is_peers || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: bool) {
        assert_eq!(is_guarded(path), expect, "{path}");
    }

    #[test]
    fn workspaces_and_peers_are_guarded_and_registration_is_not() {
        check("/workspaces", true);
        check("/workspaces/x/state", true);
        check("/registry/x/peers", true);
        check("/workspacesx", false);
        check("/registry/register", false);
        check("/registry/discover/x", false);
        check("/health", false);
    }
}
