//! `/emulator/faults`: the rules over HTTP. The real platform has no such route.

use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::FaultRule;
use crate::platform::Platform;
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::Bearer;

pub(crate) async fn list(State(platform): State<Platform>, bearer: Bearer) -> Outcome {
    platform.read(|tx| tx.require_admin(&bearer))?;
    Ok(Reply::ok(&platform.faults()))
}

/// Unlike the platform's own routes this one says what is wrong with a body: who types a rule wants to know.
pub(crate) async fn add(State(platform): State<Platform>, bearer: Bearer, body: Bytes) -> Outcome {
    platform.read(|tx| tx.require_admin(&bearer))?;
    let rule: FaultRule = serde_json::from_slice(&body)
        .map_err(|error| bad_request(&format!("this is no fault rule: {error}")))?;
    let id = platform
        .add_fault(rule)
        .map_err(|error| bad_request(&error.to_string()))?;
    Ok(Reply::new(StatusCode::CREATED, &json!({ "id": id })))
}

pub(crate) async fn clear(State(platform): State<Platform>, bearer: Bearer) -> Outcome {
    platform.read(|tx| tx.require_admin(&bearer))?;
    Ok(Reply::ok(&json!({ "removed": platform.clear_faults() })))
}

pub(crate) async fn remove(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    bearer: Bearer,
) -> Outcome {
    platform.read(|tx| tx.require_admin(&bearer))?;
    let removed = id.parse().is_ok_and(|id| platform.remove_fault(id));
    if removed {
        Ok(Reply::ok(&json!({ "removed": 1 })))
    } else {
        Err(not_found("there is no such fault rule"))
    }
}
