//! What version 0.3 takes as the parameters of calls.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{PushOfFields, V03};
use crate::codec::method::Method;
use crate::codec::read::{Asked, invalid, params};
use crate::codec::wire::{In, Wire, some_object};
use crate::codec::write::{As, Fields};
use crate::{A2aError, Call, ErrorCode, PushConfig, SendMessage, SendOptions};

#[derive(Deserialize)]
struct SendParams {
    message: In<V03, Asked>,
    #[serde(default, deserialize_with = "some_object")]
    configuration: Option<Configuration>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    accepted_output_modes: Option<Vec<String>>,
    blocking: Option<bool>,
    history_length: Option<u32>,
    push_notification_config: Option<In<V03, PushConfig>>,
}

impl From<SendParams> for SendMessage {
    fn from(params: SendParams) -> Self {
        let options = params.configuration.map(|options| SendOptions {
            blocking: options.blocking,
            history_length: options.history_length,
            accepted_output_modes: options.accepted_output_modes,
            push: options.push_notification_config.map(|push| push.0),
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
    history_length: Option<u32>,
    push_notification_config_id: Option<String>,
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
            let TaskParams {
                id, history_length, ..
            } = task()?;
            Call::GetTask { id, history_length }
        }
        Method::ListTasks => return Err(ErrorCode::MethodNotFound.into()),
        Method::CancelTask => Call::CancelTask { id: task()?.id },
        Method::Resubscribe => Call::Resubscribe { id: task()?.id },
        Method::SetPushConfig => Call::SetPushConfig(params::<PushOfFields>(json)?.into()),
        Method::GetPushConfig => {
            let params = task()?;
            Call::GetPushConfig {
                task_id: params.id,
                id: params.push_notification_config_id,
            }
        }
        Method::ListPushConfigs => Call::ListPushConfigs {
            task_id: task()?.id,
        },
        Method::DeletePushConfig => {
            let params = task()?;
            let id = params.push_notification_config_id;
            let missing = || invalid(&"missing field `pushNotificationConfigId`");
            Call::DeletePushConfig {
                task_id: params.id,
                id: id.ok_or_else(missing)?,
            }
        }
        Method::ExtendedCard => {
            params::<NoParams>(json)?;
            Call::ExtendedCard
        }
    })
}

/// The parameters of a call.
impl Serialize for As<'_, V03, Call> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Call::Send(send) | Call::Stream(send) => As::<V03, _>::new(send).serialize(s),
            Call::SetPushConfig(push) => V03::write_push(push, s),
            Call::GetTask { id, history_length } => Fields::begin(s)?
                .put("id", id)?
                .put_some("historyLength", *history_length)?
                .end(),
            Call::CancelTask { id }
            | Call::Resubscribe { id }
            | Call::ListPushConfigs { task_id: id } => Fields::begin(s)?.put("id", id)?.end(),
            Call::GetPushConfig { task_id, id } => Fields::begin(s)?
                .put("id", task_id)?
                .put_some("pushNotificationConfigId", id.as_ref())?
                .end(),
            Call::DeletePushConfig { task_id, id } => Fields::begin(s)?
                .put("id", task_id)?
                .put("pushNotificationConfigId", id)?
                .end(),
            Call::ExtendedCard | Call::ListTasks(_) => Fields::begin(s)?.end(),
        }
    }
}

impl Serialize for As<'_, V03, SendMessage> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (send, options) = (self.0, &self.0.options);
        let options = (*options != SendOptions::default()).then_some(As::<V03, _>::new(options));
        Fields::begin(s)?
            .put("message", &As::<V03, _>::new(&send.message))?
            .put_some("configuration", options)?
            .put_some("metadata", send.metadata.as_ref())?
            .end()
    }
}

impl Serialize for As<'_, V03, SendOptions> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let options = self.0;
        let push = As::<V03, _>::some(options.push.as_ref());
        Fields::begin(s)?
            .put_some(
                "acceptedOutputModes",
                options.accepted_output_modes.as_ref(),
            )?
            .put_some("blocking", options.blocking)?
            .put_some("historyLength", options.history_length)?
            .put_some("pushNotificationConfig", push)?
            .end()
    }
}
