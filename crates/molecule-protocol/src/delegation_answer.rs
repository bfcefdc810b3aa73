//! What the text stands for that the platform keeps as the answer to a delegation.

use serde_json::{Map, Value};

use crate::endpoints::a2a_reply::result_text;
use crate::endpoints::{A2aOutcome, RpcError};
use crate::parse_json;

/// What the target of a delegation answered, read from the text that the platform keeps as its answer.
///
/// Where the platform finds no text in what the target sent, it keeps all of it, whatever that says, and lists the
/// delegation as completed. Some platforms keep their own notice that the target polls for its messages.
///
/// ```
/// use molecule_protocol::DelegationAnswer;
///
/// let kept = r#"{"jsonrpc":"2.0","id":"1","error":{"code":-32603,"message":"out of paper"}}"#;
/// match DelegationAnswer::of(kept) {
///     DelegationAnswer::Failed(error) => assert_eq!(error.code, Some(-32603)),
///     other => panic!("{other:?}"),
/// }
/// let text = DelegationAnswer::Text("printed".to_owned());
/// assert_eq!(DelegationAnswer::of("printed"), text);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DelegationAnswer {
    /// Its words.
    Text(String),
    /// A JSON-RPC error.
    Failed(RpcError),
    /// Nothing yet: the target polls, has the task among its messages, and answers by a message.
    Queued,
}

impl DelegationAnswer {
    /// Reads the whole text. An envelope is one only with the field `jsonrpc`; a target may answer with any other JSON.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let envelope = envelope(text).and_then(Self::of_envelope);
        envelope.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    fn of_envelope(body: Map<String, Value>) -> Option<Self> {
        if is_poll_notice(&body) {
            return Some(Self::Queued);
        }
        body.get("jsonrpc")?;
        match A2aOutcome::of(Some(body)) {
            A2aOutcome::Failed(error) => Some(Self::Failed(error)),
            A2aOutcome::Answered(result) => result_text(&result).map(Self::Text),
            _ => None,
        }
    }
}

fn envelope(text: &str) -> Option<Map<String, Value>> {
    let begins = text.trim_start().starts_with('{');
    begins.then(|| parse_json(text.as_bytes()).ok())?
}

fn is_poll_notice(body: &Map<String, Value>) -> bool {
    let says = |key: &str, word: &str| body.get(key).is_some_and(|value| value == word);
    says("status", "queued") && says("delivery_mode", "poll")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, expect: &str) {
        let answer = DelegationAnswer::of(text);
        assert_eq!(answer, DelegationAnswer::Text(expect.to_owned()), "{text}");
    }

    fn check_error(text: &str, expect: &str) {
        match DelegationAnswer::of(text) {
            DelegationAnswer::Failed(error) => assert_eq!(error.to_string(), expect, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_error_in_an_envelope_is_a_failure() {
        check_error(
            r#" {"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"boom"}}"#,
            "the agent answered with an error (-32603): boom",
        );
        check_error(
            r#"{"jsonrpc":"2.0","error":"boom"}"#,
            "the agent answered with an error: boom",
        );
    }

    #[test]
    fn a_text_that_the_platform_did_not_find_is_found() {
        check_text(
            r#"{"jsonrpc":"2.0","result":{"parts":[{"type":"text","text":"hi"}]}}"#,
            "hi",
        );
    }

    #[test]
    fn whatever_else_is_said_is_the_answer_as_it_is() {
        for text in [
            "",
            "done",
            "{ half",
            "[1]",
            r#"{"error":"the report has no title"}"#,
            r#"{"queued": true}"#,
            r#"{"status":"queued"}"#,
            r#"{"result":"x"}"#,
            r#"{"jsonrpc":"2.0","result":{"parts":[{"kind":"data","data":{}}]}}"#,
            r#"{"jsonrpc":"2.0","error":null,"result":7}"#,
        ] {
            check_text(text, text);
        }
    }

    #[test]
    fn the_notice_that_the_target_polls_is_no_answer() {
        let notice = r#"{"delivery_mode":"poll","method":"message/send","status":"queued"}"#;
        assert_eq!(DelegationAnswer::of(notice), DelegationAnswer::Queued);
    }
}
