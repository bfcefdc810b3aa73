//! Version 1.0: JSON as Protocol Buffers write it, so that what an object is stands around it.

mod params;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::wire::{In, Wire, all, object, present, some_object};
use super::write::{As, Fields};
use crate::{
    ArtifactUpdate, Event, Message, Part, PartContent, PushAuthentication, PushConfig,
    PushConfigOf, StatusUpdate, Task, TaskState,
};

pub(super) use params::decode_call;

/// The words of version 1.0.
pub(super) enum V10 {}

impl Wire for V10 {
    const KINDS: bool = false;
    const EMPTY_IS_ABSENT: bool = true;
    const ROLES: [&'static str; 2] = ["ROLE_USER", "ROLE_AGENT"];
    const STATES: [(TaskState, &'static str); 9] = [
        (TaskState::Submitted, "TASK_STATE_SUBMITTED"),
        (TaskState::Working, "TASK_STATE_WORKING"),
        (TaskState::InputRequired, "TASK_STATE_INPUT_REQUIRED"),
        (TaskState::AuthRequired, "TASK_STATE_AUTH_REQUIRED"),
        (TaskState::Completed, "TASK_STATE_COMPLETED"),
        (TaskState::Canceled, "TASK_STATE_CANCELED"),
        (TaskState::Failed, "TASK_STATE_FAILED"),
        (TaskState::Rejected, "TASK_STATE_REJECTED"),
        (TaskState::Unknown, "TASK_STATE_UNSPECIFIED"),
    ];

    fn read_part<'de, D: Deserializer<'de>>(d: D) -> Result<Part, D::Error> {
        object::<D, PartFields>(d)?.part()
    }

    fn write_part<S: Serializer>(part: &Part, s: S) -> Result<S::Ok, S::Error> {
        let fields = Fields::begin(s)?;
        let fields = match &part.content {
            PartContent::Text(text) => fields.put("text", text)?,
            PartContent::Raw(bytes) => fields.put("raw", bytes)?,
            PartContent::Url(url) => fields.put("url", url)?,
            PartContent::Data(data) => fields.put("data", data)?,
        };
        fields
            .put_some("metadata", part.metadata.as_ref())?
            .put_some("filename", part.filename.as_ref())?
            .put_some("mediaType", part.media_type.as_ref())?
            .end()
    }

    fn read_push<'de, D: Deserializer<'de>>(d: D) -> Result<PushConfigOf, D::Error> {
        let fields: PushFields = object(d)?;
        fields.of_task()
    }

    fn write_push<S: Serializer>(push: &PushConfigOf, s: S) -> Result<S::Ok, S::Error> {
        let task_id = Some(push.task_id.as_str());
        let config = &push.config;
        Push { task_id, config }.serialize(s)
    }

    fn read_pushes(list: &RawValue) -> serde_json::Result<Vec<PushConfigOf>> {
        let list: PushList = serde_json::from_str(list.get())?;
        Ok(all(list.configs))
    }

    fn write_pushes<S: Serializer>(list: &[PushConfigOf], s: S) -> Result<S::Ok, S::Error> {
        let list = As::<Self, [PushConfigOf]>::new(list);
        Fields::begin(s)?.put("configs", &list)?.end()
    }

    fn read_event(json: &RawValue) -> serde_json::Result<Event> {
        event(json)
    }
}

/// Reads an event by the name around it.
pub(super) fn event(json: &RawValue) -> serde_json::Result<Event> {
    let named: Named = serde_json::from_str(json.get())?;
    let events = [
        named.task.map(|task| Event::Task(task.0)),
        named.message.map(|message| Event::Message(message.0)),
        named.status_update.map(|update| Event::Status(update.0)),
        named
            .artifact_update
            .map(|update| Event::Artifact(update.0)),
    ];
    only(events).ok_or_else(|| serde_json::Error::custom("not exactly one event that is known"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    task: Option<In<V10, Task>>,
    message: Option<In<V10, Message>>,
    status_update: Option<In<V10, StatusUpdate>>,
    artifact_update: Option<In<V10, ArtifactUpdate>>,
}

/// The one that is there, if exactly one is.
fn only<T>(these: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    let mut there = these.into_iter().flatten();
    let first = there.next();
    first.filter(|_| there.next().is_none())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartFields {
    text: Option<String>,
    raw: Option<String>,
    url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    data: Option<Value>,
    metadata: Option<Map<String, Value>>,
    filename: Option<String>,
    #[serde(alias = "media_type")]
    media_type: Option<String>,
}

impl PartFields {
    fn part<E: Error>(self) -> Result<Part, E> {
        let contents = [
            self.text.map(PartContent::Text),
            self.raw.map(PartContent::Raw),
            self.url.map(PartContent::Url),
            self.data.map(PartContent::Data),
        ];
        let one = "a part has exactly one of `text`, `raw`, `url` and `data`";
        Ok(Part {
            content: only(contents).ok_or_else(|| E::custom(one))?,
            metadata: self.metadata,
            filename: self.filename,
            media_type: self.media_type,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushFields {
    id: Option<String>,
    #[serde(alias = "task_id")]
    task_id: Option<String>,
    url: String,
    token: Option<String>,
    #[serde(default, deserialize_with = "some_object")]
    authentication: Option<AuthenticationFields>,
}

#[derive(Deserialize)]
struct AuthenticationFields {
    scheme: String,
    credentials: Option<String>,
}

impl PushFields {
    fn config(self) -> PushConfig {
        let authentication = self.authentication.map(|fields| PushAuthentication {
            schemes: vec![fields.scheme],
            credentials: fields.credentials,
        });
        PushConfig {
            id: self.id,
            url: self.url,
            token: self.token,
            authentication,
        }
    }

    fn of_task<E: Error>(mut self) -> Result<PushConfigOf, E> {
        let task_id = self.task_id.take();
        let task_id = task_id.ok_or_else(|| E::missing_field("taskId"))?;
        Ok(PushConfigOf::new(task_id, self.config()))
    }
}

/// The list of a task's webhooks.
#[derive(Deserialize)]
struct PushList {
    #[serde(default)]
    configs: Vec<In<V10, PushConfigOf>>,
}

/// A webhook. Along with a message its task is not known yet.
struct Push<'a> {
    task_id: Option<&'a str>,
    config: &'a PushConfig,
}

impl Serialize for Push<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let config = self.config;
        let authentication = As::<V10, _>::some(config.authentication.as_ref());
        Fields::begin(s)?
            .put_some("id", config.id.as_ref())?
            .put_some("taskId", self.task_id)?
            .put("url", &config.url)?
            .put_some("token", config.token.as_ref())?
            .put_some("authentication", authentication)?
            .end()
    }
}

impl Serialize for As<'_, V10, PushAuthentication> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let scheme = self.0.schemes.first().map_or("", String::as_str);
        Fields::begin(s)?
            .put("scheme", scheme)?
            .put_some("credentials", self.0.credentials.as_ref())?
            .end()
    }
}
