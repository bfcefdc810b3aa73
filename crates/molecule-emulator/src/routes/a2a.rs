//! Messages to agents.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use crate::config::Mode;
use crate::platform::Platform;
use crate::proxy::envelope::normalise;
use crate::proxy::outcome::{Message, dispatch, queued};
use crate::proxy::target::Route;
use crate::reply::{Reply, bad_request, forbidden, internal};
use crate::request::{Bearer, parse_id};
use crate::tx::Tx;
use crate::url_rules;

/// Callers that are not workspaces and that nobody may claim to be.
const RESERVED: [&str; 4] = ["system:", "webhook:", "test:", "channel:"];

pub(crate) async fn send(
    State(platform): State<Platform>,
    Path(target): Path<String>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = headers
        .get("x-workspace-id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    match prepare(&platform, &target, caller, &bearer, &body) {
        Ok(Prepared::Dispatch(message)) => post(platform, message).await,
        Ok(Prepared::Done(response)) => response,
        Err(reply) => reply.into_response(),
    }
}

enum Prepared {
    Dispatch(Message),
    Done(Response),
}

fn prepare(
    platform: &Platform,
    target: &str,
    caller: &str,
    bearer: &Bearer,
    body: &[u8],
) -> Result<Prepared, Reply> {
    platform.write(|tx| {
        let source = tx.source(target, caller, bearer)?;
        let envelope = normalise(body).ok_or_else(|| bad_request("invalid JSON"))?;
        let (id, route) = tx.route_to(target)?;
        Ok(match route {
            Route::Push(url) => Prepared::Dispatch(Message {
                target: id,
                caller: source,
                envelope,
                url,
            }),
            // What the platform answers here is not known; clients must handle a queued message anyway.
            Route::Poll => Prepared::Done(queued(tx.leave_in_log(id, source, envelope), 1)),
        })
    })
}

/// The dispatch goes on when the caller hangs up: its reply is then in the target's log only.
async fn post(platform: Platform, message: Message) -> Response {
    let config = platform.config();
    let strict = config.mode == Mode::Production && !config.is_tenant();
    if strict && !url_rules::is_routable(&message.url, false).await {
        let text = "workspace URL is not publicly routable";
        return Reply::error(StatusCode::BAD_GATEWAY, text).into_response();
    }
    let dispatched = tokio::spawn(dispatch(platform, message)).await;
    dispatched.unwrap_or_else(|_| internal("dispatch failed").into_response())
}

impl Tx<'_> {
    /// Who sends: nobody is the canvas, oneself needs no proof, and any other workspace proves it and must be allowed.
    fn source(
        &mut self,
        target: &str,
        caller: &str,
        bearer: &Bearer,
    ) -> Result<Option<Uuid>, Reply> {
        if RESERVED.iter().any(|reserved| caller.starts_with(reserved)) {
            return Err(forbidden("invalid caller ID"));
        }
        if !caller.is_empty() && caller != target {
            self.require_caller(caller, bearer)?;
            if !self.may_talk(caller, target) {
                let text = "access denied: workspaces cannot communicate per hierarchy rules";
                return Err(forbidden(text));
            }
        }
        Ok(parse_id(caller))
    }
}
