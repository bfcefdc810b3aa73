//! What version 1.0 takes as the parameters of calls.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Push, PushFields, V10};
use crate::codec::method::Method;
use crate::codec::read::{Asked, invalid, params};
use crate::codec::wire::{In, Wire, some_object};
use crate::codec::write::{As, Fields};
use crate::{A2aError, Call, ListTasks, PushConfigOf, SendMessage, SendOptions, TaskState};

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

pub(in crate::codec) fn decode_call(
    method: Method,
    json: Option<&RawValue>,
) -> Result<Call, A2aError> {
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
