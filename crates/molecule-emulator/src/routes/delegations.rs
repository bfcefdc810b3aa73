//! Delegations: given, listed, and reported by agents that send for themselves.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::asked::{Asked, TheWorkspace};
use crate::delegation::{self, Known, Order, Taken};
use crate::reply::{Outcome, Reply, bad_request};
use crate::request::{decode, or_zero, parse_id};

#[derive(Deserialize)]
struct Delegation {
    #[serde(default, deserialize_with = "or_zero")]
    target_id: String,
    #[serde(default, deserialize_with = "or_zero")]
    task: String,
    #[serde(default, deserialize_with = "or_zero")]
    idempotency_key: String,
}

impl Delegation {
    fn read(body: &[u8]) -> Result<(Self, Uuid), Reply> {
        let invalid = || bad_request("invalid delegation request");
        let wanted: Self = decode(body).map_err(|_| invalid())?;
        if wanted.target_id.is_empty() || wanted.task.is_empty() {
            return Err(invalid());
        }
        let target = target(&wanted.target_id)?;
        Ok((wanted, target))
    }
}

fn target(id: &str) -> Result<Uuid, Reply> {
    parse_id(id).ok_or_else(|| bad_request("target_id must be a valid UUID"))
}

/// Takes an order and carries it out in the background.
pub(crate) async fn delegate(asked: Asked<TheWorkspace>) -> Outcome {
    let (order, key) = asked.read(|tx| {
        let (wanted, target) = Delegation::read(&asked.body)?;
        if wanted.target_id == asked.id {
            return Err(bad_request("self-delegation not permitted"));
        }
        let order = parse_id(&asked.id).map(|source| Order {
            source,
            target,
            id: Uuid::new_v4().to_string(),
            task: wanted.task,
        });
        let order = order.filter(|order| tx.state.get(order.source).is_some());
        order
            .map(|order| (order, wanted.idempotency_key))
            .ok_or_else(|| untracked(target))
    })?;
    match asked.write(|tx| Ok(tx.take_order(&order, &key)))? {
        Taken::Known(known) => Ok(hit(&known)),
        Taken::New => {
            let answer = accepted(&order);
            tokio::spawn(delegation::run(asked.platform, order));
            Ok(answer)
        }
    }
}

fn accepted(order: &Order) -> Reply {
    let body =
        json!({ "delegation_id": order.id, "status": "delegated", "target_id": order.target });
    Reply::new(StatusCode::ACCEPTED, &body)
}

/// For an administrator who delegates for a workspace that does not exist: there is no log to keep the rows in.
fn untracked(target: Uuid) -> Reply {
    let body = json!({
        "delegation_id": Uuid::new_v4(),
        "status": "delegated",
        "target_id": target,
        "warning": "delegation dispatched but status tracking unavailable",
    });
    Reply::new(StatusCode::ACCEPTED, &body)
}

fn hit(known: &Known) -> Reply {
    Reply::ok(&json!({
        "delegation_id": known.id,
        "idempotent_hit": true,
        "status": known.status,
        "target_id": known.target,
    }))
}

pub(crate) async fn list(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let rows = parse_id(&asked.id).map(|id| tx.delegations(id));
        Ok(Reply::ok(&rows.unwrap_or_default()))
    })
}

#[derive(Deserialize)]
struct Record {
    #[serde(default, deserialize_with = "or_zero")]
    target_id: String,
    #[serde(default, deserialize_with = "or_zero")]
    task: String,
    #[serde(default, deserialize_with = "or_zero")]
    delegation_id: String,
}

/// A delegation that the agent sends itself.
pub(crate) async fn record(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let sent: Record = asked.decode()?;
        let required = [&sent.target_id, &sent.task, &sent.delegation_id];
        if required.iter().any(|text| text.is_empty()) {
            return Err(bad_request("invalid request body"));
        }
        let order = Order {
            source: tx.row(&asked.id)?.id,
            target: target(&sent.target_id)?,
            id: sent.delegation_id,
            task: sent.task,
        };
        tx.open_delegation(&order, "dispatched");
        let body = json!({ "delegation_id": order.id, "status": "recorded" });
        Ok(Reply::new(StatusCode::ACCEPTED, &body))
    })
}

#[derive(Deserialize)]
struct Update {
    #[serde(default, deserialize_with = "or_zero")]
    status: String,
    #[serde(default, deserialize_with = "or_zero")]
    error: String,
    #[serde(default, deserialize_with = "or_zero")]
    response_preview: String,
}

/// How such a delegation ended.
pub(crate) async fn update(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let update: Update = asked.decode()?;
        let source = tx.row(&asked.id)?.id;
        match update.status.as_str() {
            "completed" => {
                tx.delegation_completed(source, None, &asked.name, &update.response_preview);
            }
            "failed" => {
                tx.mark_delegation(source, &asked.name, "failed", &update.error);
                let payload = json!({ "delegation_id": asked.name, "error": update.error });
                tx.record("DELEGATION_FAILED", source, payload);
            }
            "" => return Err(bad_request("invalid request body")),
            _ => return Err(bad_request("status must be 'completed' or 'failed'")),
        }
        Ok(Reply::ok(
            &json!({ "delegation_id": asked.name, "status": update.status }),
        ))
    })
}
