//! Comparison of an answer with the recorded one.

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};

use super::bindings::next_variable;

/// Keys whose recorded value is part of the contract, not a sample.
const EXACT_KEYS: [&str; 4] = ["error", "status", "deleted", "paused"];

/// Whether `actual` is an answer of the recorded kind.
///
/// Objects have the same keys, an array's elements each look like one of the recorded elements (an empty recorded array
/// takes any), other values have the same JSON type, and a recorded null takes anything. The values of `error`,
/// `status`, `deleted` and `paused` must be the recorded ones.
///
/// # Errors
/// The first [`ShapeDifference`].
pub fn same_shape(recorded: &Value, actual: &Value) -> Result<(), ShapeDifference> {
    compare("", recorded, actual)
}

fn compare(path: &str, recorded: &Value, actual: &Value) -> Result<(), ShapeDifference> {
    match (recorded, actual) {
        (Value::Null, _) => Ok(()),
        (Value::Object(recorded), Value::Object(actual)) => compare_objects(path, recorded, actual),
        (Value::Array(recorded), Value::Array(actual)) => compare_arrays(path, recorded, actual),
        _ if json_type(recorded) == json_type(actual) => Ok(()),
        _ => Err(ShapeDifference::new(
            path,
            json_type(recorded),
            json_type(actual),
        )),
    }
}

fn compare_objects(
    path: &str,
    recorded: &Map<String, Value>,
    actual: &Map<String, Value>,
) -> Result<(), ShapeDifference> {
    if let Some(extra) = actual.keys().find(|key| !recorded.contains_key(*key)) {
        return Err(ShapeDifference::new(
            &format!("{path}/{extra}"),
            "nothing",
            "a value",
        ));
    }
    for (key, wanted) in recorded {
        let path = format!("{path}/{key}");
        let Some(found) = actual.get(key) else {
            return Err(ShapeDifference::new(&path, json_type(wanted), "nothing"));
        };
        if EXACT_KEYS.contains(&key.as_str()) && is_literal(wanted) && wanted != found {
            return Err(ShapeDifference::new(
                &path,
                &wanted.to_string(),
                &found.to_string(),
            ));
        }
        compare(&path, wanted, found)?;
    }
    Ok(())
}

fn compare_arrays(path: &str, recorded: &[Value], actual: &[Value]) -> Result<(), ShapeDifference> {
    let Some(first) = recorded.first() else {
        return Ok(());
    };
    for (index, element) in actual.iter().enumerate() {
        let path = format!("{path}/{index}");
        if recorded
            .iter()
            .all(|wanted| compare(&path, wanted, element).is_err())
        {
            compare(&path, first, element)?;
        }
    }
    Ok(())
}

fn is_literal(value: &Value) -> bool {
    match value {
        Value::String(text) => next_variable(text).is_none(),
        other => other.is_boolean(),
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Where an answer differs from the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeDifference {
    /// The JSON pointer of the difference.
    pub path: String,
    /// What was recorded there.
    pub recorded: String,
    /// What is there instead.
    pub actual: String,
}

impl ShapeDifference {
    fn new(path: &str, recorded: &str, actual: &str) -> Self {
        Self {
            path: path.to_owned(),
            recorded: recorded.to_owned(),
            actual: actual.to_owned(),
        }
    }
}

impl fmt::Display for ShapeDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at \"{}\" the recording has {}, the answer {}",
            self.path, self.recorded, self.actual
        )
    }
}

impl Error for ShapeDifference {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn same(recorded: &Value, actual: &Value) {
        assert_eq!(same_shape(recorded, actual), Ok(()));
    }

    fn differs(recorded: &Value, actual: &Value, path: &str) {
        assert_eq!(same_shape(recorded, actual).unwrap_err().path, path);
    }

    #[test]
    fn samples_match_by_type() {
        same(
            &json!({"id": "a", "tier": 2, "url": null}),
            &json!({"id": "b", "tier": 3, "url": "http://x"}),
        );
        differs(&json!({"tier": 2}), &json!({"tier": "2"}), "/tier");
        differs(&json!({"id": "a"}), &json!({"id": null}), "/id");
    }

    #[test]
    fn objects_have_the_same_keys() {
        differs(&json!({"a": {"b": 1}}), &json!({"a": {}}), "/a/b");
        differs(&json!({"a": {}}), &json!({"a": {"b": 1}}), "/a/b");
    }

    #[test]
    fn what_the_contract_fixes_is_exact() {
        differs(
            &json!({"status": "ok"}),
            &json!({"status": "fine"}),
            "/status",
        );
        differs(
            &json!({"error": "not found"}),
            &json!({"error": "gone"}),
            "/error",
        );
        differs(
            &json!([{"paused": true}]),
            &json!([{"paused": false}]),
            "/0/paused",
        );
        same(
            &json!({"error": "no ${workspace:a}"}),
            &json!({"error": "no such thing"}),
        );
        same(
            &json!({"error": {"code": -32000}}),
            &json!({"error": {"code": -32601}}),
        );
    }

    #[test]
    fn each_element_looks_like_a_recorded_one() {
        let rows = json!([{"summary": "a", "error": "refused"}, {"summary": "b"}]);
        same(
            &rows,
            &json!([{"summary": "c"}, {"summary": "d"}, {"summary": "e", "error": "refused"}]),
        );
        same(&rows, &json!([]));
        same(&json!([]), &json!([1, "two"]));
        differs(&rows, &json!([{"summary": "c"}, {"text": "d"}]), "/1/text");
    }
}
