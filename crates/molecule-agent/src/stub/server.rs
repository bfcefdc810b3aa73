//! The listener: any GET is a probe, any POST a message, on every path.

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use molecule_transport::Clock;
use tokio_util::sync::CancellationToken;

use super::answer::{answer, health};

/// The largest body that is read, in bytes; a larger one is answered with 413.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// How long requests that are being answered may take to finish after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `listener` until `cancel`, and finishes what it is answering then.
pub(super) async fn serve(
    listener: TcpListener,
    workspace_id: String,
    clock: &dyn Clock,
    cancel: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = axum::serve(listener, service(&workspace_id).into_make_service())
        .with_graceful_shutdown(cancel.clone().cancelled_owned());
    tokio::select! {
        served = server => served,
        () = overdue(clock, &cancel) => Ok(()),
    }
}

/// A client that never finishes its request cannot hold up the stop for longer than this.
async fn overdue(clock: &dyn Clock, cancel: &CancellationToken) {
    cancel.cancelled().await;
    clock.sleep(GRACE).await;
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
