//! The activity log of a workspace, and messages to its user.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::activity::{Query, Row, Source, TYPES};
use crate::asked::{Asked, TheWorkspace};
use crate::config::Generation;
use crate::reply::{Outcome, Reply, bad_request, forbidden};
use crate::request::{Params, or_zero, parse_id};
use crate::routes::chat::text_of;
use crate::tx::Tx;
use crate::workspace::Workspace;

pub(crate) async fn list(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let query = tx.query(&asked.params)?;
        let log = parse_id(&asked.id).and_then(|id| tx.state.activity.get(&id));
        let empty = crate::activity::Log::default();
        let rows = log.unwrap_or(&empty).query(&query);
        let rows = rows.map_err(|_| gone())?;
        if !tx.config.quirks().described_rows {
            return Ok(Reply::ok(&rows));
        }
        let described: Vec<Value> = rows.into_iter().map(|row| tx.described(row)).collect();
        Ok(Reply::ok(&described))
    })
}

/// A cursor that the platform cannot continue from: the client starts over.
pub(crate) fn gone() -> Reply {
    Reply::error(
        StatusCode::GONE,
        "since_id not found (pruned or unknown); restart without it",
    )
}

/// At most 500 rows, 100 unless a positive number says otherwise.
pub(crate) fn limit(params: &Params) -> usize {
    let asked = params
        .get("limit")
        .and_then(|limit| limit.parse::<usize>().ok());
    asked
        .filter(|limit| *limit > 0)
        .map_or(100, |limit| limit.min(500))
}

/// A point in time that a parameter names.
pub(crate) fn before(params: &Params) -> Result<Option<Timestamp>, Reply> {
    let Some(text) = params.get("before_ts") else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| bad_request("before_ts must be an RFC 3339 timestamp"))
}

impl Tx<'_> {
    /// A row with what a reader of `data` looks for.
    fn described(&self, row: &Row) -> Value {
        let mut described = json!(row);
        if row.activity_type != "a2a_receive" || row.is_notify() {
            return described;
        }
        let said = row.request_body.as_ref().unwrap_or(&Value::Null);
        let peer = row.source_id.and_then(|id| self.state.get(id));
        described["data"] = json!({
            "activity_id": row.id,
            "agent_card_url": row.source_id.map(|id| format!("/registry/discover/{id}")),
            "kind": if peer.is_some() { "peer_agent" } else { "canvas_user" },
            "peer_id": row.source_id,
            "peer_name": peer.map(|peer| &peer.name),
            "peer_role": peer.and_then(|peer| peer.role.as_ref()),
            "source": if peer.is_some() { "peer_agent" } else { "canvas_user" },
            "text": text_of(&said["params"]["message"]["parts"]),
        });
        described
    }

    fn query(&self, params: &Params) -> Result<Query, Reply> {
        let source = match params.get("source").map(String::as_str) {
            None | Some("") => None,
            Some("canvas") => Some(Source::Canvas),
            Some("agent") => Some(Source::Agent),
            Some(_) => return Err(bad_request("source must be 'canvas' or 'agent'")),
        };
        let activity_type = params.get("type").filter(|text| !text.is_empty()).cloned();
        let query = Query {
            activity_type,
            source,
            limit: limit(params),
            ..Query::default()
        };
        match self.config.generation {
            Generation::A => Ok(query),
            Generation::B => self.narrow(query, params),
        }
    }

    /// The parameters that only the later generation knows.
    fn narrow(&self, mut query: Query, params: &Params) -> Result<Query, Reply> {
        if let Some(seconds) = params.get("since_secs") {
            let seconds = seconds.parse::<u32>().ok();
            let seconds =
                seconds.ok_or_else(|| bad_request("since_secs must be a positive integer"))?;
            query.since = self
                .now
                .checked_sub(SignedDuration::from_secs(seconds.into()))
                .ok();
        }
        if let Some(peer) = params.get("peer_id") {
            let peer = parse_id(peer).ok_or_else(|| bad_request("peer_id must be a valid UUID"))?;
            query.peer = Some(peer);
        }
        query.before = before(params)?;
        query.since_id = params.get("since_id").filter(|id| !id.is_empty()).cloned();
        Ok(query)
    }
}

#[derive(Deserialize)]
struct Report {
    #[serde(default, deserialize_with = "or_zero")]
    activity_type: String,
    method: Option<String>,
    summary: Option<String>,
    target_id: Option<String>,
    source_id: Option<String>,
    status: Option<String>,
    error_detail: Option<String>,
    duration_ms: Option<i64>,
    request_body: Option<Value>,
    response_body: Option<Value>,
    metadata: Option<Value>,
}

/// A row that the agent logs about itself.
pub(crate) async fn report(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let report: Report = asked.decode()?;
        check_report(&report, &asked.id)?;
        let mut row = Row::new(tx.row(&asked.id)?.id, &report.activity_type, tx.now);
        row.source_id = report.source_id.as_deref().and_then(parse_id);
        row.target_id = report.target_id.as_deref().and_then(parse_id);
        row.status = report.status.unwrap_or(row.status);
        row.request_body = report.request_body.or(report.metadata);
        row.response_body = report.response_body;
        (row.method, row.summary) = (report.method, report.summary);
        (row.error_detail, row.duration_ms) = (report.error_detail, report.duration_ms);
        tx.log(row);
        Ok(Reply::ok(&json!({ "status": "logged" })))
    })
}

fn check_report(report: &Report, id: &str) -> Result<(), Reply> {
    if report.activity_type.is_empty() {
        return Err(bad_request("invalid request body"));
    }
    if !TYPES.contains(&report.activity_type.as_str()) {
        let text = format!(
            "invalid activity_type, must be one of: {}",
            TYPES.join(", ")
        );
        return Err(bad_request(&text));
    }
    match report.source_id.as_deref() {
        Some(source) if !source.is_empty() && source != id => {
            Err(forbidden("source_id must match authenticated workspace"))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Notification {
    #[serde(default, deserialize_with = "or_zero")]
    message: String,
    #[serde(default, deserialize_with = "or_zero")]
    attachments: Vec<Value>,
}

/// A message to the user. It comes back in the agent's own log as if it had been received.
pub(crate) async fn notify(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let notification: Notification = asked.decode()?;
        check_notification(&notification)?;
        let workspace = tx.row(&asked.id)?;
        let (id, payload) = (workspace.id, notification.event(workspace));
        let mut row = Row::new(id, "a2a_receive", tx.now);
        row.method = Some("notify".to_owned());
        row.summary = Some(format!("Agent message: {}", notification.message));
        row.response_body = Some(notification.into_body());
        tx.emit("AGENT_MESSAGE", id, payload);
        tx.state.log(row);
        Ok(Reply::ok(&json!({ "status": "sent" })))
    })
}

fn check_notification(notification: &Notification) -> Result<(), Reply> {
    if notification.message.is_empty() {
        return Err(bad_request("message is required"));
    }
    let lacks = |file: &Value, key| file[key].as_str().is_none_or(str::is_empty);
    let is_bad = |file: &Value| lacks(file, "uri") || lacks(file, "name");
    match notification.attachments.iter().position(is_bad) {
        Some(at) => Err(bad_request(&format!(
            "attachment[{at}]: uri and name are required"
        ))),
        None => Ok(()),
    }
}

impl Notification {
    /// What the user's canvas hears.
    fn event(&self, from: &Workspace) -> Value {
        let mut payload =
            json!({ "message": self.message, "name": from.name, "workspace_id": from.id });
        if !self.attachments.is_empty() {
            payload["attachments"] = json!(self.attachments);
        }
        payload
    }

    fn into_body(self) -> Value {
        let mut body = json!({ "result": self.message });
        if !self.attachments.is_empty() {
            let part = |file: Value| json!({ "kind": "file", "file": file });
            body["parts"] = self.attachments.into_iter().map(part).collect();
        }
        body
    }
}
