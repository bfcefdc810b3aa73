//! `/emulator/workspaces/{id}`: what an operator does in the platform's database and cache. The real platform has no such
//! route.

use molecule_protocol::{WorkspaceId, WorkspaceStatus, parse_json};
use serde::Deserialize;
use serde_json::json;

use crate::asked::{Admins, Asked};
use crate::reply::{Outcome, Reply, bad_request, not_found};

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Change {
    SetStatus { status: WorkspaceStatus },
    RevokeAllTokens,
    CorruptSecret { key: String },
    ExpireUrlCache,
}

/// Like the route for faults, this one says what is wrong with a body.
pub(crate) async fn change(asked: Asked<Admins>) -> Outcome {
    asked.check()?;
    let id: WorkspaceId = asked
        .id
        .parse()
        .map_err(|_| bad_request("invalid workspace ID"))?;
    let change = parse_json(&asked.body)
        .map_err(|error| bad_request(&format!("this is no change: {error}")))?;
    let platform = &asked.platform;
    let done = match change {
        Change::SetStatus { status } => platform.set_status(id, &status),
        Change::RevokeAllTokens => platform.revoke_tokens(id),
        Change::CorruptSecret { key } => platform.corrupt_secret(id, &key),
        Change::ExpireUrlCache => platform.expire_url_cache(id),
    };
    done.map_err(|error| not_found(&error.to_string()))?;
    Ok(Reply::ok(&json!({ "status": "changed" })))
}
