//! Rows of the activity log, and which of them are messages to this agent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::Budget;
use crate::lenient::lenient;
use crate::message::{Part, Role, joined_text};
use crate::{ActivityId, Timestamp, WorkspaceId};

/// A row of a workspace's activity log, as far as clients need it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ActivityRow {
    /// Its id; the poll cursor.
    pub id: ActivityId,
    /// When it was written.
    pub created_at: Timestamp,
    /// What it records, such as `a2a_receive`.
    #[serde(default, deserialize_with = "lenient")]
    pub activity_type: String,
    /// The JSON-RPC method, or `notify`.
    #[serde(default, deserialize_with = "lenient")]
    pub method: String,
    /// Who caused it: a workspace's id, or nothing for the canvas user and for own notifications.
    #[serde(default, deserialize_with = "source")]
    pub source_id: Option<String>,
    /// The workspace that it is about, where it is one.
    #[serde(default, deserialize_with = "lenient")]
    pub target_id: Option<WorkspaceId>,
    /// `ok`, or `error` for a delivery that failed; of a delegation, how far it is.
    #[serde(default, deserialize_with = "lenient")]
    pub status: String,
    /// What failed.
    #[serde(default, deserialize_with = "lenient")]
    pub error_detail: Option<String>,
    /// One line for people.
    #[serde(default, deserialize_with = "lenient")]
    pub summary: String,
    /// The JSON-RPC request.
    #[serde(default)]
    pub request_body: Option<Value>,
    /// The answer that was given, if any.
    #[serde(default)]
    pub response_body: Option<Value>,
    /// What some later platforms add for polling agents.
    #[serde(default, deserialize_with = "lenient")]
    pub data: Option<Map<String, Value>>,
}

/// What has to be known of a row to get past it.
#[derive(Deserialize)]
struct RowHead {
    id: ActivityId,
    created_at: Timestamp,
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sender {
    /// The person at the platform's canvas.
    CanvasUser,
    /// Another workspace.
    Peer(WorkspaceId),
    /// Something that cannot be answered.
    Unknown(String),
}

/// A message to this agent. As JSON it can be kept, and read again by this version and later ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InboundMessage {
    /// The row it came in.
    pub activity_id: ActivityId,
    /// When the platform accepted it.
    pub created_at: Timestamp,
    /// Who sent it.
    pub sender: Sender,
    /// Its text parts, one to a line.
    pub text: String,
    /// All its parts.
    pub parts: Vec<Part>,
    /// The sender's own id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The task it belongs to, where the sender says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The conversation it belongs to, where the sender says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    /// The JSON-RPC method.
    pub method: String,
    /// [`Role::Agent`] for an answer to something this agent sent; it is not answered in turn.
    pub role: Role,
    /// The sender's metadata.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The sender's name, where the platform tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_name: Option<String>,
    /// The sender's role, where the platform tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_role: Option<String>,
    /// Where the sender's agent card is, where the platform tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_card_url: Option<String>,
}

/// What a row means to the agent whose log it is in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Inbound {
    /// A message to handle.
    Message(Box<InboundMessage>),
    /// A row that is no message to handle.
    Skip(SkipReason),
}

/// Why a row is not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The row records something else than a received message.
    NotAMessage,
    /// The agent's own notification to the canvas, which the platform logs as received.
    OwnNotification,
    /// A message that the agent sent to itself.
    OwnMessage,
    /// It was pushed to the agent and answered then.
    AlreadyAnswered,
    /// Its delivery failed and the sender was told so.
    DeliveryFailed,
}

impl InboundMessage {
    /// A text that did not come from a platform's log, such as one out of a queue of one's own. The id and the time say which it is.
    #[must_use]
    pub fn text(
        activity_id: ActivityId,
        created_at: Timestamp,
        sender: Sender,
        text: impl Into<String>,
    ) -> Self {
        let text = text.into();
        Self {
            activity_id,
            created_at,
            sender,
            parts: vec![Part::Text(text.clone())],
            text,
            message_id: None,
            task_id: None,
            context_id: None,
            method: "message/send".to_owned(),
            role: Role::User,
            metadata: Map::new(),
            peer_name: None,
            peer_role: None,
            agent_card_url: None,
        }
    }

    /// Whether its sender says that it answers the message, or the delegation, of this id: by `in_reply_to` or
    /// `delegation_id` in its metadata. The sender can say what it likes; look at who it is.
    #[must_use]
    pub fn answers(&self, id: &str) -> bool {
        let says = |key| self.metadata.get(key).and_then(Value::as_str) == Some(id);
        says("in_reply_to") || says("delegation_id")
    }
}

impl ActivityRow {
    /// Reads a row. One that is too deep, too dear or too odd to be read still gives its place in the log, so that an agent
    /// gets past it; it is no message then.
    pub(crate) fn read(row: &RawValue, budget: &mut Budget) -> Option<Self> {
        let whole = budget.parse(row.get().as_bytes());
        whole
            .or_else(|_| serde_json::from_str(row.get()).map(Self::without_content))
            .ok()
    }

    fn without_content(head: RowHead) -> Self {
        Self {
            id: head.id,
            created_at: head.created_at,
            activity_type: String::new(),
            method: String::new(),
            source_id: None,
            target_id: None,
            status: String::new(),
            error_detail: None,
            summary: String::new(),
            request_body: None,
            response_body: None,
            data: None,
        }
    }

    /// What this row means to the agent of workspace `me`.
    #[must_use]
    pub fn inbound(&self, me: &WorkspaceId) -> Inbound {
        match self.skip_reason(me) {
            Some(reason) => Inbound::Skip(reason),
            None => Inbound::Message(Box::new(self.message())),
        }
    }

    /// The message that this row records, also one that is not to be handled any more, such as one that was pushed to the agent.
    /// `None` if it records none.
    #[must_use]
    pub fn received(&self) -> Option<InboundMessage> {
        let is_message = self.activity_type == "a2a_receive" && self.method != "notify";
        is_message.then(|| self.message())
    }

    fn skip_reason(&self, me: &WorkspaceId) -> Option<SkipReason> {
        if self.activity_type != "a2a_receive" {
            Some(SkipReason::NotAMessage)
        } else if self.method == "notify" {
            Some(SkipReason::OwnNotification)
        } else if self.sender() == Sender::Peer(*me) {
            Some(SkipReason::OwnMessage)
        } else if self.status == "error" {
            Some(SkipReason::DeliveryFailed)
        } else if self.is_answered() {
            Some(SkipReason::AlreadyAnswered)
        } else {
            None
        }
    }

    fn is_answered(&self) -> bool {
        self.response_body
            .as_ref()
            .is_some_and(|body| body.get("result").is_some() || body.get("error").is_some())
    }

    fn sender(&self) -> Sender {
        let id = self
            .source_id
            .as_deref()
            .filter(|id| !id.is_empty())
            .or_else(|| self.data_text("peer_id"));
        match id {
            None => Sender::CanvasUser,
            Some(id) => id
                .parse()
                .map_or_else(|_| Sender::Unknown(id.to_owned()), Sender::Peer),
        }
    }

    fn message(&self) -> InboundMessage {
        let envelope = Envelope::of(self.request_body.as_ref());
        let parts = envelope.parts();
        InboundMessage {
            activity_id: self.id,
            created_at: self.created_at,
            sender: self.sender(),
            text: self.text(&parts),
            message_id: envelope.text("messageId"),
            task_id: envelope.text("taskId"),
            context_id: envelope.text("contextId"),
            method: self.method.clone(),
            role: if envelope.text("role").as_deref() == Some("agent") {
                Role::Agent
            } else {
                Role::User
            },
            metadata: envelope.metadata(),
            peer_name: self.data_text("peer_name").map(str::to_owned),
            peer_role: self.data_text("peer_role").map(str::to_owned),
            agent_card_url: self.data_text("agent_card_url").map(str::to_owned),
            parts,
        }
    }

    /// The request first, then what a later platform adds, then the line for people.
    fn text(&self, parts: &[Part]) -> String {
        let text = joined_text(parts);
        if !text.is_empty() {
            return text;
        }
        let fallback = self
            .data_text("text")
            .or((self.request_body.is_none()).then_some(self.summary.as_str()));
        fallback.unwrap_or_default().to_owned()
    }

    fn data_text(&self, key: &str) -> Option<&str> {
        self.data
            .as_ref()?
            .get(key)?
            .as_str()
            .filter(|text| !text.is_empty())
    }
}

/// The places in which a request carries its message.
#[derive(Debug, Default)]
struct Envelope<'a> {
    request: Option<&'a Value>,
    params: Option<&'a Value>,
    message: Option<&'a Value>,
}

impl<'a> Envelope<'a> {
    fn of(request: Option<&'a Value>) -> Self {
        let params = request.and_then(|r| r.get("params"));
        Self {
            request,
            params,
            message: params.and_then(|p| p.get("message")),
        }
    }

    fn parts(&self) -> Vec<Part> {
        [self.message, self.params, self.request]
            .into_iter()
            .flatten()
            .find_map(|place| place.get("parts")?.as_array())
            .map(|parts| parts.iter().map(Part::from_json).collect())
            .unwrap_or_default()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.message?.get(key)?.as_str().map(str::to_owned)
    }

    /// The message's metadata over that of the request's parameters.
    fn metadata(&self) -> Map<String, Value> {
        [self.params, self.message]
            .into_iter()
            .flatten()
            .filter_map(|place| place.get("metadata")?.as_object())
            .flat_map(|map| map.iter().map(|(key, value)| (key.clone(), value.clone())))
            .collect()
    }
}

/// A source that is no text is kept as something that cannot be answered, rather than taken for the canvas user.
fn source<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ME: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";
    const PEER: &str = "c7a82861-b15f-421d-903c-f767f108d62f";

    fn row(fields: Value) -> ActivityRow {
        let mut row = json!({"id": "28aa9223-a2e1-4348-ac8d-55c47e1b030e", "created_at": "2026-11-22T04:01:56.415484Z",
            "activity_type": "a2a_receive", "method": "message/send", "status": "ok", "source_id": null,
            "summary": "message/send → d-tgt"});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    fn message(fields: Value) -> InboundMessage {
        match row(fields).inbound(&ME.parse().unwrap()) {
            Inbound::Message(message) => *message,
            Inbound::Skip(reason) => panic!("skipped: {reason:?}"),
        }
    }

    fn check_skip(fields: Value, expect: SkipReason) {
        match row(fields.clone()).inbound(&ME.parse().unwrap()) {
            Inbound::Skip(reason) => assert_eq!(reason, expect, "{fields}"),
            Inbound::Message(message) => panic!("{fields} gave {message:?}"),
        }
    }

    fn read(text: String) -> ActivityRow {
        let row = RawValue::from_string(text).unwrap();
        ActivityRow::read(&row, &mut Budget::ANSWER.clone()).unwrap()
    }

    fn send(parts: Value) -> Value {
        json!({"request_body": {"jsonrpc": "2.0", "method": "message/send",
            "params": {"message": {"messageId": "mm-2", "parts": parts, "role": "user"}}}})
    }

    #[test]
    fn a_row_that_is_too_deep_to_read_still_has_its_place() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        let text = format!(
            r#"{{"request_body":{deep},"id":"28aa9223-a2e1-4348-ac8d-55c47e1b030e","created_at":"2026-11-22T04:01:56Z"}}"#
        );
        let row = read(text);
        assert!(matches!(
            row.inbound(&ME.parse().unwrap()),
            Inbound::Skip(SkipReason::NotAMessage)
        ));
    }

    #[test]
    fn a_row_that_hides_json_in_a_text_keeps_its_place() {
        let text = r#"{"id":"28aa9223-a2e1-4348-ac8d-55c47e1b030e","created_at":"2026-11-22T04:01:56Z",
            "request_body":{"a":{"$serde_json::private::RawValue":"[1]"}}}"#;
        let row = read(text.to_owned());
        assert_eq!(row.id.to_string(), "28aa9223-a2e1-4348-ac8d-55c47e1b030e");
        assert_eq!(row.request_body, None);
    }

    #[test]
    fn odd_fields_do_not_cost_the_message() {
        let mut fields = send(json!([{"kind": "text", "text": "hi"}]));
        fields["data"] = json!("no object");
        fields["summary"] = json!(7);
        assert_eq!(message(fields).text, "hi");
        assert_eq!(
            message(json!({"source_id": 7})).sender,
            Sender::Unknown("7".to_owned())
        );
    }

    #[test]
    fn the_text_is_read_from_the_request() {
        let message = message(send(
            json!([{"kind": "text", "text": "one"}, {"type": "text", "text": "two"}]),
        ));
        assert_eq!(message.text, "one\ntwo");
        assert_eq!(message.message_id.as_deref(), Some("mm-2"));
        assert_eq!(message.sender, Sender::CanvasUser);
    }

    #[test]
    fn a_message_says_which_task_and_conversation_it_belongs_to() {
        let said = json!({"messageId": "m", "taskId": "t-1", "contextId": "c-1", "parts": []});
        let message = message(json!({"request_body": {"params": {"message": said}}}));
        assert_eq!(message.task_id.as_deref(), Some("t-1"));
        assert_eq!(message.context_id.as_deref(), Some("c-1"));
    }

    #[test]
    fn a_peer_is_known_by_the_source() {
        let mut fields = send(json!([]));
        fields["source_id"] = PEER.into();
        assert_eq!(message(fields).sender, Sender::Peer(PEER.parse().unwrap()));
    }

    #[test]
    fn a_source_that_is_no_workspace_is_unknown() {
        let message = message(json!({"source_id": "system:cron"}));
        assert_eq!(message.sender, Sender::Unknown("system:cron".to_owned()));
    }

    #[test]
    fn later_platforms_may_say_more_in_data() {
        let message =
            message(json!({"data": {"text": "from data", "peer_id": PEER, "peer_name": "Ann"}}));
        assert_eq!(message.text, "from data");
        assert_eq!(message.sender, Sender::Peer(PEER.parse().unwrap()));
        assert_eq!(message.peer_name.as_deref(), Some("Ann"));
    }

    #[test]
    fn the_summary_is_the_last_resort() {
        assert_eq!(message(json!({"summary": "hello"})).text, "hello");
        assert_eq!(
            message(json!({"summary": "hello", "request_body": {"params": null}})).text,
            ""
        );
    }

    #[test]
    fn rows_that_are_no_messages_are_skipped() {
        check_skip(
            json!({"activity_type": "agent_log"}),
            SkipReason::NotAMessage,
        );
        check_skip(json!({"activity_type": null}), SkipReason::NotAMessage);
        check_skip(
            json!({"method": "notify", "response_body": {"result": "hi"}}),
            SkipReason::OwnNotification,
        );
        check_skip(json!({"source_id": ME}), SkipReason::OwnMessage);
        check_skip(json!({"status": "error"}), SkipReason::DeliveryFailed);
        check_skip(
            json!({"response_body": {"result": {"kind": "message"}}}),
            SkipReason::AlreadyAnswered,
        );
        check_skip(
            json!({"response_body": {"error": {"code": -32000}}}),
            SkipReason::AlreadyAnswered,
        );
    }

    #[test]
    fn an_empty_or_null_response_body_means_unanswered() {
        assert_eq!(
            message(json!({"response_body": null, "summary": "s"})).text,
            "s"
        );
        assert_eq!(
            message(json!({"response_body": {}, "summary": "s"})).text,
            "s"
        );
    }

    #[test]
    fn an_answer_is_recognised_by_its_role() {
        let fields =
            json!({"request_body": {"params": {"message": {"role": "agent", "parts": []}}}});
        assert_eq!(message(fields).role, Role::Agent);
    }

    #[test]
    fn an_answer_says_what_it_answers() {
        let check = |metadata: Value, expect: bool| {
            let fields = json!({"request_body": {"params": {"message": {"metadata": metadata}}}});
            assert_eq!(message(fields).answers("d-1"), expect, "{metadata}");
        };
        check(json!({"in_reply_to": "d-1"}), true);
        check(json!({"delegation_id": "d-1"}), true);
        check(json!({"in_reply_to": "d-2", "delegation_id": 7}), false);
        check(json!({}), false);
    }

    #[test]
    fn what_was_received_can_be_read_again() {
        let mut fields = send(json!([{"kind": "text", "text": "hi"}]));
        fields["response_body"] = json!({"result": {}});
        assert_eq!(row(fields).received().unwrap().text, "hi");
        assert!(row(json!({"method": "notify"})).received().is_none());
        assert!(
            row(json!({"activity_type": "delegation"}))
                .received()
                .is_none()
        );
    }

    #[test]
    fn metadata_of_message_and_request_are_merged() {
        let message = message(
            json!({"request_body": {"params": {"metadata": {"history": [], "a": 1},
            "message": {"metadata": {"a": 2, "delegation_id": "d"}}}}}),
        );
        assert_eq!(
            Value::from(message.metadata),
            json!({"history": [], "a": 2, "delegation_id": "d"})
        );
    }
}
