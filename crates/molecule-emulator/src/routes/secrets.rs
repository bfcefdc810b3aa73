//! Secrets of workspaces and of the whole platform.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Admins, Asked, TheWorkspace};
use crate::provisioner::{self, Start};
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::{decode, is_canonical, or_zero, parse_id};
use crate::tx::Tx;
use crate::workspace::{Secret, Secrets};

#[derive(Deserialize)]
struct Saved {
    #[serde(default, deserialize_with = "or_zero")]
    key: String,
    #[serde(default, deserialize_with = "or_zero")]
    value: String,
}

impl Saved {
    /// Keys are not validated by the platform, so neither here.
    fn read(body: &[u8]) -> Result<Self, Reply> {
        let saved: Self = decode(body)?;
        if saved.key.is_empty() || saved.value.is_empty() {
            return Err(bad_request("invalid request body"));
        }
        Ok(saved)
    }

    fn store(self, secrets: &mut Secrets, now: Timestamp) -> String {
        let created_at = secrets.get(&self.key).map_or(now, |old| old.created_at);
        let mut secret = Secret::new(self.value, now);
        secret.created_at = created_at;
        secrets.insert(self.key.clone(), secret);
        self.key
    }
}

fn listed(key: &str, secret: &Secret, scope: &str) -> Value {
    json!({
        "created_at": secret.created_at,
        "has_value": true,
        "key": key,
        "scope": scope,
        "updated_at": secret.updated_at,
    })
}

/// The own keys, then the global ones that they do not hide.
pub(crate) async fn list(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let own = &tx.row(&asked.id)?.secrets;
        let mut keys: Vec<_> = own
            .iter()
            .map(|(key, s)| listed(key, s, "workspace"))
            .collect();
        let global = tx
            .state
            .global_secrets
            .iter()
            .filter(|(key, _)| !own.contains_key(*key));
        keys.extend(global.map(|(key, secret)| listed(key, secret, "global")));
        Ok(Reply::ok(&keys))
    })
}

/// All values, the own ones winning; for the workspace's own token alone.
pub(crate) async fn values(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        if !is_canonical(&asked.id) {
            return Err(bad_request("invalid workspace ID"));
        }
        tx.require_own(&asked.id, &asked.bearer)?;
        let own = parse_id(&asked.id).and_then(|id| tx.state.get(id));
        let own = own.map(|row| &row.secrets).into_iter().flatten();
        check_readable(own.clone())?;
        let all = tx.state.global_secrets.iter().chain(own);
        let values: BTreeMap<_, _> = all.map(|(key, secret)| (key, &secret.value)).collect();
        Ok(Reply::ok(&values))
    })
}

/// A bundle with a hole in it is not handed out.
fn check_readable<'a>(own: impl Iterator<Item = (&'a String, &'a Secret)>) -> Result<(), Reply> {
    let failed = own.filter(|(_, secret)| secret.undecryptable);
    let failed: Vec<_> = failed.map(|(key, _)| format!("workspace:{key}")).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let body = json!({
        "error": "one or more secrets failed to decrypt; refusing to return partial bundle",
        "failed_keys": failed,
    });
    Err(Reply::new(StatusCode::INTERNAL_SERVER_ERROR, &body))
}

/// Saving a secret of a workspace in a container restarts it.
pub(crate) async fn save(asked: Asked<TheWorkspace>) -> Outcome {
    let (key, start) = asked.write(|tx| {
        let saved = Saved::read(&asked.body)?;
        let id = tx.row(&asked.id)?.id;
        let now = tx.now;
        let row = tx
            .state
            .get_mut(id)
            .ok_or_else(|| not_found("workspace not found"))?;
        let key = saved.store(&mut row.secrets, now);
        Ok::<_, Reply>((key, tx.restart_if_container(id)))
    })?;
    provisioner::finish(start);
    Ok(Reply::ok(&json!({ "key": key, "status": "saved" })))
}

pub(crate) async fn delete(asked: Asked<TheWorkspace>) -> Outcome {
    let start = asked.write(|tx| {
        let id = tx.row(&asked.id)?.id;
        let removed = tx
            .state
            .get_mut(id)
            .and_then(|row| row.secrets.remove(&asked.name));
        removed.ok_or_else(|| not_found("secret not found"))?;
        Ok::<_, Reply>(tx.restart_if_container(id))
    })?;
    provisioner::finish(start);
    Ok(Reply::ok(
        &json!({ "key": asked.name, "status": "deleted" }),
    ))
}

pub(crate) async fn list_global(asked: Asked<Admins>) -> Outcome {
    asked.read(|tx| {
        let keys = tx
            .state
            .global_secrets
            .iter()
            .map(|(key, secret)| listed(key, secret, "global"));
        Ok(Reply::ok(&keys.collect::<Vec<_>>()))
    })
}

pub(crate) async fn save_global(asked: Asked<Admins>) -> Outcome {
    asked.write(|tx| {
        let key = Saved::read(&asked.body)?.store(&mut tx.state.global_secrets, tx.now);
        Ok(Reply::ok(
            &json!({ "key": key, "scope": "global", "status": "saved" }),
        ))
    })
}

pub(crate) async fn delete_global(asked: Asked<Admins>) -> Outcome {
    asked.write(|tx| {
        tx.state
            .global_secrets
            .remove(&asked.id)
            .ok_or_else(|| not_found("secret not found"))?;
        Ok(Reply::ok(
            &json!({ "key": asked.id, "scope": "global", "status": "deleted" }),
        ))
    })
}

impl Tx<'_> {
    fn restart_if_container(&mut self, id: Uuid) -> Start {
        let is_container = self.state.get(id).is_some_and(|row| !row.is_external());
        if is_container {
            provisioner::start(self, id)
        } else {
            None
        }
    }
}
