//! `/emulator/faults`: the rules over HTTP. The real platform has no such route.

use http::StatusCode;
use molecule_protocol::parse_json;
use serde_json::json;

use super::FaultRule;
use crate::asked::{Admins, Asked};
use crate::reply::{Outcome, Reply, bad_request, not_found};

pub(crate) async fn list(asked: Asked<Admins>) -> Outcome {
    asked.check()?;
    Ok(Reply::ok(&asked.platform.faults()))
}

/// Unlike the platform's own routes this one says what is wrong with a body: who types a rule wants to know.
pub(crate) async fn add(asked: Asked<Admins>) -> Outcome {
    asked.check()?;
    let rule: FaultRule = parse_json(&asked.body)
        .map_err(|error| bad_request(&format!("this is no fault rule: {error}")))?;
    let id = asked
        .platform
        .add_fault(rule)
        .map_err(|error| bad_request(&error.to_string()))?;
    Ok(Reply::new(StatusCode::CREATED, &json!({ "id": id })))
}

pub(crate) async fn clear(asked: Asked<Admins>) -> Outcome {
    asked.check()?;
    Ok(Reply::ok(
        &json!({ "removed": asked.platform.clear_faults() }),
    ))
}

pub(crate) async fn remove(asked: Asked<Admins>) -> Outcome {
    asked.check()?;
    let removed = asked
        .id
        .parse()
        .is_ok_and(|id| asked.platform.remove_fault(id));
    if removed {
        Ok(Reply::ok(&json!({ "removed": 1 })))
    } else {
        Err(not_found("there is no such fault rule"))
    }
}
