//! The two rows of a delegation in its source's log, with all their oddities.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::text::{answer_text, cut, database_text};
use super::{Order, Taken};
use crate::activity::{Log, Row};
use crate::proxy::message::Message;
use crate::tx::Tx;

/// Rows that a listing shows.
const LISTED: usize = 50;

/// A delegation that the key of a request already stands for.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) target: Option<Uuid>,
}

impl Row {
    fn delegation(source: Uuid, method: &str, tx: &Tx<'_>) -> Self {
        let mut row = Self::new(source, "delegation", tx.now);
        row.method = Some(method.to_owned());
        row.source_id = Some(source);
        row
    }

    fn is_delegation(&self) -> bool {
        matches!(self.method.as_deref(), Some("delegate" | "delegate_result"))
    }

    fn is_delegate(&self, id: &str) -> bool {
        self.method.as_deref() == Some("delegate") && self.delegation_id() == Some(id)
    }

    fn is_result(&self, id: &str) -> bool {
        self.method.as_deref() == Some("delegate_result") && self.delegation_id() == Some(id)
    }

    fn delegation_id(&self) -> Option<&str> {
        let bodies = [&self.request_body, &self.response_body];
        bodies
            .into_iter()
            .flatten()
            .find_map(|body| body["delegation_id"].as_str())
    }

    /// The row as a listing shows it.
    fn listed(&self) -> Value {
        let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let mut entry = Map::new();
        let mut set = |key: &str, value: Value| entry.insert(key.to_owned(), value);
        set("created_at", json!(self.created_at));
        set("id", json!(self.id));
        set("source_id", json!(text(self.source_id)));
        set("status", json!(self.status));
        set("summary", json!(self.summary));
        set("target_id", json!(text(self.target_id)));
        set("type", json!(self.activity_type));
        if let Some(id) = self.delegation_id() {
            set("delegation_id", json!(id));
        }
        if let Some(error) = &self.error_detail {
            set("error", json!(error));
        }
        let preview = self.response_body.as_ref().map(preview);
        if let Some(preview) = preview.filter(|text| !text.is_empty()) {
            set("response_preview", json!(cut(&preview, 300)));
        }
        Value::Object(entry)
    }
}

/// The text of a result, or all of it as the database prints it.
fn preview(body: &Value) -> String {
    match body.get("text") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => database_text(body),
        Some(other) => database_text(other),
    }
}

impl Tx<'_> {
    /// The newest rows of delegations of a workspace.
    pub(crate) fn delegations(&self, source: Uuid) -> Vec<Value> {
        let log = self.state.activity.get(&source).into_iter();
        let rows = log.flat_map(Log::newest_first);
        rows.filter(|row| row.is_delegation())
            .take(LISTED)
            .map(Row::listed)
            .collect()
    }

    /// Opens a delegation, unless its key already stands for one that did not fail.
    pub(crate) fn take_order(&mut self, order: &Order, key: &str) -> Taken {
        if let Some(known) = self.known_delegation(order.source, key) {
            return Taken::Known(known);
        }
        let row = self.open_delegation(order, "pending");
        if !key.is_empty() {
            let keys = self.state.delegation_keys.entry(order.source).or_default();
            keys.insert(key.to_owned(), row);
        }
        Taken::New
    }

    /// The delegation of a key. One that failed gives up its key, and its row goes as well.
    fn known_delegation(&mut self, source: Uuid, key: &str) -> Option<Known> {
        let id = *self.state.delegation_keys.get(&source)?.get(key)?;
        let log = self.state.activity.get_mut(&source)?;
        let row = log.find(id)?;
        if row.status == "failed" {
            log.remove(id);
            return None;
        }
        Some(Known {
            id: row.delegation_id()?.to_owned(),
            status: row.status.clone(),
            target: row.target_id,
        })
    }

    /// Adds the first row of a delegation and returns its id.
    pub(crate) fn open_delegation(&mut self, order: &Order, status: &str) -> Uuid {
        let mut row = Row::delegation(order.source, "delegate", self);
        row.target_id = Some(order.target);
        row.summary = Some(format!("Delegating to {}", order.target));
        row.request_body = Some(json!({ "delegation_id": order.id, "task": order.task }));
        status.clone_into(&mut row.status);
        let id = row.id;
        self.state.log(row);
        let payload = json!({
            "delegation_id": order.id,
            "target_id": order.target,
            "task_preview": cut(&order.task, 100),
        });
        self.record("DELEGATION_SENT", order.source, payload);
        id
    }

    /// Moves the first row of a delegation on.
    pub(crate) fn mark_delegation(&mut self, source: Uuid, id: &str, status: &str, error: &str) {
        let log = self.state.activity.get_mut(&source).into_iter();
        for row in log.flat_map(Log::rows_mut) {
            if row.is_delegate(id) {
                status.clone_into(&mut row.status);
                if !error.is_empty() {
                    row.error_detail = Some(error.to_owned());
                }
            }
        }
    }

    pub(crate) fn delegation_moves(&mut self, order: &Order, status: &str) {
        self.mark_delegation(order.source, &order.id, status, "");
        let payload =
            json!({ "delegation_id": order.id, "status": status, "target_id": order.target });
        self.record("DELEGATION_STATUS", order.source, payload);
    }

    /// The target waits for a free moment.
    pub(crate) fn delegation_queued(&mut self, order: &Order) {
        let mut row = Row::delegation(order.source, "delegate_result", self);
        row.target_id = Some(order.target);
        row.summary = Some("Delegation queued — target at capacity".to_owned());
        row.response_body = Some(json!({ "delegation_id": order.id, "queued": true }));
        "queued".clone_into(&mut row.status);
        self.state.log(row);
        self.delegation_moves(order, "queued");
    }

    pub(crate) fn delegation_failed(&mut self, order: &Order, error: &str) {
        self.mark_delegation(order.source, &order.id, "failed", error);
        let mut row = Row::delegation(order.source, "delegate_result", self);
        row.target_id = Some(order.target);
        row.summary = Some("Delegation failed".to_owned());
        row.error_detail = Some(error.to_owned());
        if !self.config.quirks().unlabelled_failures {
            row.request_body = Some(json!({ "delegation_id": order.id }));
        }
        "failed".clone_into(&mut row.status);
        self.state.log(row);
        let payload =
            json!({ "delegation_id": order.id, "error": error, "target_id": order.target });
        self.record("DELEGATION_FAILED", order.source, payload);
    }

    /// Adds the row of a result.
    pub(crate) fn delegation_completed(
        &mut self,
        source: Uuid,
        target: Option<Uuid>,
        id: &str,
        text: &str,
    ) {
        let mut row = Row::delegation(source, "delegate_result", self);
        row.target_id = target;
        complete(&mut row, id, text);
        self.state.log(row);
        self.mark_delegation(source, id, "completed", "");
        let mut payload = json!({ "delegation_id": id, "response_preview": cut(text, 200) });
        if let Some(target) = target {
            payload["target_id"] = json!(target);
        }
        self.record("DELEGATION_COMPLETE", source, payload);
    }

    /// A queued message was answered: if it was a delegation, the row of its result says so. The first row does not.
    pub(crate) fn complete_queued(&mut self, message: &Message, body: &[u8]) {
        let metadata = &message.envelope["params"]["message"]["metadata"];
        let (Some(source), Some(id)) = (message.caller, metadata["delegation_id"].as_str()) else {
            return;
        };
        let text = answer_text(body);
        let log = self.state.activity.get_mut(&source).into_iter();
        for row in log.flat_map(Log::rows_mut) {
            if row.is_result(id) && row.status == "queued" {
                complete(row, id, &text);
            }
        }
        if !self.config.quirks().stale_delegations {
            self.mark_delegation(source, id, "completed", "");
        }
    }
}

fn complete(row: &mut Row, id: &str, text: &str) {
    row.summary = Some(format!("Delegation completed ({})", cut(text, 80)));
    row.response_body = Some(json!({ "delegation_id": id, "text": text }));
    "completed".clone_into(&mut row.status);
}
