//! The routes: any GET is a probe, any POST a message, on every path.

use std::future::ready;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::answer::{answer, health};

/// The largest body that is read, in bytes; a larger one is answered with 413.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// What answers on every path.
pub(super) fn routes(workspace_id: &str) -> Router {
    Router::new().fallback_service(service(workspace_id))
}

/// HEAD is answered like GET, without the body; methods that the original does not know get its
/// 501.
fn service(workspace_id: &str) -> MethodRouter {
    let health = health(workspace_id);
    get(move || ready(json(health.clone())))
        .post(|body: Bytes| ready(json(answer(&body))))
        .fallback(|| ready(StatusCode::NOT_IMPLEMENTED))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

fn json(body: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], body)
}
