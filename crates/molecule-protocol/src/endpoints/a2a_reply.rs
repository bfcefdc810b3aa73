//! What came back for a message that was taken.

use serde_json::{Map, Value};

use crate::endpoint::Answer;
use crate::message::{Part, joined_text};
use crate::{ApiError, parse_json};

/// What came back for a message that was taken: the outcome, and the envelope as it came.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct A2aReply {
    /// What became of the message.
    pub outcome: A2aOutcome,
    /// The body as it came, whatever it is.
    pub raw: Vec<u8>,
}

/// What became of a message that was taken.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum A2aOutcome {
    /// The agent answered: the `result` of the JSON-RPC envelope.
    Answered(Value),
    /// The agent answered with a JSON-RPC error.
    Failed(RpcError),
    /// The platform keeps the message and delivers it later; no result comes back to this call.
    Queued(Queued),
    /// The agent took the message, but what it answered is no JSON-RPC.
    Unreadable,
}

/// An error that an agent answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the agent answered with an error{}: {message}", code.map(|code| format!(" ({code})")).unwrap_or_default())]
#[non_exhaustive]
pub struct RpcError {
    /// Its code, if it has one.
    pub code: Option<i64>,
    /// Its words, cut to 1000 characters.
    pub message: String,
    /// What else it says.
    pub data: Option<Value>,
}

/// Where a message waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Queued {
    /// Its id in the queue; the same message has the same.
    pub queue_id: Option<String>,
    /// How many messages wait, with this one.
    pub depth: Option<u64>,
}

impl A2aReply {
    /// The envelope as JSON, if it is JSON.
    #[must_use]
    pub fn envelope(&self) -> Option<Value> {
        parse_json(&self.raw).ok()
    }

    /// The text of an answer, one part to a line: of a message, or of a task's artifacts or status.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match &self.outcome {
            A2aOutcome::Answered(result) => result_text(result),
            _ => None,
        }
    }

    /// Reads a 2xx answer; `None` for any other.
    pub(crate) fn read(answer: &Answer<'_>) -> Option<Self> {
        answer.status().is_success().then(|| Self {
            outcome: A2aOutcome::of(answer.object()),
            raw: answer.body().to_vec(),
        })
    }

    /// A 2xx answer of an agent's own, which has no queue.
    pub(crate) fn read_directly(
        answer: &Answer<'_>,
        refused: impl FnOnce() -> ApiError,
    ) -> Result<Self, ApiError> {
        let mut reply = match Self::read(answer) {
            Some(reply) => reply,
            None => Self::failure(answer).ok_or_else(refused)?,
        };
        if matches!(reply.outcome, A2aOutcome::Queued(_)) {
            reply.outcome = A2aOutcome::Unreadable;
        }
        Ok(reply)
    }

    /// Agents may send JSON-RPC errors with another status than 200.
    fn failure(answer: &Answer<'_>) -> Option<Self> {
        let body = answer
            .object()
            .filter(|body| body.contains_key("jsonrpc"))?;
        let outcome = A2aOutcome::of(Some(body));
        matches!(outcome, A2aOutcome::Failed(_)).then(|| Self {
            outcome,
            raw: answer.body().to_vec(),
        })
    }
}

impl A2aOutcome {
    pub(crate) fn of(body: Option<Map<String, Value>>) -> Self {
        let Some(mut body) = body else {
            return Self::Unreadable;
        };
        if let Some(error) = body.remove("error").filter(|error| !error.is_null()) {
            return Self::Failed(RpcError::of(error));
        }
        if let Some(result) = body.remove("result") {
            return Self::Answered(result);
        }
        if Queued::is(&body) {
            Self::Queued(Queued::of(&body))
        } else {
            Self::Unreadable
        }
    }
}

impl RpcError {
    /// A text alone is an error too: some agents answer no more than that.
    fn of(mut error: Value) -> Self {
        let words = match &error {
            Value::String(text) => text.as_str(),
            error => error["message"].as_str().unwrap_or("no reason given"),
        };
        Self {
            message: shown(words, 1000),
            code: error["code"].as_i64(),
            data: error
                .get_mut("data")
                .map(Value::take)
                .filter(|data| !data.is_null()),
        }
    }
}

impl Queued {
    /// For an agent that polls, some platforms answer with 200, and neither a mark nor an id.
    fn is(body: &Map<String, Value>) -> bool {
        let says = |key: &str, word: &str| body.get(key).is_some_and(|value| value == word);
        body.get("queued") == Some(&Value::Bool(true))
            || body.get("queue_id").is_some_and(Value::is_string)
            || says("status", "queued") && says("delivery_mode", "poll")
    }

    fn of(body: &Map<String, Value>) -> Self {
        let id = body.get("queue_id").and_then(Value::as_str);
        Self {
            queue_id: id.map(|id| shown(id, 100)),
            depth: body.get("queue_depth").and_then(Value::as_u64),
        }
    }
}

/// Foreign words, fit for a message.
fn shown(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(limit)
        .collect()
}

/// The text of a result: of a message, or of a task's artifacts or status.
pub(crate) fn result_text(result: &Value) -> Option<String> {
    if let Some(text) = result.as_str() {
        return Some(text.to_owned());
    }
    let artifacts = result["artifacts"].as_array().into_iter().flatten();
    let places = [&result["parts"]]
        .into_iter()
        .chain(artifacts.map(|artifact| &artifact["parts"]))
        .chain([&result["status"]["message"]["parts"]]);
    places.map(parts_text).find(|text| !text.is_empty())
}

fn parts_text(parts: &Value) -> String {
    let parts = parts.as_array().into_iter().flatten();
    joined_text(&parts.map(Part::from_json).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn reply(status: u16, body: &str) -> A2aReply {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        A2aReply::read(&Answer::new(status, &headers, body.as_bytes())).unwrap()
    }

    #[test]
    fn answers_errors_and_queued_messages_are_told_apart() {
        let answered = reply(200, r#"{"jsonrpc":"2.0","id":"m","result":{"a":1}}"#);
        assert_eq!(answered.outcome, A2aOutcome::Answered(json!({"a": 1})));
        let null = reply(
            200,
            r#"{"jsonrpc":"2.0","id":"m","result":null,"error":null}"#,
        );
        assert_eq!(null.outcome, A2aOutcome::Answered(Value::Null));
        let queued = reply(
            202,
            r#"{"message":"busy","queue_depth":2,"queue_id":"6b9f","queued":true}"#,
        );
        let expect = Queued {
            queue_id: Some("6b9f".to_owned()),
            depth: Some(2),
        };
        assert_eq!(queued.outcome, A2aOutcome::Queued(expect));
        // An agent may answer with 202 itself.
        let accepted = reply(202, r#"{"jsonrpc":"2.0","result":"ok","queued":true}"#);
        assert_eq!(accepted.text().as_deref(), Some("ok"));
    }

    #[test]
    fn a_message_left_for_a_polling_agent_is_queued_whatever_the_status() {
        for status in [200, 202] {
            let body = r#"{"status":"queued","delivery_mode":"poll","method":"message/send"}"#;
            let reply = reply(status, body);
            assert_eq!(reply.outcome, A2aOutcome::Queued(Queued::default()));
            assert_eq!(reply.text(), None);
        }
        // A task that an agent queued itself.
        let of_agent = reply(200, r#"{"status":"queued"}"#);
        assert_eq!(of_agent.outcome, A2aOutcome::Unreadable);
    }

    #[test]
    fn errors_of_every_shape_have_words() {
        let check = |body: &str, expect: &str| match reply(200, body).outcome {
            A2aOutcome::Failed(error) => assert_eq!(error.to_string(), expect, "{body}"),
            other => panic!("{body} gave {other:?}"),
        };
        check(
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"app\u001b[31m error","data":7}}"#,
            "the agent answered with an error (-32000): app[31m error",
        );
        check(
            r#"{"error":"plain"}"#,
            "the agent answered with an error: plain",
        );
        check(
            r#"{"error":{}}"#,
            "the agent answered with an error: no reason given",
        );
    }

    #[test]
    fn anything_else_is_kept_as_it_came() {
        let deep = "[".repeat(500);
        for body in [
            "",
            "<html>not json</html>",
            r#"{"anything": 1}"#,
            "[]",
            "null",
            &deep,
            "{\"result\":",
        ] {
            let reply = reply(200, body);
            assert_eq!(reply.outcome, A2aOutcome::Unreadable, "{body}");
            assert_eq!(reply.raw, body.as_bytes());
        }
    }

    #[test]
    fn the_text_is_found_in_messages_and_tasks() {
        let check = |result: Value, expect: Option<&str>| {
            let body = json!({"result": result}).to_string();
            assert_eq!(reply(200, &body).text().as_deref(), expect, "{body}");
        };
        check(
            json!({"kind": "message", "parts": [{"type": "text", "text": "a"}, {"kind": "text", "text": "b"}]}),
            Some("a\nb"),
        );
        check(
            json!({"kind": "task", "artifacts": [{"parts": []}, {"parts": [{"kind": "text", "text": "done"}]}]}),
            Some("done"),
        );
        check(
            json!({"kind": "task", "status": {"message": {"parts": [{"kind": "text", "text": "working"}]}}}),
            Some("working"),
        );
        check(json!("plain"), Some("plain"));
        check(json!({"parts": "none", "artifacts": 7}), None);
        check(json!(null), None);
    }
}
