//! Registration, and the agent card after it.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::asked::{Anyone, Asked};
use crate::clock::signed;
use crate::config::Generation;
use crate::platform::Platform;
use crate::reply::{Outcome, Reply, bad_request, internal};
use crate::request::{Bearer, or_zero, parse_id, present};
use crate::routes::removed;
use crate::tx::Tx;
use crate::url_rules;
use crate::workspace::{DeliveryMode, EXTERNAL, Status, Workspace};

/// How long the url of a container is remembered as its own.
const URL_CACHE: std::time::Duration = std::time::Duration::from_secs(300);

#[derive(Deserialize)]
struct Registration {
    #[serde(default, deserialize_with = "or_zero")]
    id: String,
    #[serde(default, deserialize_with = "or_zero")]
    url: String,
    #[serde(default, deserialize_with = "present")]
    agent_card: Option<Value>,
    #[serde(default)]
    delivery_mode: Option<Value>,
}

pub(crate) async fn register(asked: Asked<Anyone>) -> Outcome {
    let payload: Registration = asked.decode()?;
    let Some(card) = payload.agent_card.filter(|_| !payload.id.is_empty()) else {
        return Err(invalid());
    };
    let wanted = asked_mode(&asked.platform, payload.delivery_mode.as_ref())?;
    let mode = asked.read(|tx| Ok(tx.delivery_mode(&payload.id, wanted)))?;
    let accepted =
        url_rules::is_acceptable(&payload.url, asked.platform.config().is_tenant()).await;
    if !accepted && mode != Some(DeliveryMode::Poll) {
        return Err(refused_url(&asked.platform));
    }
    let url = if accepted { payload.url } else { String::new() };
    asked.write(|tx| tx.register(&payload.id, &asked.bearer, Registered { url, card, mode }))
}

fn invalid() -> Reply {
    bad_request("invalid request body")
}

fn refused_url(platform: &Platform) -> Reply {
    if platform.config().quirks().hidden_reason {
        return invalid();
    }
    bad_request("url must be http or https, and its host must resolve to public addresses")
}

/// The mode that the payload asks for; generation A has never heard of it.
fn asked_mode(platform: &Platform, mode: Option<&Value>) -> Result<Option<DeliveryMode>, Reply> {
    if platform.config().generation == Generation::A {
        return Ok(None);
    }
    match mode.map(|mode| mode.as_str()) {
        None | Some(Some("")) => Ok(None),
        Some(Some("push")) => Ok(Some(DeliveryMode::Push)),
        Some(Some("poll")) => Ok(Some(DeliveryMode::Poll)),
        Some(_) if mode == Some(&Value::Null) => Ok(None),
        Some(_) => Err(invalid()),
    }
}

/// What a registration stores.
struct Registered {
    url: String,
    card: Value,
    mode: Option<DeliveryMode>,
}

impl Tx<'_> {
    /// The payload's mode, else the row's earlier one, else poll for external rows and push for others.
    fn delivery_mode(&self, id: &str, asked: Option<DeliveryMode>) -> Option<DeliveryMode> {
        if self.config.generation == Generation::A {
            return None;
        }
        let row = parse_id(id).and_then(|id| self.state.get(id));
        let by_runtime = match row {
            Some(row) if row.is_external() => DeliveryMode::Poll,
            _ => DeliveryMode::Push,
        };
        asked
            .or(row.and_then(|row| row.delivery_mode))
            .or(Some(by_runtime))
    }

    fn register(&mut self, id: &str, bearer: &Bearer, registered: Registered) -> Outcome {
        let mode = registered.mode;
        self.require_own_if_any(id, bearer)?;
        let id = parse_id(id).ok_or_else(|| internal("registration failed"))?;
        match self.state.get(id) {
            Some(row) if row.is_removed() && !self.config.quirks().dead_tokens => {
                return Err(removed(row));
            }
            Some(_) => {}
            None => self.self_create(id),
        }
        self.bring_online(id, registered);
        let mut answer = Map::new();
        answer.insert("status".to_owned(), json!("registered"));
        if let Some(mode) = mode {
            answer.insert("delivery_mode".to_owned(), json!(mode));
        }
        if !self.state.tokens.any_live(id) {
            answer.insert(
                "auth_token".to_owned(),
                json!(self.state.tokens.issue(id, self.now)),
            );
        }
        Ok(Reply::ok(&answer))
    }

    /// An id that nobody created becomes a row, which the platform then takes for a container.
    fn self_create(&mut self, id: Uuid) {
        let mut row = Workspace::new(id, id.to_string(), self.now);
        row.tier = 1;
        if !self.config.quirks().containers_by_registration {
            EXTERNAL.clone_into(&mut row.runtime);
        }
        self.state.insert(row);
    }

    /// Whatever the row was, it is online now, unless it was removed.
    fn bring_online(&mut self, id: Uuid, registered: Registered) {
        let (now, ttl) = (self.now, signed(self.config.liveness.key_ttl));
        let Some(row) = self.state.get_mut(id).filter(|row| !row.is_removed()) else {
            return;
        };
        if !row.url.starts_with("http://127.0.0.1") {
            row.url = registered.url;
        }
        row.agent_card = registered.card;
        row.delivery_mode = registered.mode;
        row.set_status(Status::Online, now);
        row.last_heartbeat_at = Some(now);
        row.live_until = now.checked_add(ttl).ok();
        row.url_cached_until = now.checked_add(signed(URL_CACHE)).ok();
        self.record_status(id);
    }
}

#[derive(Deserialize)]
struct CardUpdate {
    #[serde(default, deserialize_with = "or_zero")]
    workspace_id: String,
    #[serde(default, deserialize_with = "present")]
    agent_card: Option<Value>,
}

pub(crate) async fn update_card(asked: Asked<Anyone>) -> Outcome {
    let payload: CardUpdate = asked.decode()?;
    let Some(card) = payload
        .agent_card
        .filter(|_| !payload.workspace_id.is_empty())
    else {
        return Err(invalid());
    };
    asked.write(|tx| {
        tx.require_own_if_any(&payload.workspace_id, &asked.bearer)?;
        let failed = || Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "failed to update");
        let id = parse_id(&payload.workspace_id).ok_or_else(failed)?;
        if let Some(row) = tx.state.get_mut(id) {
            row.agent_card = card.clone();
            tx.record("AGENT_CARD_UPDATED", id, json!({ "agent_card": card }));
        }
        Ok(Reply::ok(&json!({ "status": "updated" })))
    })
}
