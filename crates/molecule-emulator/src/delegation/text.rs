//! Texts of delegations: what an agent answered, cut and spelled as the platform does.

use molecule_protocol::parse_json;
use serde_json::{Map, Value};

const REPLACEMENT: &str = "\u{FFFD}";

/// The text of an agent's answer: the first part of kind `text` of its result, else of its artifacts. A part with `type`
/// instead of `kind` is not found, and then the whole answer is the text.
pub(crate) fn answer_text(body: &[u8]) -> String {
    let json: Value = parse_json(body).unwrap_or_default();
    let result = &json["result"];
    let artifacts = result["artifacts"].as_array().into_iter().flatten();
    let lists = std::iter::once(&result["parts"]).chain(artifacts.map(|one| &one["parts"]));
    let parts = lists.filter_map(Value::as_array).flatten();
    let text = parts
        .filter(|part| part["kind"] == "text")
        .find_map(|part| part["text"].as_str());
    text.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// The first bytes of a text, and dots if there are more. A character that the cut splits becomes a replacement for each
/// of its bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let kept = text.as_bytes()[..bytes].utf8_chunks();
    let kept: String = kept
        .map(|chunk| chunk.valid().to_owned() + &REPLACEMENT.repeat(chunk.invalid().len()))
        .collect();
    kept + "..."
}

/// JSON as the database prints it: keys by length and then by bytes, and spaces after colons and commas.
pub(crate) fn database_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => format!("{{{}}}", fields_text(fields)),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(database_text).collect();
            format!("[{}]", items.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn fields_text(fields: &Map<String, Value>) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| (key.len(), key.as_str()));
    let text = |(key, value): (&String, &Value)| {
        format!("{}: {}", Value::from(key.as_str()), database_text(value))
    };
    let fields: Vec<String> = fields.into_iter().map(text).collect();
    fields.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: &Value, expect: &str) {
        assert_eq!(answer_text(body.to_string().as_bytes()), expect, "{body}");
    }

    #[test]
    fn the_first_text_of_kind_text_is_the_answer() {
        let text = |text: &str| json!({"kind": "text", "text": text});
        check(
            &json!({"result": {"parts": [{"kind": "file"}, text("a"), text("b")]}}),
            "a",
        );
        check(
            &json!({"result": {"artifacts": [{"parts": []}, {"parts": [text("c")]}]}}),
            "c",
        );
    }

    #[test]
    fn anything_else_is_its_own_text() {
        let typed = json!({"result": {"parts": [{"type": "text", "text": "a"}]}});
        check(&typed, &typed.to_string());
        check(&json!({"error": {"code": 1}}), r#"{"error":{"code":1}}"#);
        assert_eq!(answer_text(b"<html>"), "<html>");
    }

    #[test]
    fn a_cut_may_split_a_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc...");
        assert_eq!(cut("aü", 2), "a\u{FFFD}...");
        assert_eq!(cut("a€x", 3), "a\u{FFFD}\u{FFFD}...");
    }

    #[test]
    fn the_database_sorts_keys_by_length_and_writes_spaces() {
        let value = json!({"delegation_id": "d", "queued": true, "a": [1, {"b": null}]});
        assert_eq!(
            database_text(&value),
            r#"{"a": [1, {"b": null}], "queued": true, "delegation_id": "d"}"#
        );
    }
}
