//! A search through what an agent did and remembers.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::activity::{Log, Row};
use crate::asked::{Asked, TheWorkspace};
use crate::records::Memory;
use crate::reply::{Outcome, Reply};
use crate::request::parse_id;

pub(crate) async fn search(asked: Asked<TheWorkspace>) -> Outcome {
    let limit = asked.param("limit").and_then(|text| text.parse().ok());
    let limit = limit.filter(|limit: &usize| *limit > 0).unwrap_or(50);
    let query = asked.param("q").map(|q| q.trim().to_lowercase());
    asked.read(|tx| {
        let Some(id) = parse_id(&asked.id) else {
            return Ok(Reply::ok(&json!([])));
        };
        let rows = tx.state.activity.get(&id).into_iter();
        let mut items: Vec<(Timestamp, Value)> = rows
            .flat_map(Log::newest_first)
            .map(|row| (row.created_at, of_row(row)))
            .collect();
        let records = tx.records(&asked.id).into_iter();
        let memories = records.flat_map(|records| records.memories.iter().rev());
        items.extend(memories.map(|memory| (memory.created_at, of_memory(memory))));
        items.retain(|(_, item)| mentions(item, query.as_deref().unwrap_or_default()));
        items.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let found: Vec<Value> = items
            .into_iter()
            .map(|(_, item)| item)
            .take(limit.min(200))
            .collect();
        Ok(Reply::ok(&found))
    })
}

fn of_row(row: &Row) -> Value {
    let mut item = json!({
        "content": row.summary.as_deref().unwrap_or_default(),
        "created_at": row.created_at,
        "id": row.id,
        "kind": "activity",
        "label": row.activity_type,
        "method": row.method.as_deref().unwrap_or_default(),
        "status": row.status,
        "workspace_id": row.workspace_id,
    });
    let bodies = [
        ("request_body", &row.request_body),
        ("response_body", &row.response_body),
    ];
    for (key, body) in bodies {
        if let Some(body) = body {
            item[key] = body.clone();
        }
    }
    item
}

fn of_memory(memory: &Memory) -> Value {
    json!({
        "content": memory.content,
        "created_at": memory.created_at,
        "id": memory.id,
        "kind": "memory",
        "label": memory.scope,
        "method": "",
        "status": "",
        "workspace_id": memory.workspace_id,
    })
}

/// Whether a text or a body contains the query; an empty one is in everything.
fn mentions(item: &Value, query: &str) -> bool {
    let keys = [
        "content",
        "label",
        "method",
        "request_body",
        "response_body",
    ];
    keys.iter().any(|key| match &item[key] {
        Value::String(text) => text.to_lowercase().contains(query),
        body => body.to_string().to_lowercase().contains(query),
    })
}
