//! How much memory foreign content takes, roughly.

use serde_json::Value;

use crate::{Message, Part, PartContent, Task};

/// What each piece takes besides its text.
const OVERHEAD: usize = 64;

pub(crate) fn of_task(task: &Task) -> usize {
    let history = task.history.iter().flatten().map(of_message);
    let artifacts = task.artifacts.iter().flatten();
    let parts = artifacts.map(|artifact| OVERHEAD + of_parts(&artifact.parts));
    OVERHEAD + history.sum::<usize>() + parts.sum::<usize>()
}

pub(crate) fn of_message(message: &Message) -> usize {
    let metadata = message.metadata.iter().flatten();
    let metadata = metadata.map(|(key, value)| key.len() + of_value(value));
    OVERHEAD + of_parts(&message.parts) + metadata.sum::<usize>()
}

pub(super) fn of_parts(parts: &[Part]) -> usize {
    parts.iter().map(|part| OVERHEAD + of_part(part)).sum()
}

fn of_part(part: &Part) -> usize {
    match &part.content {
        PartContent::Text(text) | PartContent::Raw(text) | PartContent::Url(text) => text.len(),
        PartContent::Data(data) => of_value(data),
    }
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => OVERHEAD + text.len(),
        Value::Array(values) => OVERHEAD + values.iter().map(of_value).sum::<usize>(),
        Value::Object(members) => {
            let members = members.iter();
            OVERHEAD
                + members
                    .map(|(key, value)| key.len() + of_value(value))
                    .sum::<usize>()
        }
        _ => OVERHEAD,
    }
}
