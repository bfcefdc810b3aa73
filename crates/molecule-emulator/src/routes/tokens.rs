//! Tokens of workspaces and of the organisation.

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::asked::{Admins, Asked, TheWorkspace};
use crate::config::Mode;
use crate::reply::{Outcome, Reply, internal, not_found};
use crate::request::{or_zero, parse_id};
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

pub(crate) async fn list(asked: Asked<TheWorkspace>) -> Outcome {
    let number = |key| {
        asked
            .param(key)
            .and_then(|value| value.parse::<usize>().ok())
    };
    let limit = number("limit")
        .filter(|limit| *limit > 0)
        .unwrap_or(50)
        .min(200);
    asked.read(|tx| {
        let id = tx.row(&asked.id)?.id;
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

pub(crate) async fn create(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let id = tx.row(&asked.id)?.id;
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

pub(crate) async fn revoke(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let token = parse_id(&asked.name).ok_or_else(|| internal("failed to revoke token"))?;
        let id = tx.row(&asked.id)?.id;
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

pub(crate) async fn create_for_org(asked: Asked<Admins>) -> Outcome {
    asked.write(|tx| {
        let Named { name } = asked.decode()?;
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
pub(crate) async fn list_of_org(asked: Asked<Admins>) -> Outcome {
    asked.read(|tx| {
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

pub(crate) async fn revoke_of_org(asked: Asked<Admins>) -> Outcome {
    asked.write(|tx| {
        let id = parse_id(&asked.id).ok_or_else(|| internal("failed to revoke"))?;
        let before = tx.state.org_tokens.len();
        tx.state.org_tokens.retain(|row| row.id != id);
        if tx.state.org_tokens.len() == before {
            return Err(not_found("token not found or already revoked"));
        }
        Ok(Reply::ok(&json!({ "revoked": id })))
    })
}

/// A token for tests, wherever the platform is not in production.
pub(crate) async fn test_token(asked: Asked<Admins>) -> Outcome {
    if asked.platform.config().mode == Mode::Production {
        return Err(not_found("not found"));
    }
    asked.write(|tx| {
        let id = tx.row(&asked.id)?.id;
        let token = tx.state.tokens.issue(id, tx.now);
        Ok(Reply::ok(
            &json!({ "auth_token": token, "workspace_id": id }),
        ))
    })
}
