//! How much memory foreign content takes, roughly. Each type is taken apart whole, so that no field is forgotten.

use serde_json::{Map, Value};

use super::{StoredTask, Webhook};
use crate::{Artifact, Message, Part, PartContent, PushConfig, Task, TaskStatus};

/// What each piece takes besides its text.
const OVERHEAD: usize = 64;

pub(super) fn of_stored(stored: &StoredTask) -> usize {
    let StoredTask {
        task,
        webhooks,
        changed: _,
    } = stored;
    of_task(task) + sum(webhooks, of_webhook)
}

fn of_webhook(webhook: &Webhook) -> usize {
    let Webhook { config, version: _ } = webhook;
    of_config(config)
}

pub(crate) fn of_config(config: &PushConfig) -> usize {
    let PushConfig {
        id,
        url,
        token,
        authentication,
    } = config;
    let authentication = authentication.iter().map(|authentication| {
        of_texts(&authentication.schemes) + of_option(authentication.credentials.as_ref())
    });
    OVERHEAD
        + of_option(id.as_ref())
        + url.len()
        + of_option(token.as_ref())
        + authentication.sum::<usize>()
}

pub(crate) fn of_task(task: &Task) -> usize {
    let Task {
        id,
        context_id,
        status,
        artifacts,
        history,
        metadata,
        usage,
    } = task;
    let TaskStatus {
        state: _,
        message,
        timestamp,
    } = status;
    OVERHEAD
        + id.len()
        + context_id.len()
        + sum(message, of_message)
        + of_option(timestamp.as_ref())
        + sum(artifacts.iter().flatten(), of_artifact)
        + sum(history.iter().flatten(), of_message)
        + sum(metadata, of_members)
        + sum(usage, of_value)
}

pub(crate) fn of_message(message: &Message) -> usize {
    let Message {
        message_id,
        context_id,
        task_id,
        role: _,
        parts,
        metadata,
        extensions,
        reference_task_ids,
        usage,
    } = message;
    OVERHEAD
        + message_id.len()
        + of_option(context_id.as_ref())
        + of_option(task_id.as_ref())
        + of_parts(parts)
        + sum(metadata, of_members)
        + of_texts(extensions.iter().flatten())
        + of_texts(reference_task_ids.iter().flatten())
        + sum(usage, of_value)
}

pub(super) fn of_artifact(artifact: &Artifact) -> usize {
    let Artifact {
        artifact_id,
        name,
        description,
        parts,
        metadata,
        extensions,
    } = artifact;
    OVERHEAD
        + artifact_id.len()
        + of_option(name.as_ref())
        + of_option(description.as_ref())
        + of_parts(parts)
        + sum(metadata, of_members)
        + of_texts(extensions.iter().flatten())
}

pub(super) fn of_parts(parts: &[Part]) -> usize {
    sum(parts, of_part)
}

fn of_part(part: &Part) -> usize {
    let Part {
        content,
        metadata,
        filename,
        media_type,
    } = part;
    let content = match content {
        PartContent::Text(text) | PartContent::Raw(text) | PartContent::Url(text) => text.len(),
        PartContent::Data(data) => of_value(data),
    };
    OVERHEAD
        + content
        + sum(metadata, of_members)
        + of_option(filename.as_ref())
        + of_option(media_type.as_ref())
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => OVERHEAD + text.len(),
        Value::Array(values) => OVERHEAD + sum(values, of_value),
        Value::Object(members) => OVERHEAD + of_members(members),
        _ => OVERHEAD,
    }
}

fn of_members(members: &Map<String, Value>) -> usize {
    let members = members.iter();
    members
        .map(|(key, value)| key.len() + of_value(value))
        .sum()
}

fn of_texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    sum(texts, |text| OVERHEAD + text.len())
}

fn of_option(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn sum<'a, T: 'a>(all: impl IntoIterator<Item = &'a T>, weight: impl Fn(&T) -> usize) -> usize {
    all.into_iter().map(weight).sum()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use molecule_protocol::Role;
    use serde_json::json;

    use super::*;
    use crate::{PushAuthentication, Version};

    const LONG: usize = 10_000;

    fn long() -> String {
        "x".repeat(LONG)
    }

    fn members() -> Option<Map<String, Value>> {
        Some(Map::from_iter([(long(), json!([{"a": long()}]))]))
    }

    /// What the changed one weighs more than one without the change, in long texts.
    fn check<T>(
        one: impl Fn() -> T,
        weight: fn(&T) -> usize,
        change: impl Fn(&mut T),
        texts: usize,
    ) {
        let mut changed = one();
        change(&mut changed);
        let more = weight(&changed) - weight(&one());
        assert!(
            (texts * LONG..texts * LONG + LONG / 2).contains(&more),
            "{more}"
        );
    }

    fn check_message(change: impl Fn(&mut Message), texts: usize) {
        check(|| Message::new("", Role::User), of_message, &change, texts);
        let in_history = |task: &mut Task| {
            let mut message = Message::new("", Role::User);
            change(&mut message);
            task.history = Some(vec![message]);
        };
        check(|| Task::new("", ""), of_task, in_history, texts);
        let in_status = |task: &mut Task| {
            let mut message = Message::new("", Role::User);
            change(&mut message);
            task.status.message = Some(message);
        };
        check(|| Task::new("", ""), of_task, in_status, texts);
    }

    #[test]
    fn every_field_of_a_message_counts() {
        check_message(|message| message.message_id = long(), 1);
        check_message(|message| message.context_id = Some(long()), 1);
        check_message(|message| message.task_id = Some(long()), 1);
        check_message(|message| message.parts.push(Part::text(long())), 1);
        check_message(|message| message.metadata = members(), 2);
        check_message(|message| message.extensions = Some(vec![long(), long()]), 2);
        check_message(|message| message.reference_task_ids = Some(vec![long()]), 1);
        check_message(|message| message.usage = Some(json!({"a": long()})), 1);
    }

    #[test]
    fn every_field_of_a_part_counts() {
        let check = |change: fn(&mut Part), texts| {
            check(|| Part::text(""), of_part, change, texts);
        };
        check(|part| part.content = PartContent::Raw(long()), 1);
        check(|part| part.content = PartContent::Url(long()), 1);
        check(|part| part.content = PartContent::Data(json!([long()])), 1);
        check(|part| part.metadata = members(), 2);
        check(|part| part.filename = Some(long()), 1);
        check(|part| part.media_type = Some(long()), 1);
    }

    fn check_artifact(change: impl Fn(&mut Artifact), texts: usize) {
        let within = |task: &mut Task| {
            let mut artifact = Artifact::new("");
            change(&mut artifact);
            task.artifacts = Some(vec![artifact]);
        };
        check(|| Task::new("", ""), of_task, within, texts);
    }

    #[test]
    fn every_field_of_a_task_and_its_artifacts_counts() {
        let check = |change: fn(&mut Task), texts| {
            check(|| Task::new("", ""), of_task, change, texts);
        };
        check(|task| task.id = long(), 1);
        check(|task| task.context_id = long(), 1);
        check(|task| task.metadata = members(), 2);
        check(|task| task.usage = Some(json!(long())), 1);
        check_artifact(|artifact| artifact.artifact_id = long(), 1);
        check_artifact(|artifact| artifact.name = Some(long()), 1);
        check_artifact(|artifact| artifact.description = Some(long()), 1);
        check_artifact(|artifact| artifact.parts.push(Part::text(long())), 1);
        check_artifact(|artifact| artifact.metadata = members(), 2);
        check_artifact(|artifact| artifact.extensions = Some(vec![long()]), 1);
    }

    #[test]
    fn webhooks_count_with_their_task() {
        let stored = || StoredTask::new(Task::new("", ""), SystemTime::UNIX_EPOCH);
        let webhook = |stored: &mut StoredTask| {
            let mut config = PushConfig::new(long());
            config.id = Some(long());
            config.token = Some(long());
            config.authentication = Some(PushAuthentication::new(long(), long()));
            stored.webhooks.push(Webhook::new(config, Version::V0_3));
        };
        check(stored, of_stored, webhook, 5);
    }
}
