//! Version 0.3: objects that say their `kind`, and bare results.

mod params;

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::read::typed;
use super::wire::{In, Wire, all, object, present, some_object, word};
use super::write::{As, Fields};
use crate::{Event, Part, PartContent, PushAuthentication, PushConfig, PushConfigOf, TaskState};

pub(super) use params::decode_call;

/// The words of version 0.3.
pub(super) enum V03 {}

impl Wire for V03 {
    const KINDS: bool = true;
    const EMPTY_IS_ABSENT: bool = false;
    const ROLES: [&'static str; 2] = ["user", "agent"];
    const STATES: [(TaskState, &'static str); 9] = [
        (TaskState::Submitted, "submitted"),
        (TaskState::Working, "working"),
        (TaskState::InputRequired, "input-required"),
        (TaskState::AuthRequired, "auth-required"),
        (TaskState::Completed, "completed"),
        (TaskState::Canceled, "canceled"),
        (TaskState::Failed, "failed"),
        (TaskState::Rejected, "rejected"),
        (TaskState::Unknown, "unknown"),
    ];

    fn read_part<'de, D: Deserializer<'de>>(d: D) -> Result<Part, D::Error> {
        object::<D, PartFields>(d)?.part()
    }

    fn write_part<S: Serializer>(part: &Part, s: S) -> Result<S::Ok, S::Error> {
        let fields = Fields::begin(s)?;
        let fields = match &part.content {
            PartContent::Text(text) => fields.put("kind", "text")?.put("text", text)?,
            PartContent::Data(data) => fields.put("kind", "data")?.put("data", data)?,
            PartContent::Raw(_) | PartContent::Url(_) => {
                fields.put("kind", "file")?.put("file", &File(part))?
            }
        };
        fields.put_some("metadata", part.metadata.as_ref())?.end()
    }

    fn read_push<'de, D: Deserializer<'de>>(d: D) -> Result<PushConfigOf, D::Error> {
        object::<D, PushOfFields>(d).map(Into::into)
    }

    fn write_push<S: Serializer>(push: &PushConfigOf, s: S) -> Result<S::Ok, S::Error> {
        Fields::begin(s)?
            .put("taskId", &push.task_id)?
            .put("pushNotificationConfig", &As::<Self, _>::new(&push.config))?
            .end()
    }

    fn read_pushes(list: &RawValue) -> serde_json::Result<Vec<PushConfigOf>> {
        let list: Vec<In<Self, PushConfigOf>> = serde_json::from_str(list.get())?;
        Ok(all(list))
    }

    fn write_pushes<S: Serializer>(list: &[PushConfigOf], s: S) -> Result<S::Ok, S::Error> {
        As::<Self, [PushConfigOf]>::new(list).serialize(s)
    }

    fn read_event(json: &RawValue) -> serde_json::Result<Event> {
        event(json)
    }
}

/// Reads an event by its kind. Some agents leave the kind out, so that it shows in what else there is.
pub(super) fn event(json: &RawValue) -> serde_json::Result<Event> {
    let probe: Probe = serde_json::from_str(json.get())?;
    Ok(match probe.kind()? {
        "task" => Event::Task(typed::<V03, _>(json)?),
        "status-update" => Event::Status(typed::<V03, _>(json)?),
        "artifact-update" => Event::Artifact(typed::<V03, _>(json)?),
        _ => Event::Message(typed::<V03, _>(json)?),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    kind: Option<String>,
    task_id: Option<IgnoredAny>,
    status: Option<IgnoredAny>,
    artifact: Option<IgnoredAny>,
}

impl Probe {
    fn kind(&self) -> serde_json::Result<&str> {
        match self.kind.as_deref() {
            Some(kind @ ("task" | "message" | "status-update" | "artifact-update")) => Ok(kind),
            Some(_) => Err(serde_json::Error::custom("an event of an unknown kind")),
            None if self.artifact.is_some() => Ok("artifact-update"),
            None if self.status.is_some() && self.task_id.is_some() => Ok("status-update"),
            None if self.status.is_some() => Ok("task"),
            None => Ok("message"),
        }
    }
}

/// What the tag of a part says.
#[derive(Clone, Copy)]
enum Tag {
    Text,
    File,
    Data,
    Other,
}

impl Tag {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "text" => Self::Text,
            "file" => Self::File,
            "data" => Self::Data,
            _ => Self::Other,
        })
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(d, "the kind of a part", Self::named)
    }
}

#[derive(Deserialize)]
struct PartFields {
    kind: Option<Tag>,
    /// The older spelling of the tag, which half of the platform sends.
    r#type: Option<Tag>,
    text: Option<String>,
    #[serde(default, deserialize_with = "some_object")]
    file: Option<FileFields>,
    #[serde(default, deserialize_with = "present")]
    data: Option<Value>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileFields {
    bytes: Option<String>,
    uri: Option<String>,
    name: Option<String>,
    #[serde(alias = "mime_type")]
    mime_type: Option<String>,
}

impl PartFields {
    fn part<E: Error>(self) -> Result<Part, E> {
        let missing = E::missing_field;
        let part = match self.kind.or(self.r#type).ok_or_else(|| missing("kind"))? {
            Tag::Text => Part::text(self.text.ok_or_else(|| missing("text"))?),
            Tag::Data => Part::data(self.data.ok_or_else(|| missing("data"))?),
            Tag::File => self.file.ok_or_else(|| missing("file"))?.part()?,
            Tag::Other => return Err(E::custom("a part is a text, a file or data")),
        };
        let metadata = self.metadata;
        Ok(Part { metadata, ..part })
    }
}

impl FileFields {
    /// Of a file that is here and elsewhere, what is here is taken.
    fn part<E: Error>(self) -> Result<Part, E> {
        let content = match (self.bytes, self.uri) {
            (Some(bytes), _) => PartContent::Raw(bytes),
            (None, Some(uri)) => PartContent::Url(uri),
            (None, None) => return Err(E::custom("a file needs `bytes` or `uri`")),
        };
        Ok(Part {
            filename: self.name,
            media_type: self.mime_type,
            ..Part::new(content)
        })
    }
}

/// What a part says of its file.
struct File<'a>(&'a Part);

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (bytes, uri) = match &self.0.content {
            PartContent::Raw(bytes) => (Some(bytes), None),
            PartContent::Url(uri) => (None, Some(uri)),
            PartContent::Text(_) | PartContent::Data(_) => (None, None),
        };
        Fields::begin(s)?
            .put_some("name", self.0.filename.as_ref())?
            .put_some("mimeType", self.0.media_type.as_ref())?
            .put_some("bytes", bytes)?
            .put_some("uri", uri)?
            .end()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushOfFields {
    task_id: String,
    push_notification_config: In<V03, PushConfig>,
}

#[derive(Deserialize)]
struct PushFields {
    id: Option<String>,
    url: String,
    token: Option<String>,
    #[serde(default, deserialize_with = "some_object")]
    authentication: Option<AuthenticationFields>,
}

#[derive(Deserialize)]
struct AuthenticationFields {
    schemes: Vec<String>,
    credentials: Option<String>,
}

impl<'de> Deserialize<'de> for In<V03, PushConfig> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: PushFields = object(d)?;
        let authentication = fields.authentication.map(|fields| PushAuthentication {
            schemes: fields.schemes,
            credentials: fields.credentials,
        });
        Ok(Self::new(PushConfig {
            id: fields.id,
            url: fields.url,
            token: fields.token,
            authentication,
        }))
    }
}

impl Serialize for As<'_, V03, PushConfig> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let config = self.0;
        let authentication = As::<V03, _>::some(config.authentication.as_ref());
        Fields::begin(s)?
            .put_some("id", config.id.as_ref())?
            .put("url", &config.url)?
            .put_some("token", config.token.as_ref())?
            .put_some("authentication", authentication)?
            .end()
    }
}

impl Serialize for As<'_, V03, PushAuthentication> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Fields::begin(s)?
            .put("schemes", &self.0.schemes)?
            .put_some("credentials", self.0.credentials.as_ref())?
            .end()
    }
}

impl From<PushOfFields> for PushConfigOf {
    fn from(fields: PushOfFields) -> Self {
        Self::new(fields.task_id, fields.push_notification_config.0)
    }
}
