//! The recorded answers of a real platform, for tests of clients and emulators.
//!
//! A [`Transcript`] is one recording; it replays from an empty server, because ids and tokens are variables such
//! as `${workspace:alpha}`, which a replayer keeps in [`Bindings`]. Values that differ on every run are samples, so
//! answers are compared by status and with [`same_shape`]: [`Exchange::compare`] does both. The format is described in
//! `transcripts/README.md`.
//!
//! ```
//! use molecule_protocol::transcripts;
//!
//! let recording = transcripts::find("02-heartbeat-state-lifecycle").expect("one of the recordings");
//! let refused = recording.exchanges().filter(|exchange| exchange.response.status == 401);
//! assert_eq!(refused.count(), 17);
//! ```

mod agent;
mod answer;
mod bindings;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use self::answer::{Answer, AnswerDifference};
pub use self::bindings::{Bindings, UnboundVariable};
pub use self::shape::{ShapeDifference, same_shape};

const FILES: [&str; 11] = [
    include_str!("../transcripts/01-create-register.json"),
    include_str!("../transcripts/02-heartbeat-state-lifecycle.json"),
    include_str!("../transcripts/03-peers-discover-a2a.json"),
    include_str!("../transcripts/04-delegate-activity-notify.json"),
    include_str!("../transcripts/05-secrets-plugins-tokens-misc.json"),
    include_str!("../transcripts/06-liveness-timeline.json"),
    include_str!("../transcripts/08-config-modes.json"),
    include_str!("../transcripts/09-stream-ws-extra.json"),
    include_str!("../transcripts/10-enum-fixed.json"),
    include_str!("../transcripts/11-timeouts-races.json"),
    include_str!("../transcripts/12-patch-runtime.json"),
];

/// Every recording, in the order in which they were made.
#[must_use]
pub fn all() -> Vec<Transcript> {
    FILES.iter().map(|text| parse(text)).collect()
}

/// The recording whose [`Transcript::source`] is `source`.
#[must_use]
pub fn find(source: &str) -> Option<Transcript> {
    all()
        .into_iter()
        .find(|transcript| transcript.source == source)
}

fn parse(text: &str) -> Transcript {
    serde_json::from_str(text)
        .expect("the recordings are compiled in, and a test parses each of them")
}

/// One recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// Its name, which is also the name of its file.
    pub source: String,
    /// The server generation that answered.
    pub generation: String,
    /// Its parts, to be replayed in order.
    pub sections: Vec<Section>,
}

impl Transcript {
    /// Every request with its answer, in order.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.sections.iter().flat_map(Section::exchanges)
    }
}

/// A part of a recording, made under one server configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// What the section shows.
    pub title: String,
    /// The configuration of the server during the steps.
    pub mode: String,
    /// The configuration during the setup, where it was another one.
    pub setup_mode: Option<String>,
    /// The parts of the contract it touches.
    pub topics: Vec<String>,
    /// Workspaces that the section needs besides those of earlier sections.
    pub setup: Vec<Setup>,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

impl Section {
    /// The section's requests with their answers, in order.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.steps.iter().filter_map(|step| match step {
            Step::Exchange(exchange) => Some(&**exchange),
            _ => None,
        })
    }
}

/// A workspace to be made before the steps; it binds `workspace:NAME`, and `token:NAME` when a token was issued.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The name of its variables.
    pub workspace: String,
    /// The body of `POST /workspaces`; without one, the workspace registers itself under a fresh id.
    pub create: Option<Value>,
    /// The body of `POST /registry/register` but for the id, when the workspace registers.
    pub register: Option<Value>,
    /// The status it then has.
    pub status: String,
}

/// One thing that happened in a recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A request and the answer it got.
    Exchange(Box<Exchange>),
    /// Something the recording implies but does not show; a replayer has to do it too.
    Unrecorded(Box<Unrecorded>),
    /// A line of the recording that cannot be replayed, for the reader.
    Observed {
        /// The line.
        observed: String,
    },
}

/// A request and the answer it got.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What was sent.
    pub request: RecordedRequest,
    /// What came back.
    pub response: RecordedResponse,
    /// JSON pointers into the answer's body and the values they must have.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,
    /// The length of the answer's array.
    pub expect_rows: Option<usize>,
    /// Variables to bind, with the JSON pointers into the answer's body.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
    /// The part of the contract it belongs to.
    pub topic: String,
    /// The line of the recording that the exchange was read from, if that did not show it whole.
    pub condensed: Option<String>,
    /// The recorder's remark.
    pub note: Option<String>,
}

/// A request; at most one of `json`, `text` and `generate` is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRequest {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers that matter.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub json: Option<Value>,
    /// A body to be sent as it is.
    pub text: Option<String>,
    /// A body too large to be kept.
    pub generate: Option<Generate>,
}

impl RecordedRequest {
    /// The body to send, if there is one.
    ///
    /// # Errors
    /// [`UnboundVariable`] when the body names a variable that has no value yet.
    pub fn body(&self, bindings: &Bindings) -> Result<Option<String>, UnboundVariable> {
        if let Some(generate) = &self.generate {
            return generate.body(bindings).map(Some);
        }
        if let Some(json) = &self.json {
            return Ok(Some(bindings.substitute_json(json)?.to_string()));
        }
        self.text
            .as_deref()
            .map(|text| bindings.substitute(text))
            .transpose()
    }
}

/// An answer; a body that was not recorded leaves `json` and `text` empty.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers that were recorded.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body; of one that was cut, the whole leading elements.
    pub json: Option<Value>,
    /// Any other body; of one that was cut, its beginning.
    pub text: Option<String>,
    /// A body too large to be kept.
    pub generate: Option<Generate>,
    /// The recording kept only the beginning of the body.
    #[serde(default)]
    pub cut: bool,
    /// The length of a binary or cut body.
    pub bytes: Option<usize>,
    /// The body does not end; `text` is what came while the recorder listened.
    #[serde(default)]
    pub stream: bool,
}

/// A large JSON body: `base` with one string filled until the whole has the wanted length.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// The body with that string empty.
    pub base: Value,
    /// The JSON pointer of that string.
    pub pad_field: String,
    /// The length of the whole, in bytes.
    pub bytes: usize,
    /// What the string is filled with.
    #[serde(default = "default_pad")]
    pub pad: char,
}

fn default_pad() -> char {
    'x'
}

impl Generate {
    /// The filled body.
    ///
    /// # Errors
    /// [`UnboundVariable`] when the base names a variable that has no value yet.
    pub fn body(&self, bindings: &Bindings) -> Result<String, UnboundVariable> {
        let mut body = bindings.substitute_json(&self.base)?;
        let missing = self.bytes.saturating_sub(body.to_string().len());
        if let Some(field) = body.pointer_mut(&self.pad_field) {
            *field = Value::String(String::from(self.pad).repeat(missing));
        }
        Ok(body.to_string())
    }
}

/// Something that a recording implies but does not show.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unrecorded {
    /// What happened.
    #[serde(rename = "unrecorded")]
    pub action: Action,
    /// How often it happened in a row; once when absent.
    pub times: Option<usize>,
    /// It is repeated at this interval until the section ends.
    pub every_seconds: Option<u64>,
    /// Variables to bind from the answer.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
    /// How we know.
    pub why: String,
}

/// What a replayer does besides the recorded requests.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Action {
    /// Send a request, which succeeds.
    Request(RecordedRequest),
    /// From now on the agent at `${agent:NAME}` behaves like this.
    Agent {
        /// The agent's name.
        agent: String,
        /// Its new behaviour.
        behaviour: Behaviour,
    },
    /// Let time pass.
    Elapse {
        /// How much of it.
        elapse_seconds: f64,
        /// Workspaces that send heartbeats meanwhile.
        #[serde(default)]
        beating: Vec<String>,
    },
    /// Change the server in a way that it has no endpoint for.
    Operator {
        /// The change.
        operator: String,
        /// The workspace concerned.
        workspace: Option<String>,
        /// The secret concerned.
        key: Option<String>,
        /// The status to set.
        status: Option<String>,
        /// The plugins to publish.
        #[serde(default)]
        plugins: Vec<String>,
        /// A replayer that cannot make the change skips this many exchanges.
        needed_by: usize,
    },
}

/// How an agent answers the messages that the platform sends it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// It answers a message with `echo: ` and the message's text.
    pub echo: bool,
    /// It closes the connection without an answer.
    pub drop: bool,
    /// It answers this.
    pub answer: Option<RecordedResponse>,
    /// It waits this long before it answers.
    pub delay_ms: u64,
}
