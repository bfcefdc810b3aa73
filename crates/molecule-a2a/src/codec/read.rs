//! Reading what both wires spell alike, given the words of one.

use molecule_protocol::{Role, parse_json};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::method::Method;
use super::wire::{In, Wire, all, object, reply, word};
use crate::{
    A2aError, Artifact, ArtifactUpdate, CallResult, ErrorCode, Message, Part, PushConfigOf,
    StatusUpdate, Task, TaskPage, TaskState, TaskStatus,
};

/// The longest text of an error, in characters: it may quote what was sent.
const MAX_WHY: usize = 200;

/// Reads parameters, which somebody else wrote. Missing ones are empty ones.
pub(super) fn params<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, A2aError> {
    let params = params.map_or("{}", RawValue::get);
    let Params(params) = parse_json(params.as_bytes()).map_err(|error| invalid(&error))?;
    Ok(params)
}

pub(super) fn invalid(why: &impl ToString) -> A2aError {
    let why: String = why.to_string().chars().take(MAX_WHY).collect();
    A2aError::new(ErrorCode::InvalidParams, format!("Invalid params: {why}"))
}

struct Params<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Params<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        object(d).map(Self)
    }
}

/// Reads the result of a call.
pub(super) fn result<W: Wire>(method: Method, json: &RawValue) -> serde_json::Result<CallResult> {
    Ok(match method {
        Method::Send | Method::Stream | Method::Resubscribe => reply(W::read_event(json)?)?,
        Method::GetTask | Method::CancelTask => CallResult::Task(typed::<W, _>(json)?),
        Method::ListTasks => CallResult::Tasks(typed::<W, _>(json)?),
        Method::SetPushConfig | Method::GetPushConfig => {
            CallResult::PushConfig(typed::<W, _>(json)?)
        }
        Method::ListPushConfigs => CallResult::PushConfigs(W::read_pushes(json)?),
        Method::DeletePushConfig => CallResult::Deleted,
        Method::ExtendedCard => CallResult::Card(serde_json::from_str(json.get())?),
    })
}

pub(super) fn typed<W, T>(json: &RawValue) -> serde_json::Result<T>
where
    In<W, T>: for<'a> Deserialize<'a>,
{
    let value: In<W, T> = serde_json::from_str(json.get())?;
    Ok(value.0)
}

/// Who wrote a message is never guessed.
impl<'de, W: Wire> Deserialize<'de> for In<W, Role> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(d, "the role of a user or an agent", W::role).map(Self::new)
    }
}

/// Only answers have states in them: a later version may have more of them.
impl<'de, W: Wire> Deserialize<'de> for In<W, TaskState> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let known_or_not = |text: &str| Some(W::state(text).unwrap_or(TaskState::Unknown));
        word(d, "the state of a task", known_or_not).map(Self::new)
    }
}

impl<'de, W: Wire> Deserialize<'de> for In<W, Part> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        W::read_part(d).map(Self::new)
    }
}

impl<'de, W: Wire> Deserialize<'de> for In<W, PushConfigOf> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        W::read_push(d).map(Self::new)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct MessageFields<W: Wire> {
    message_id: Option<String>,
    context_id: Option<String>,
    task_id: Option<String>,
    role: Option<In<W, Role>>,
    parts: Option<Vec<In<W, Part>>>,
    metadata: Option<Map<String, Value>>,
    extensions: Option<Vec<String>>,
    reference_task_ids: Option<Vec<String>>,
    usage: Option<Value>,
}

impl<W: Wire> MessageFields<W> {
    /// The message, without what a request may not lack and an answer may.
    fn message(self) -> Message {
        Message {
            message_id: self.message_id.unwrap_or_default(),
            context_id: self.context_id,
            task_id: self.task_id,
            role: self.role.map_or(Role::Agent, |role| role.0),
            parts: self.parts.map(all).unwrap_or_default(),
            metadata: self.metadata,
            extensions: self.extensions,
            reference_task_ids: self.reference_task_ids,
            usage: self.usage.filter(|_| W::KINDS),
        }
    }

    fn missing(&self) -> Option<&'static str> {
        let id = self.message_id.as_deref();
        if id.is_none_or(|id| W::EMPTY_IS_ABSENT && id.is_empty()) {
            Some("messageId")
        } else if self.role.is_none() {
            Some("role")
        } else {
            self.parts.is_none().then_some("parts")
        }
    }
}

/// A message in an answer. The original SDK answers with parts alone.
impl<'de, W: Wire> Deserialize<'de> for In<W, Message> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: MessageFields<W> = object(d)?;
        Ok(Self::new(fields.message()))
    }
}

/// A message in a request, which has to be whole.
pub(super) struct Asked(pub(super) Message);

impl<'de, W: Wire> Deserialize<'de> for In<W, Asked> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: MessageFields<W> = object(d)?;
        if let Some(name) = fields.missing() {
            return Err(D::Error::missing_field(name));
        }
        let message = fields.message();
        if message.parts.is_empty() {
            return Err(D::Error::custom("a message needs a part"));
        }
        Ok(Self::new(Asked(message)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct TaskFields<W: Wire> {
    id: String,
    #[serde(default)]
    context_id: String,
    status: In<W, TaskStatus>,
    artifacts: Option<Vec<In<W, Artifact>>>,
    history: Option<Vec<In<W, Message>>>,
    metadata: Option<Map<String, Value>>,
    usage: Option<Value>,
}

impl<'de, W: Wire> Deserialize<'de> for In<W, Task> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: TaskFields<W> = object(d)?;
        Ok(Self::new(Task {
            id: fields.id,
            context_id: fields.context_id,
            status: fields.status.0,
            artifacts: fields.artifacts.map(all),
            history: fields.history.map(all),
            metadata: fields.metadata,
            usage: fields.usage.filter(|_| W::KINDS),
        }))
    }
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct StatusFields<W: Wire> {
    state: In<W, TaskState>,
    message: Option<In<W, Message>>,
    timestamp: Option<String>,
}

impl<'de, W: Wire> Deserialize<'de> for In<W, TaskStatus> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: StatusFields<W> = object(d)?;
        Ok(Self::new(TaskStatus {
            state: fields.state.0,
            message: fields.message.map(|message| message.0),
            timestamp: fields.timestamp,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct ArtifactFields<W: Wire> {
    #[serde(default)]
    artifact_id: String,
    name: Option<String>,
    description: Option<String>,
    parts: Option<Vec<In<W, Part>>>,
    metadata: Option<Map<String, Value>>,
    extensions: Option<Vec<String>>,
}

impl<'de, W: Wire> Deserialize<'de> for In<W, Artifact> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: ArtifactFields<W> = object(d)?;
        Ok(Self::new(Artifact {
            artifact_id: fields.artifact_id,
            name: fields.name,
            description: fields.description,
            parts: fields.parts.map(all).unwrap_or_default(),
            metadata: fields.metadata,
            extensions: fields.extensions,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct StatusUpdateFields<W: Wire> {
    task_id: String,
    #[serde(default)]
    context_id: String,
    status: In<W, TaskStatus>,
    r#final: Option<bool>,
    metadata: Option<Map<String, Value>>,
}

/// Where the wire does not say whether the stream ends, it does so with the task.
impl<'de, W: Wire> Deserialize<'de> for In<W, StatusUpdate> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: StatusUpdateFields<W> = object(d)?;
        let said = fields.r#final.filter(|_| W::KINDS);
        Ok(Self::new(StatusUpdate {
            is_final: said.unwrap_or(!W::KINDS && fields.status.0.state.is_final()),
            task_id: fields.task_id,
            context_id: fields.context_id,
            status: fields.status.0,
            metadata: fields.metadata,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct ArtifactUpdateFields<W: Wire> {
    task_id: String,
    #[serde(default)]
    context_id: String,
    artifact: In<W, Artifact>,
    append: Option<bool>,
    last_chunk: Option<bool>,
    metadata: Option<Map<String, Value>>,
}

impl<'de, W: Wire> Deserialize<'de> for In<W, ArtifactUpdate> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: ArtifactUpdateFields<W> = object(d)?;
        Ok(Self::new(ArtifactUpdate {
            task_id: fields.task_id,
            context_id: fields.context_id,
            artifact: fields.artifact.0,
            append: fields.append,
            last_chunk: fields.last_chunk,
            metadata: fields.metadata,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default, bound = "")]
struct PageFields<W: Wire> {
    tasks: Vec<In<W, Task>>,
    next_page_token: String,
    page_size: u32,
    total_size: u32,
}

impl<W: Wire> Default for PageFields<W> {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            next_page_token: String::new(),
            page_size: 0,
            total_size: 0,
        }
    }
}

impl<'de, W: Wire> Deserialize<'de> for In<W, TaskPage> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fields: PageFields<W> = object(d)?;
        Ok(Self::new(TaskPage {
            tasks: all(fields.tasks),
            next_page_token: fields.next_page_token,
            page_size: fields.page_size,
            total_size: fields.total_size,
        }))
    }
}
