//! What the stub says: one answer for whatever comes, byte for byte.

use molecule_protocol::parse_json;
use serde_json::Value;
use uuid::Uuid;

/// The JSON-RPC answer to the body of a POST. Keys stand in the order of the original and without
/// spaces, because scripts search the bytes.
pub(super) fn answer(body: &[u8]) -> String {
    answer_to(&parse(body), fresh_id)
}

/// The JSON that tells a probe that the stub is alive.
pub(super) fn health(workspace_id: &str) -> String {
    let workspace_id = Value::from(workspace_id);
    format!(r#"{{"status":"ok","stub":true,"workspace_id":{workspace_id}}}"#)
}

/// What is empty or no JSON counts as a message without a method.
fn parse(body: &[u8]) -> Value {
    parse_json(body).unwrap_or_default()
}

fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

fn answer_to(request: &Value, mut fresh_id: impl FnMut() -> String) -> String {
    let id = request
        .get("id")
        .cloned()
        .unwrap_or_else(|| fresh_id().into());
    match unknown_method(request) {
        Some(method) => method_not_found(&id, &method),
        None => stub_ok(&id, &fresh_id().into()),
    }
}

/// The method, if it asks for anything but a message: one that is missing or empty does not.
fn unknown_method(request: &Value) -> Option<String> {
    match request.get("method")? {
        Value::String(method) if method.is_empty() || method == "message/send" => None,
        Value::String(method) => Some(method.clone()),
        method if is_empty(method) => None,
        method => Some(method.to_string()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn stub_ok(id: &Value, message_id: &Value) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"kind":"message","role":"agent","parts":[{{"kind":"text","text":"STUB OK"}}],"messageId":{message_id}}}}}"#
    )
}

fn method_not_found(id: &Value, method: &str) -> String {
    let message = Value::from(format!("method not found: {method}"));
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":{message}}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer when the first id that is made up is `fresh-1`, the second `fresh-2`.
    fn answered(body: &str) -> String {
        let mut count = 0;
        answer_to(&parse(body.as_bytes()), || {
            count += 1;
            format!("fresh-{count}")
        })
    }

    fn check_ok(body: &str, id: &str, message_id: &str) {
        let expect = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"kind":"message","role":"agent","parts":[{{"kind":"text","text":"STUB OK"}}],"messageId":"{message_id}"}}}}"#
        );
        assert_eq!(answered(body), expect, "{body:?}");
    }

    fn check_unknown(method: &str, message: &str) {
        let body = format!(r#"{{"id":1,"method":{method}}}"#);
        let expect = format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32601,"message":"{message}"}}}}"#
        );
        assert_eq!(answered(&body), expect, "{body:?}");
    }

    #[test]
    fn a_message_is_answered_under_its_own_id_with_its_type() {
        for id in [
            "7",
            "\"custom-id-123\"",
            "null",
            "1.5",
            "18446744073709551615",
            "\"\"",
            "[1]",
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"message/send"}}"#);
            check_ok(&body, id, "fresh-1");
        }
    }

    #[test]
    fn a_missing_or_empty_method_counts_as_a_message() {
        for method in ["\"\"", "null", "0", "0.0", "false", "[]", "{}"] {
            check_ok(&format!(r#"{{"id":1,"method":{method}}}"#), "1", "fresh-1");
        }
        check_ok(r#"{"id":1}"#, "1", "fresh-1");
        check_ok("{}", "\"fresh-1\"", "fresh-2");
    }

    #[test]
    fn what_is_no_json_object_counts_as_a_message_without_an_id() {
        for body in [
            "",
            "not json",
            "{",
            "null",
            "[1]",
            "\"text\"",
            "5",
            "\u{feff}{}",
        ] {
            check_ok(body, "\"fresh-1\"", "fresh-2");
        }
    }

    #[test]
    fn other_methods_are_not_found() {
        check_unknown("\"tasks/get\"", "method not found: tasks/get");
        check_unknown("\"Message/Send\"", "method not found: Message/Send");
        check_unknown("\"a\\\"b\"", "method not found: a\\\"b");
        check_unknown("5", "method not found: 5");
        check_unknown("true", "method not found: true");
        assert_eq!(
            answered(r#"{"method":"x"}"#),
            r#"{"jsonrpc":"2.0","id":"fresh-1","error":{"code":-32601,"message":"method not found: x"}}"#
        );
    }

    #[test]
    fn ids_that_are_made_up_are_uuids_and_differ() {
        let answer: Value = serde_json::from_str(&answer(b"")).unwrap();
        let (id, message_id) = (&answer["id"], &answer["result"]["messageId"]);
        assert!(Uuid::parse_str(id.as_str().unwrap()).is_ok());
        assert!(Uuid::parse_str(message_id.as_str().unwrap()).is_ok());
        assert_ne!(id, message_id);
    }

    #[test]
    fn health_names_the_workspace() {
        let expect = r#"{"status":"ok","stub":true,"workspace_id":"9e453dad"}"#;
        assert_eq!(health("9e453dad"), expect);
    }
}
