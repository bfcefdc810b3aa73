//! Writing what both wires spell alike, given the words of one. Everything goes straight into the bytes that are sent.

use std::marker::PhantomData;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::wire::Wire;
use crate::{
    A2aError, Artifact, ArtifactUpdate, CallResult, Event, Message, Part, PushConfigOf, RpcId,
    StatusUpdate, Task, TaskPage, TaskStatus,
};

/// What most answers fit into, in bytes.
const USUAL: usize = 512;
/// The domain of the reasons that version 1.0 gives.
const DOMAIN: &str = "a2a-protocol.org";

/// The bytes of what never fails to be written.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    write(&mut bytes, value);
    bytes
}

/// An answer: with a result or an error.
pub(super) fn response(id: &RpcId, member: &str, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    let id = id.as_json();
    for piece in [r#"{"jsonrpc":"2.0","id":"#, id, ",\"", member, "\":"] {
        bytes.extend_from_slice(piece.as_bytes());
    }
    write(&mut bytes, value);
    bytes.push(b'}');
    bytes
}

/// A call.
pub(super) fn call(id: &RpcId, method: &str, params: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    let id = id.as_json();
    for piece in [
        r#"{"jsonrpc":"2.0","id":"#,
        id,
        r#","method":""#,
        method,
        r#"","params":"#,
    ] {
        bytes.extend_from_slice(piece.as_bytes());
    }
    write(&mut bytes, params);
    bytes.push(b'}');
    bytes
}

fn write(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value).expect("a vector takes every byte, and all keys are texts");
}

/// A `T` as the wire `W` has it.
pub(super) struct As<'a, W, T: ?Sized>(pub(super) &'a T, PhantomData<W>);

impl<'a, W, T: ?Sized> As<'a, W, T> {
    pub(super) const fn new(value: &'a T) -> Self {
        Self(value, PhantomData)
    }

    pub(super) fn some(value: Option<&'a T>) -> Option<Self> {
        value.map(Self::new)
    }
}

/// An object, field by field.
pub(super) struct Fields<S: Serializer>(S::SerializeMap);

impl<S: Serializer> Fields<S> {
    pub(super) fn begin(s: S) -> Result<Self, S::Error> {
        s.serialize_map(None).map(Self)
    }

    /// What kind of object it is, if the wire says it inside of the object.
    fn kind<W: Wire>(self, kind: &str) -> Result<Self, S::Error> {
        if W::KINDS {
            self.put("kind", kind)
        } else {
            Ok(self)
        }
    }

    pub(super) fn put<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        value: &T,
    ) -> Result<Self, S::Error> {
        self.0.serialize_entry(name, value)?;
        Ok(self)
    }

    /// A field that is left out if there is nothing to say.
    pub(super) fn put_some<T: Serialize>(
        self,
        name: &'static str,
        value: Option<T>,
    ) -> Result<Self, S::Error> {
        match value {
            Some(value) => self.put(name, &value),
            None => Ok(self),
        }
    }

    pub(super) fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// An object that the wire names in a field around it, unless it says in itself what it is.
fn named<W: Wire, S: Serializer>(
    s: S,
    name: &'static str,
    value: &impl Serialize,
) -> Result<S::Ok, S::Error> {
    if W::KINDS {
        value.serialize(s)
    } else {
        Fields::begin(s)?.put(name, value)?.end()
    }
}

impl<'a, W, T> Serialize for As<'a, W, [T]>
where
    As<'a, W, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(As::<'a, W, T>::new))
    }
}

impl<W: Wire> Serialize for As<'_, W, Part> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        W::write_part(self.0, s)
    }
}

impl<W: Wire> Serialize for As<'_, W, Message> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let message = self.0;
        Fields::begin(s)?
            .kind::<W>("message")?
            .put("messageId", &message.message_id)?
            .put_some("contextId", message.context_id.as_ref())?
            .put_some("taskId", message.task_id.as_ref())?
            .put("role", W::role_word(message.role))?
            .put("parts", &As::<W, [Part]>::new(&message.parts))?
            .put_some("metadata", message.metadata.as_ref())?
            .put_some("extensions", message.extensions.as_ref())?
            .put_some("referenceTaskIds", message.reference_task_ids.as_ref())?
            .put_some("usage", message.usage.as_ref().filter(|_| W::KINDS))?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, Task> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let task = self.0;
        let artifacts = As::<W, [Artifact]>::some(task.artifacts.as_deref());
        let history = As::<W, [Message]>::some(task.history.as_deref());
        Fields::begin(s)?
            .kind::<W>("task")?
            .put("id", &task.id)?
            .put("contextId", &task.context_id)?
            .put("status", &As::<W, _>::new(&task.status))?
            .put_some("artifacts", artifacts)?
            .put_some("history", history)?
            .put_some("metadata", task.metadata.as_ref())?
            .put_some("usage", task.usage.as_ref().filter(|_| W::KINDS))?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, TaskStatus> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let status = self.0;
        Fields::begin(s)?
            .put("state", W::state_word(status.state))?
            .put_some("message", As::<W, _>::some(status.message.as_ref()))?
            .put_some("timestamp", status.timestamp.as_ref())?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, Artifact> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let artifact = self.0;
        Fields::begin(s)?
            .put("artifactId", &artifact.artifact_id)?
            .put_some("name", artifact.name.as_ref())?
            .put_some("description", artifact.description.as_ref())?
            .put("parts", &As::<W, [Part]>::new(&artifact.parts))?
            .put_some("metadata", artifact.metadata.as_ref())?
            .put_some("extensions", artifact.extensions.as_ref())?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, StatusUpdate> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let update = self.0;
        Fields::begin(s)?
            .kind::<W>("status-update")?
            .put("taskId", &update.task_id)?
            .put("contextId", &update.context_id)?
            .put("status", &As::<W, _>::new(&update.status))?
            .put_some("final", W::KINDS.then_some(update.is_final))?
            .put_some("metadata", update.metadata.as_ref())?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, ArtifactUpdate> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let update = self.0;
        Fields::begin(s)?
            .kind::<W>("artifact-update")?
            .put("taskId", &update.task_id)?
            .put("contextId", &update.context_id)?
            .put("artifact", &As::<W, _>::new(&update.artifact))?
            .put_some("append", update.append)?
            .put_some("lastChunk", update.last_chunk)?
            .put_some("metadata", update.metadata.as_ref())?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, Event> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Event::Task(task) => named::<W, S>(s, "task", &As::<W, _>::new(task)),
            Event::Message(message) => named::<W, S>(s, "message", &As::<W, _>::new(message)),
            Event::Status(update) => named::<W, S>(s, "statusUpdate", &As::<W, _>::new(update)),
            Event::Artifact(update) => named::<W, S>(s, "artifactUpdate", &As::<W, _>::new(update)),
        }
    }
}

impl<W: Wire> Serialize for As<'_, W, CallResult> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            CallResult::Message(message) => named::<W, S>(s, "message", &As::<W, _>::new(message)),
            CallResult::Sent(task) => named::<W, S>(s, "task", &As::<W, _>::new(task)),
            CallResult::Task(task) => As::<W, _>::new(task).serialize(s),
            CallResult::Tasks(page) => As::<W, _>::new(page).serialize(s),
            CallResult::PushConfig(push) => As::<W, _>::new(push).serialize(s),
            CallResult::PushConfigs(list) => W::write_pushes(list, s),
            CallResult::Deleted => s.serialize_unit(),
            CallResult::Card(card) => card.serialize(s),
        }
    }
}

impl<W: Wire> Serialize for As<'_, W, TaskPage> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let page = self.0;
        Fields::begin(s)?
            .put("tasks", &As::<W, [Task]>::new(&page.tasks))?
            .put("nextPageToken", &page.next_page_token)?
            .put("pageSize", &page.page_size)?
            .put("totalSize", &page.total_size)?
            .end()
    }
}

impl<W: Wire> Serialize for As<'_, W, PushConfigOf> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        W::write_push(self.0, s)
    }
}

/// An error, with what goes along.
pub(super) struct ErrorObject<'a> {
    error: &'a A2aError,
    data: Option<Value>,
}

impl<'a> ErrorObject<'a> {
    pub(super) fn plain(error: &'a A2aError) -> Self {
        let data = error.data.clone();
        Self { error, data }
    }

    /// With its reason in front, unless somebody has said it already.
    pub(super) fn with_info(error: &'a A2aError) -> Self {
        let said = error.data.as_ref().is_some_and(is_info);
        match error.code.reason() {
            Some(reason) if !said => {
                let info = json!({
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": reason,
                    "domain": DOMAIN,
                    "metadata": {},
                });
                let more = error.data.clone().filter(|data| !data.is_null());
                let data = std::iter::once(info).chain(more).collect();
                Self {
                    error,
                    data: Some(data),
                }
            }
            _ => Self::plain(error),
        }
    }
}

/// Whether it is a list of typed details.
fn is_info(data: &Value) -> bool {
    let details = data.as_array();
    details.is_some_and(|list| list.iter().any(|detail| detail.get("@type").is_some()))
}

impl Serialize for ErrorObject<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Fields::begin(s)?
            .put("code", &self.error.code.number())?
            .put("message", &self.error.message)?
            .put_some("data", self.data.as_ref())?
            .end()
    }
}
