//! Probes.

use axum::extract::State;
use http::HeaderName;
use http::header::CONTENT_TYPE;
use serde_json::json;

use crate::platform::Platform;
use crate::reply::Reply;

pub(crate) async fn health() -> Reply {
    Reply::ok(&json!({ "status": "ok" }))
}

/// One gauge, in the text format of Prometheus.
pub(crate) async fn metrics(
    State(platform): State<Platform>,
) -> ([(HeaderName, &'static str); 1], String) {
    let count = platform.read(|tx| {
        tx.state
            .workspaces
            .values()
            .filter(|row| !row.is_removed())
            .count()
    });
    let text = format!("# TYPE molecule_workspaces gauge\nmolecule_workspaces {count}\n");
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
}
