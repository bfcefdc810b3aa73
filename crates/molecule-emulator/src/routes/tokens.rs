//! Tokens of workspaces and of the organisation.

use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::config::Mode;
use crate::platform::Platform;
use crate::reply::{Outcome, Reply, internal, not_found};
use crate::request::{Bearer, Params, decode, or_zero, parse_id};
use crate::token::{MAX_LIVE, OrgToken, TokenRow};

#[derive(Serialize)]
struct Listed<'a> {
    id: Uuid,
    prefix: &'a str,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl<'a> From<&'a TokenRow> for Listed<'a> {
    fn from(row: &'a TokenRow) -> Self {
        let TokenRow {
            id,
            prefix,
            created_at,
            last_used_at,
            ..
        } = row;
        Self {
            id: *id,
            prefix,
            created_at: *created_at,
            last_used_at: *last_used_at,
        }
    }
}

pub(crate) async fn list(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    params: Params,
    bearer: Bearer,
) -> Outcome {
    let number = |key: &str| {
        params
            .get(key)
            .and_then(|value| value.parse::<usize>().ok())
    };
    let limit = number("limit")
        .filter(|limit| *limit > 0)
        .unwrap_or(50)
        .min(200);
    platform.read(|tx| {
        tx.require_workspace(&id, &bearer)?;
        let id = tx.row(&id)?.id;
        let rows = tx.state.tokens.of(id);
        let page = rows
            .into_iter()
            .skip(number("offset").unwrap_or(0))
            .take(limit);
        let tokens: Vec<Listed<'_>> = page.map(Listed::from).collect();
        Ok(Reply::ok(
            &json!({ "count": tokens.len(), "tokens": tokens }),
        ))
    })
}

pub(crate) async fn create(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    bearer: Bearer,
) -> Outcome {
    platform.write(|tx| {
        tx.require_workspace(&id, &bearer)?;
        let id = tx.row(&id)?.id;
        if tx.state.tokens.of(id).len() >= MAX_LIVE {
            let text = "maximum 50 active tokens per workspace";
            return Err(Reply::error(StatusCode::TOO_MANY_REQUESTS, text));
        }
        let body = json!({
            "auth_token": tx.state.tokens.issue(id, tx.now),
            "message": "Save this token now — it cannot be retrieved again.",
            "workspace_id": id,
        });
        Ok(Reply::new(StatusCode::CREATED, &body))
    })
}

pub(crate) async fn revoke(
    State(platform): State<Platform>,
    Path((id, token)): Path<(String, String)>,
    bearer: Bearer,
) -> Outcome {
    platform.write(|tx| {
        tx.require_workspace(&id, &bearer)?;
        let token = parse_id(&token).ok_or_else(|| internal("failed to revoke token"))?;
        let id = tx.row(&id)?.id;
        if !tx.state.tokens.revoke(id, token) {
            return Err(not_found("token not found or already revoked"));
        }
        Ok(Reply::ok(&json!({ "status": "revoked" })))
    })
}

#[derive(Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "or_zero")]
    name: String,
}

pub(crate) async fn create_for_org(
    State(platform): State<Platform>,
    bearer: Bearer,
    body: Bytes,
) -> Outcome {
    platform.write(|tx| {
        tx.require_admin(&bearer)?;
        let Named { name } = decode(&body)?;
        let (row, token) = OrgToken::issue(name, tx.now);
        let answer = json!({
            "id": row.id,
            "prefix": row.prefix,
            "name": row.name,
            "auth_token": token,
            "warning": "copy this token now; it will not be shown again",
        });
        tx.state.org_tokens.push(row);
        Ok(Reply::ok(&answer))
    })
}

/// The live tokens of the organisation, newest first.
pub(crate) async fn list_of_org(State(platform): State<Platform>, bearer: Bearer) -> Outcome {
    platform.read(|tx| {
        tx.require_admin(&bearer)?;
        let shown = |row: &OrgToken| {
            json!({
                "created_at": row.created_at,
                "id": row.id,
                "name": row.name,
                "prefix": row.prefix,
            })
        };
        let tokens: Vec<_> = tx.state.org_tokens.iter().rev().map(shown).collect();
        Ok(Reply::ok(
            &json!({ "count": tokens.len(), "tokens": tokens }),
        ))
    })
}

pub(crate) async fn revoke_of_org(
    State(platform): State<Platform>,
    Path(token): Path<String>,
    bearer: Bearer,
) -> Outcome {
    platform.write(|tx| {
        tx.require_admin(&bearer)?;
        let id = parse_id(&token).ok_or_else(|| internal("failed to revoke"))?;
        let before = tx.state.org_tokens.len();
        tx.state.org_tokens.retain(|row| row.id != id);
        if tx.state.org_tokens.len() == before {
            return Err(not_found("token not found or already revoked"));
        }
        Ok(Reply::ok(&json!({ "revoked": id })))
    })
}

/// A token for tests, wherever the platform is not in production.
pub(crate) async fn test_token(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    bearer: Bearer,
) -> Outcome {
    if platform.config().mode == Mode::Production {
        return Err(not_found("not found"));
    }
    platform.write(|tx| {
        tx.require_admin(&bearer)?;
        let id = tx.row(&id)?.id;
        let token = tx.state.tokens.issue(id, tx.now);
        Ok(Reply::ok(
            &json!({ "auth_token": token, "workspace_id": id }),
        ))
    })
}
