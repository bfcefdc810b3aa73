//! What becomes of a message body on its way through the proxy.

use molecule_protocol::parse_json;
use serde_json::{Map, Number, Value, json};
use uuid::Uuid;

/// Bodies are cut here, which usually makes them invalid.
const MAX_BODY: usize = 1024 * 1024;

/// The envelope that the agent gets, or nothing if the body is neither a JSON object nor `null`.
pub(crate) fn normalise(body: &[u8]) -> Option<Value> {
    let cut = &body[..body.len().min(MAX_BODY)];
    let fields = match parse_json(cut).ok()? {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        _ => return None,
    };
    let mut envelope = Value::Object(wrap(fields));
    fill_message_id(&mut envelope);
    through_floats(&mut envelope);
    Some(envelope)
}

/// Without `jsonrpc`, only `method` and `params` survive.
fn wrap(mut fields: Map<String, Value>) -> Map<String, Value> {
    if fields.contains_key("jsonrpc") {
        return fields;
    }
    let mut take = |key| fields.remove(key).unwrap_or_default();
    let (method, params) = (take("method"), take("params"));
    let wrapped =
        json!({ "jsonrpc": "2.0", "id": Uuid::new_v4(), "method": method, "params": params });
    match wrapped {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn fill_message_id(envelope: &mut Value) {
    let message = envelope
        .pointer_mut("/params/message")
        .and_then(Value::as_object_mut);
    if let Some(message) = message {
        message
            .entry("messageId")
            .or_insert_with(|| json!(Uuid::new_v4()));
    }
}

/// The `messageId` of an envelope, if it has one.
pub(crate) fn message_id(envelope: &Value) -> Option<&str> {
    envelope
        .pointer("/params/message/messageId")
        .and_then(Value::as_str)
}

/// Go reads numbers as floats, so that large integers lose their last digits and whole ones their fraction.
fn through_floats(value: &mut Value) {
    match value {
        Value::Number(number) => *number = through_float(number),
        Value::Array(items) => items.iter_mut().for_each(through_floats),
        Value::Object(fields) => fields.values_mut().for_each(through_floats),
        _ => {}
    }
}

fn through_float(number: &Number) -> Number {
    let Some(float) = number.as_f64() else {
        return number.clone();
    };
    let digits = float.to_string();
    let whole = digits.parse::<i64>().map(Number::from);
    let large = || digits.parse::<u64>().map(Number::from);
    whole
        .or_else(|_| large())
        .unwrap_or_else(|_| number.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: Value) {
        let mut envelope = normalise(body.as_bytes()).unwrap();
        if envelope["id"].as_str().is_some_and(|id| id.len() == 36) {
            envelope["id"] = json!("fresh");
        }
        assert_eq!(envelope, expect, "{body}");
    }

    #[test]
    fn a_body_without_jsonrpc_keeps_only_method_and_params() {
        check(
            r#"{"method":"m","params":{"a":1},"keep":true}"#,
            json!({"jsonrpc":"2.0","id":"fresh","method":"m","params":{"a":1}}),
        );
        check(
            r#"{"parts":[]}"#,
            json!({"jsonrpc":"2.0","id":"fresh","method":null,"params":null}),
        );
        check(
            "null",
            json!({"jsonrpc":"2.0","id":"fresh","method":null,"params":null}),
        );
    }

    #[test]
    fn a_body_with_jsonrpc_passes_and_gets_no_id() {
        check(
            r#"{"jsonrpc":"2.0","method":"tasks/get","keep":true}"#,
            json!({"jsonrpc":"2.0","method":"tasks/get","keep":true}),
        );
    }

    #[test]
    fn a_message_without_an_id_gets_one_and_keeps_its_own() {
        let fresh = normalise(br#"{"jsonrpc":"2.0","params":{"message":{}}}"#).unwrap();
        assert_eq!(message_id(&fresh).unwrap().len(), 36);
        let own = normalise(br#"{"jsonrpc":"2.0","params":{"message":{"messageId":"b"}}}"#);
        assert_eq!(message_id(&own.unwrap()), Some("b"));
    }

    #[test]
    fn large_integers_lose_their_last_digits() {
        check(
            r#"{"jsonrpc":"2.0","id":12345678901234567890,"x":1.0,"y":0.5,"z":-3}"#,
            json!({"jsonrpc":"2.0","id":12345678901234567000_u64,"x":1,"y":0.5,"z":-3}),
        );
    }

    #[test]
    fn anything_but_an_object_or_null_is_refused() {
        for body in ["[]", "text", "", "\"s\"", "{} trailing"] {
            assert!(normalise(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn a_body_over_one_mebibyte_is_cut_and_so_refused() {
        let body = |length: usize| format!(r#"{{"jsonrpc":"2.0","x":"{}"}}"#, "x".repeat(length));
        assert!(normalise(body(MAX_BODY - 100).as_bytes()).is_some());
        assert!(normalise(body(MAX_BODY).as_bytes()).is_none());
    }
}
