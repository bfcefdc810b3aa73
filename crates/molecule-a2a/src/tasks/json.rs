//! What is kept of a task as JSON, for stores that write it down.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{StoreError, StoredTask, Webhook};
use crate::codec::Version;
use crate::{Call, CallResult, PushConfigOf, RpcId, Task};

/// Everything is in the words of version 1.0, whatever the client speaks.
const WORDS: Version = Version::V1_0;

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    /// Microseconds since 1970.
    changed: u64,
    /// Answers as they go over the wire.
    #[serde(borrow)]
    task: &'a RawValue,
    #[serde(borrow)]
    webhooks: &'a RawValue,
    versions: Vec<String>,
    /// The version has no word for it.
    usage: Option<Value>,
}

impl StoredTask {
    /// All of it as JSON. It holds the secrets of the webhooks.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the task was made up and cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        let configs = self.webhooks.iter();
        let configs = configs.map(|hook| PushConfigOf::new(&*self.task.id, hook.config.clone()));
        let configs = CallResult::PushConfigs(configs.collect());
        let task = WORDS.encode_result(&RpcId::Null, &CallResult::Task(self.task.clone()));
        let configs = WORDS.encode_result(&RpcId::Null, &configs);
        let changed = self.changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let versions = self
            .webhooks
            .iter()
            .map(|hook| hook.version.as_str().into());
        let kept = Kept {
            changed: u64::try_from(changed.as_micros()).unwrap_or(u64::MAX),
            task: raw(&task)?,
            webhooks: raw(&configs)?,
            versions: versions.collect(),
            usage: self.task.usage.clone(),
        };
        serde_json::to_vec(&kept).map_err(failed)
    }

    /// What [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it is something else.
    pub fn from_json(json: &[u8]) -> Result<Self, StoreError> {
        let kept: Kept<'_> = serde_json::from_slice(json).map_err(failed)?;
        let changed = UNIX_EPOCH + Duration::from_micros(kept.changed);
        let webhooks = kept.read_webhooks()?;
        let mut task = kept.read_task()?;
        task.usage = kept.usage;
        let stored = Self::new(task, changed);
        Ok(stored.with_webhooks(webhooks))
    }
}

impl Kept<'_> {
    fn read_task(&self) -> Result<Task, StoreError> {
        let asked = Call::GetTask {
            id: String::new(),
            history_length: None,
        };
        let answer = WORDS.decode_result(&asked, self.task.get().as_bytes());
        match answer.map_err(failed)? {
            CallResult::Task(task) => Ok(task),
            _ => Err(failed("there is no task")),
        }
    }

    fn read_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let asked = Call::ListPushConfigs {
            task_id: String::new(),
        };
        let answer = WORDS.decode_result(&asked, self.webhooks.get().as_bytes());
        let CallResult::PushConfigs(configs) = answer.map_err(failed)? else {
            return Err(failed("there are no webhooks"));
        };
        let versions = self.versions.iter();
        let versions =
            versions.map(|name| Version::named(name).ok_or_else(|| failed("no version")));
        let hooks = configs.into_iter().zip(versions);
        hooks
            .map(|(hook, version)| Ok(Webhook::new(hook.config, version?)))
            .collect()
    }
}

fn raw(json: &[u8]) -> Result<&RawValue, StoreError> {
    serde_json::from_slice(json).map_err(failed)
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Failed(error.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Artifact, Message, Part, PushAuthentication, PushConfig, TaskState};

    #[test]
    fn what_was_written_is_read_again() {
        let mut task = Task::new("t", "c");
        task.status.state = TaskState::InputRequired;
        task.status.message = Some(Message::agent("what else?"));
        task.status.timestamp = Some("2026-01-01T00:00:00.000Z".into());
        task.history = Some(vec![Message::user("hi").with_metadata("k", json!([1]))]);
        task.artifacts = Some(vec![
            Artifact::new("a").with_part(Part::data(json!({"x": 1}))),
        ]);
        task.usage = Some(json!({"input_tokens": 3}));
        let mut config = PushConfig::new("http://a/");
        config.id = Some("t".into());
        config.token = Some("tok".into());
        config.authentication = Some(PushAuthentication::new("Bearer", "abc"));
        let hooks = [Version::V0_3, Version::V1_0];
        let hooks = hooks.map(|version| Webhook::new(config.clone(), version));
        let changed = UNIX_EPOCH + Duration::from_micros(1_767_225_600_000_001);
        let stored = StoredTask::new(task, changed).with_webhooks(hooks.into());
        let json = stored.to_json().unwrap();
        assert_eq!(StoredTask::from_json(&json).unwrap(), stored);
    }

    #[test]
    fn what_is_something_else_is_an_error() {
        for json in [
            "",
            "{}",
            "null",
            r#"{"changed":1,"task":{},"webhooks":{},"versions":[]}"#,
        ] {
            let error = StoredTask::from_json(json.as_bytes()).unwrap_err();
            assert!(matches!(error, StoreError::Failed(_)), "{json}");
        }
    }
}
