//! Version 1.0: JSON as Protocol Buffers write it, so that what an object is stands around it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::method::Method;
use super::read::{Asked, invalid, params};
use super::wire::{In, Wire, all, object, present, some_object};
use super::write::{As, Fields};
use crate::{
    A2aError, ArtifactUpdate, Call, Event, ListTasks, Message, Part, PartContent,
    PushAuthentication, PushConfig, PushConfigOf, SendMessage, SendOptions, StatusUpdate, Task,
    TaskState,
};

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

#[derive(Deserialize)]
struct SendParams {
    message: In<V10, Asked>,
    #[serde(default, deserialize_with = "some_object")]
    configuration: Option<Configuration>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(alias = "accepted_output_modes")]
    accepted_output_modes: Option<Vec<String>>,
    #[serde(alias = "return_immediately")]
    return_immediately: Option<bool>,
    #[serde(alias = "history_length")]
    history_length: Option<u32>,
    #[serde(
        default,
        alias = "task_push_notification_config",
        deserialize_with = "some_object"
    )]
    task_push_notification_config: Option<PushFields>,
}

impl From<SendParams> for SendMessage {
    fn from(params: SendParams) -> Self {
        let options = params.configuration.map(|options| SendOptions {
            blocking: options.return_immediately.map(|at_once| !at_once),
            history_length: options.history_length,
            accepted_output_modes: options.accepted_output_modes,
            push: options
                .task_push_notification_config
                .map(PushFields::config),
        });
        Self {
            message: params.message.0.0,
            options: options.unwrap_or_default(),
            metadata: params.metadata,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskParams {
    id: String,
    #[serde(alias = "history_length")]
    history_length: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushListParams {
    #[serde(alias = "task_id")]
    task_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushParams {
    #[serde(alias = "task_id")]
    task_id: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListParams {
    #[serde(alias = "context_id")]
    context_id: Option<String>,
    status: Option<String>,
    #[serde(alias = "page_size")]
    page_size: Option<u32>,
    #[serde(alias = "page_token")]
    page_token: Option<String>,
    #[serde(alias = "history_length")]
    history_length: Option<u32>,
    #[serde(alias = "status_timestamp_after")]
    status_timestamp_after: Option<String>,
    #[serde(alias = "include_artifacts")]
    include_artifacts: Option<bool>,
}

impl ListParams {
    fn call(self) -> Result<ListTasks, A2aError> {
        let page_size = self.page_size;
        if page_size.is_some_and(|size| !(1..=100).contains(&size)) {
            return Err(invalid(&"`pageSize` is between 1 and 100"));
        }
        let state = self.status.as_deref().map(|word| {
            let state = V10::state(word);
            state.ok_or_else(|| invalid(&"`status` is no state of a task"))
        });
        Ok(ListTasks {
            context_id: self.context_id,
            // What is not specified is as good as not there.
            state: state
                .transpose()?
                .filter(|state| *state != TaskState::Unknown),
            page_size,
            page_token: self.page_token,
            history_length: self.history_length,
            status_timestamp_after: self.status_timestamp_after,
            include_artifacts: self.include_artifacts,
        })
    }
}

/// No parameters; what is there all the same is passed over.
#[derive(Deserialize)]
struct NoParams {}

pub(super) fn decode_call(method: Method, json: Option<&RawValue>) -> Result<Call, A2aError> {
    let task = || params::<TaskParams>(json);
    Ok(match method {
        Method::Send => Call::Send(params::<SendParams>(json)?.into()),
        Method::Stream => Call::Stream(params::<SendParams>(json)?.into()),
        Method::GetTask => {
            let TaskParams { id, history_length } = task()?;
            Call::GetTask { id, history_length }
        }
        Method::ListTasks => Call::ListTasks(params::<ListParams>(json)?.call()?),
        Method::CancelTask => Call::CancelTask { id: task()?.id },
        Method::Resubscribe => Call::Resubscribe { id: task()?.id },
        Method::SetPushConfig => {
            let push: In<V10, PushConfigOf> = params(json)?;
            Call::SetPushConfig(push.0)
        }
        Method::GetPushConfig => {
            let PushParams { task_id, id } = params(json)?;
            Call::GetPushConfig {
                task_id,
                id: Some(id),
            }
        }
        Method::ListPushConfigs => {
            let PushListParams { task_id } = params(json)?;
            Call::ListPushConfigs { task_id }
        }
        Method::DeletePushConfig => {
            let PushParams { task_id, id } = params(json)?;
            Call::DeletePushConfig { task_id, id }
        }
        Method::ExtendedCard => {
            params::<NoParams>(json)?;
            Call::ExtendedCard
        }
    })
}

/// The parameters of a call.
impl Serialize for As<'_, V10, Call> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Call::Send(send) | Call::Stream(send) => As::<V10, _>::new(send).serialize(s),
            Call::SetPushConfig(push) => V10::write_push(push, s),
            Call::ListTasks(list) => As::<V10, _>::new(list).serialize(s),
            Call::GetTask { id, history_length } => Fields::begin(s)?
                .put("id", id)?
                .put_some("historyLength", *history_length)?
                .end(),
            Call::CancelTask { id } | Call::Resubscribe { id } => {
                Fields::begin(s)?.put("id", id)?.end()
            }
            Call::GetPushConfig { task_id, id } => Fields::begin(s)?
                .put("taskId", task_id)?
                .put_some("id", id.as_ref())?
                .end(),
            Call::ListPushConfigs { task_id } => Fields::begin(s)?.put("taskId", task_id)?.end(),
            Call::DeletePushConfig { task_id, id } => Fields::begin(s)?
                .put("taskId", task_id)?
                .put("id", id)?
                .end(),
            Call::ExtendedCard => Fields::begin(s)?.end(),
        }
    }
}

impl Serialize for As<'_, V10, ListTasks> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let list = self.0;
        Fields::begin(s)?
            .put_some("contextId", list.context_id.as_ref())?
            .put_some("status", list.state.map(V10::state_word))?
            .put_some("pageSize", list.page_size)?
            .put_some("pageToken", list.page_token.as_ref())?
            .put_some("historyLength", list.history_length)?
            .put_some("statusTimestampAfter", list.status_timestamp_after.as_ref())?
            .put_some("includeArtifacts", list.include_artifacts)?
            .end()
    }
}

impl Serialize for As<'_, V10, SendMessage> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (send, options) = (self.0, &self.0.options);
        let options = (*options != SendOptions::default()).then_some(As::<V10, _>::new(options));
        Fields::begin(s)?
            .put("message", &As::<V10, _>::new(&send.message))?
            .put_some("configuration", options)?
            .put_some("metadata", send.metadata.as_ref())?
            .end()
    }
}

impl Serialize for As<'_, V10, SendOptions> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let options = self.0;
        let task_id = None;
        let push = options.push.as_ref().map(|config| Push { task_id, config });
        Fields::begin(s)?
            .put_some(
                "acceptedOutputModes",
                options.accepted_output_modes.as_ref(),
            )?
            .put_some("taskPushNotificationConfig", push)?
            .put_some("historyLength", options.history_length)?
            .put_some("returnImmediately", options.blocking.map(|waits| !waits))?
            .end()
    }
}
