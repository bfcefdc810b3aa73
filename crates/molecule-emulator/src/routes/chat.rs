//! The conversation between the user and an agent, told from its activity log.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::activity::{Query, Row, Source};
use crate::asked::{Asked, TheWorkspace};
use crate::config::Generation;
use crate::reply::{Outcome, Reply};
use crate::request::parse_id;
use crate::routes::activity::{before, limit};
use crate::routes::unrouted;

/// Only the later platform has it.
pub(crate) async fn history(asked: Asked<TheWorkspace>) -> Response {
    if asked.platform.config().generation == Generation::A {
        return unrouted().await;
    }
    conversation(&asked).into_response()
}

/// The newest messages before a point in time, in the order they were said.
fn conversation(asked: &Asked<TheWorkspace>) -> Outcome {
    let wanted = limit(&asked.params);
    asked.read(|tx| {
        let query = Query {
            activity_type: Some("a2a_receive".to_owned()),
            source: Some(Source::Canvas),
            limit: usize::MAX,
            before: before(&asked.params)?,
            ..Query::default()
        };
        let log = parse_id(&asked.id).and_then(|id| tx.state.activity.get(&id));
        let rows = log
            .and_then(|log| log.query(&query).ok())
            .unwrap_or_default();
        let mut messages: Vec<Value> = rows.into_iter().rev().flat_map(messages_of).collect();
        let older = messages.len().saturating_sub(wanted);
        messages.drain(..older);
        Ok(Reply::ok(
            &json!({ "messages": messages, "reached_end": older == 0 }),
        ))
    })
}

/// What the user said, and what the agent answered if the platform posted the message to it.
fn messages_of(row: &Row) -> Vec<Value> {
    let reply = row.response_body.as_ref().unwrap_or(&Value::Null);
    if row.is_notify() {
        let text = reply["result"].as_str().unwrap_or_default();
        return vec![message(row, "agent", "", text, &files_in(&reply["parts"]))];
    }
    let asked = row.request_body.as_ref().unwrap_or(&Value::Null);
    let said = &asked["params"]["message"]["parts"];
    let mut messages = vec![message(row, "user", "", &text_of(said), &files_in(said))];
    let answered = &reply["result"]["parts"];
    if answered.is_array() {
        let (text, files) = (text_of(answered), files_in(answered));
        messages.push(message(row, "agent", "-reply", &text, &files));
    }
    messages
}

fn message(row: &Row, role: &str, suffix: &str, text: &str, files: &[Value]) -> Value {
    json!({
        "attachments": files,
        "content": text,
        "id": format!("{}{suffix}", row.id),
        "role": role,
        "timestamp": row.created_at,
    })
}

fn parts(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

/// The texts among the parts of a message.
pub(crate) fn text_of(of: &Value) -> String {
    let texts = parts(of).filter(|part| part["kind"] == "text" || part["type"] == "text");
    texts
        .filter_map(|part| part["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

fn files_in(of: &Value) -> Vec<Value> {
    parts(of)
        .filter_map(|part| part.get("file").cloned())
        .collect()
}
