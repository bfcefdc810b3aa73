//! What agents remember: values under keys.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::asked::{Asked, TheWorkspace};
use crate::records::Entry;
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::or_zero;

pub(crate) async fn list(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let now = tx.now;
        let entries = tx
            .records(&asked.id)
            .into_iter()
            .flat_map(|records| &records.entries);
        let live = entries.filter(|(_, entry)| entry.is_live(now));
        let shown: Vec<Value> = live.map(|(key, entry)| shown(key, entry)).collect();
        Ok(Reply::ok(&shown))
    })
}

fn shown(key: &str, entry: &Entry) -> Value {
    let Entry {
        value,
        version,
        expires_at,
        updated_at,
    } = entry;
    let mut shown =
        json!({ "key": key, "updated_at": updated_at, "value": value, "version": version });
    if let Some(end) = expires_at {
        shown["expires_at"] = json!(end);
    }
    shown
}

pub(crate) async fn show(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let now = tx.now;
        let records = tx.records(&asked.id);
        let entry = records.and_then(|records| records.entries.get(&asked.name));
        let entry = entry.filter(|entry| entry.is_live(now));
        let entry = entry.ok_or_else(|| not_found("key not found"))?;
        Ok(Reply::ok(&shown(&asked.name, entry)))
    })
}

#[derive(Deserialize)]
struct Write {
    #[serde(default, deserialize_with = "or_zero")]
    key: String,
    #[serde(default)]
    value: Value,
    ttl_seconds: Option<i64>,
    if_match_version: Option<i64>,
}

/// Stores a value; with a version, only if that is the one that is there.
pub(crate) async fn write(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let write: Write = asked.decode()?;
        if write.key.is_empty() {
            return Err(bad_request("key is required"));
        }
        let now = tx.now;
        let entries = &mut tx.records_mut(&asked.id)?.entries;
        let current = entries.get(&write.key).map(|entry| entry.version);
        check_version(write.if_match_version, current)?;
        let entry = Entry {
            value: write.value,
            version: current.unwrap_or(0) + 1,
            expires_at: write.ttl_seconds.and_then(|ttl| after(now, ttl)),
            updated_at: now,
        };
        let answer = json!({ "key": write.key, "status": "ok", "version": entry.version });
        entries.insert(write.key, entry);
        Ok(Reply::ok(&answer))
    })
}

fn after(now: Timestamp, seconds: i64) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// A version of 0 means that there must be no value yet.
fn check_version(expected: Option<i64>, current: Option<i64>) -> Result<(), Reply> {
    let Some(expected) = expected.filter(|expected| *expected != current.unwrap_or(0)) else {
        return Ok(());
    };
    let text = match current {
        Some(_) => "if_match_version mismatch",
        None => "if_match_version mismatch: key does not exist",
    };
    let body = json!({ "current_version": current, "error": text, "expected_version": expected });
    Err(Reply::new(StatusCode::CONFLICT, &body))
}

pub(crate) async fn delete(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        if let Ok(records) = tx.records_mut(&asked.id) {
            records.entries.remove(&asked.name);
        }
        Ok(Reply::ok(&json!({ "status": "deleted" })))
    })
}
