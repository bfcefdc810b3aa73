//! What a local agent answered, in whichever of the forms agents use.

use molecule_agent::protocol::parse_json;
use serde_json::Value;

/// States of a task that has failed.
const FAILED: [&str; 3] = ["failed", "rejected", "canceled"];

/// The text of an answer: of a message, a task's artifacts or its status; or of a body that is no JSON.
///
/// # Errors
/// What the agent said went wrong, or that it said nothing that can be understood.
pub(super) fn read(body: &[u8]) -> Result<Option<String>, String> {
    let Ok(answer) = parse_json::<Value>(body) else {
        return Ok(plain(body));
    };
    if let Some(error) = error_of(&answer) {
        return Err(error);
    }
    let no_text = "the local agent answered without any text";
    let text = text_of(answer.get("result").unwrap_or(&Value::Null)).ok_or(no_text)?;
    match failed_state(&answer) {
        Some(state) => Err(format!("the local agent's task was {state}: {text}")),
        None => Ok(Some(text).filter(|text| !text.is_empty())),
    }
}

/// What an answer says went wrong: a JSON-RPC error, or the text that simpler servers send.
pub(super) fn error_of(answer: &Value) -> Option<String> {
    let error = answer.get("error").filter(|error| !error.is_null())?;
    let text = error
        .get("message")
        .unwrap_or(error)
        .as_str()
        .unwrap_or("without a message");
    Some(match error.get("code") {
        Some(code) => format!("the local agent's error {code}: {text}"),
        None => format!("the local agent's error: {text}"),
    })
}

fn plain(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body).trim_end().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

fn text_of(result: &Value) -> Option<String> {
    let of_message = || texts(result.get("parts")?);
    let of_artifacts = || {
        let artifacts = result.get("artifacts")?.as_array()?.iter();
        joined(artifacts.filter_map(|artifact| texts(artifact.get("parts")?)))
    };
    let of_status = || texts(result.pointer("/status/message/parts")?);
    of_message().or_else(of_artifacts).or_else(of_status)
}

fn texts(parts: &Value) -> Option<String> {
    let texts = parts
        .as_array()?
        .iter()
        .filter_map(|part| part.get("text")?.as_str());
    joined(texts.map(str::to_owned))
}

fn joined(texts: impl Iterator<Item = String>) -> Option<String> {
    texts.reduce(|all, text| all + "\n" + &text)
}

fn failed_state(answer: &Value) -> Option<&str> {
    let state = answer.pointer("/result/status/state")?.as_str()?;
    FAILED.contains(&state).then_some(state)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &Value, expect: Result<&str, &str>) {
        let read = read(body.to_string().as_bytes());
        let expect = expect
            .map(|text| Some(text.to_owned()))
            .map_err(str::to_owned);
        assert_eq!(read, expect, "{body}");
    }

    #[test]
    fn a_message_answers_with_its_parts() {
        let text = json!({"kind": "text", "text": "hello"});
        check(
            &json!({"jsonrpc": "2.0", "id": 1, "result": {"kind": "message", "parts": [text]}}),
            Ok("hello"),
        );
        check(
            &json!({"result": {"parts": [{"type": "text", "text": "a"}, {"kind": "data"}, {"text": "b"}]}}),
            Ok("a\nb"),
        );
    }

    #[test]
    fn a_task_answers_with_its_artifacts_or_its_status() {
        let parts = |text: &str| json!([{"kind": "text", "text": text}]);
        let artifacts = json!([{"parts": parts("one")}, {"parts": []}, {"parts": parts("two")}]);
        check(
            &json!({"result": {"kind": "task", "artifacts": artifacts}}),
            Ok("one\ntwo"),
        );
        let status = |state: &str| json!({"state": state, "message": {"parts": parts("what?")}});
        check(
            &json!({"result": {"kind": "task", "status": status("input-required")}}),
            Ok("what?"),
        );
        check(
            &json!({"result": {"kind": "task", "status": status("failed")}}),
            Err("the local agent's task was failed: what?"),
        );
    }

    #[test]
    fn errors_are_told() {
        check(
            &json!({"id": 1, "error": {"code": -32601, "message": "method not found"}}),
            Err("the local agent's error -32601: method not found"),
        );
        check(
            &json!({"error": "out of order"}),
            Err("the local agent's error: out of order"),
        );
        check(
            &json!({"result": {"kind": "task"}}),
            Err("the local agent answered without any text"),
        );
        check(
            &json!({"result": null, "error": null}),
            Err("the local agent answered without any text"),
        );
        check(&json!([]), Err("the local agent answered without any text"));
    }

    #[test]
    fn a_body_that_is_no_json_is_the_answer() {
        assert_eq!(read(b"just text\n"), Ok(Some("just text".to_owned())));
        assert_eq!(read(b"\xff"), Ok(Some("\u{fffd}".to_owned())));
        assert_eq!(read(b" \n"), Ok(None));
    }
}
