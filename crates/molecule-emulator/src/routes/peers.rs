//! Peers: who they are, where they are, and whether one may talk to them.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::asked::{Anyone, Asked};
use crate::config::Mode;
use crate::platform::Platform;
use crate::reply::{Outcome, Reply, bad_request, forbidden};
use crate::request::{or_zero, parse_id};
use crate::tx::Tx;
use crate::url_rules;
use crate::workspace::Workspace;

pub(crate) async fn list(asked: Asked<Anyone>) -> Response {
    let wanted = asked.param("q").map(str::to_lowercase);
    let answer = asked.read(|tx| {
        tx.require_asker(&asked.id, &asked.bearer)?;
        let id = tx.row(&asked.id)?.id;
        let peers = tx.state.peers(id);
        let has_null_role = peers.iter().any(|row| row.role.is_none());
        if wanted.is_some() && has_null_role && tx.config.quirks().search_panics {
            return Ok(None);
        }
        let found = peers
            .into_iter()
            .filter(|row| wanted.as_ref().is_none_or(|q| mentions(row, q)));
        Ok::<_, Reply>(Some(Reply::ok(
            &found.map(Workspace::as_peer).collect::<Vec<_>>(),
        )))
    });
    match answer {
        Ok(Some(reply)) | Err(reply) => reply.into_response(),
        Ok(None) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn mentions(row: &Workspace, wanted: &str) -> bool {
    let role = row.role.as_deref().unwrap_or_default();
    row.name.to_lowercase().contains(wanted) || role.to_lowercase().contains(wanted)
}

/// A peer's url, before it was looked at for safety.
struct Found {
    id: Uuid,
    name: String,
    url: String,
    /// The url was rewritten for a caller in a container.
    rewritten: bool,
}

pub(crate) async fn discover(asked: Asked<Anyone>) -> Outcome {
    let caller = asked
        .header("x-workspace-id")
        .filter(|caller| !caller.is_empty());
    let caller = caller.ok_or_else(|| bad_request("X-Workspace-ID header is required"))?;
    let found = asked.read(|tx| {
        tx.require_asker(caller, &asked.bearer)?;
        tx.discover(caller, &asked.id)
    })?;
    if !is_safe(&asked.platform, &found).await {
        let text = "workspace URL failed safety check";
        return Err(Reply::error(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    Ok(Reply::ok(
        &json!({ "id": found.id, "name": found.name, "url": found.url }),
    ))
}

async fn is_safe(platform: &Platform, found: &Found) -> bool {
    let config = platform.config();
    let strict = config.mode == Mode::Production && !config.is_tenant();
    !(strict || found.rewritten) || url_rules::is_routable(&found.url, config.is_tenant()).await
}

#[derive(Deserialize)]
struct Access {
    #[serde(default, deserialize_with = "or_zero")]
    caller_id: String,
    #[serde(default, deserialize_with = "or_zero")]
    target_id: String,
}

pub(crate) async fn check_access(asked: Asked<Anyone>) -> Outcome {
    let Access {
        caller_id,
        target_id,
    } = asked.decode()?;
    if caller_id.is_empty() || target_id.is_empty() {
        return Err(bad_request("invalid request body"));
    }
    let allowed = asked.read(|tx| Ok(tx.may_talk(&caller_id, &target_id)))?;
    Ok(Reply::ok(&json!({ "allowed": allowed })))
}

impl Tx<'_> {
    /// The access rule on ids as they were sent; what is not an id may talk to nobody.
    pub(crate) fn may_talk(&self, caller: &str, target: &str) -> bool {
        let ids = parse_id(caller).zip(parse_id(target));
        ids.is_some_and(|(caller, target)| self.state.can_communicate(caller, target))
    }

    fn discover(&self, caller: &str, target: &str) -> Result<Found, Reply> {
        let target = parse_id(target).filter(|id| self.may_talk(caller, &id.to_string()));
        let row = target.and_then(|id| self.state.get(id));
        let row = row.ok_or_else(|| forbidden("not authorized to discover this workspace"))?;
        if !row.status.is_serving() || row.url.is_empty() {
            let body = json!({ "error": "workspace not available", "status": row.status });
            return Err(Reply::new(StatusCode::SERVICE_UNAVAILABLE, &body));
        }
        let caller = parse_id(caller).and_then(|id| self.state.get(id));
        let from_container = caller.is_some_and(|caller| !caller.is_external());
        let (url, rewritten) = self.url_for(row, from_container);
        Ok(Found {
            id: row.id,
            name: row.name.clone(),
            url,
            rewritten,
        })
    }

    /// The url of a row as its caller should use it: containers reach this machine under another name, and are
    /// themselves reached under the name of their network once their own url is forgotten.
    fn url_for(&self, row: &Workspace, from_container: bool) -> (String, bool) {
        if row.is_external() {
            let host = ["://127.0.0.1", "://localhost"]
                .into_iter()
                .find(|host| row.url.contains(host));
            return match host.filter(|_| from_container) {
                Some(host) => (row.url.replacen(host, "://host.docker.internal", 1), true),
                None => (row.url.clone(), false),
            };
        }
        if row.url_cached_until.is_some_and(|until| self.now < until) {
            return (row.url.clone(), false);
        }
        let short: String = row.id.to_string().chars().take(12).collect();
        (format!("http://ws-{short}:8000"), false)
    }
}
