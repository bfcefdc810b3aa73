//! The part of an answer that may be logged: its beginning, without tokens.

use molecule_token_store::Token;

/// The key whose value is the token.
const KEY: &str = r#""auth_token""#;

/// What stands in the place of a token.
const REDACTED: &str = "[redacted]";

/// The first `limit` characters of `body`, in which nothing of a token is left: neither the value
/// of an `auth_token` key nor any text of the `known` tokens, which a broken proxy may echo.
pub(super) fn excerpt(body: &[u8], limit: usize, known: &[Token]) -> String {
    let mut text = blank_values(&String::from_utf8_lossy(body));
    for token in known {
        text = text.replace(token.expose(), REDACTED);
    }
    text.chars().take(limit).collect()
}

/// Works on the text instead of parsed JSON, so that it holds for an answer that was cut short,
/// and leaves the rest as it came.
fn blank_values(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY) {
        let (before, after) = rest.split_at(at + KEY.len());
        let value = after.trim_start_matches(|c: char| c == ':' || c.is_whitespace());
        let (separator, value) = after.split_at(after.len() - value.len());
        blanked.extend([before, separator, "\"", REDACTED, "\""]);
        rest = &value[value_length(value)..];
    }
    blanked + rest
}

/// The length of the JSON value at the start of `text`; of one that never ends, and of arrays and
/// objects, everything.
fn value_length(text: &str) -> usize {
    match text.strip_prefix('"') {
        Some(string) => string_end(string).map_or(text.len(), |end| end + 2),
        None if text.starts_with(['{', '[']) => text.len(),
        None => text.find([',', '}']).unwrap_or(text.len()),
    }
}

/// Where the closing quote is.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|c| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        c => c == '"',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        let known = [Token::new("kn0wn-t0k3n").unwrap()];
        assert_eq!(excerpt(body.as_bytes(), 200, &known), expect);
    }

    #[test]
    fn the_token_of_a_registration_is_blanked_and_the_rest_stays() {
        check(
            r#"{"auth_token":"s3cr3t","status":"registered"}"#,
            r#"{"auth_token":"[redacted]","status":"registered"}"#,
        );
        check(
            r#"{"status" : "registered", "auth_token" : "s3cr3t" }"#,
            r#"{"status" : "registered", "auth_token" : "[redacted]" }"#,
        );
        check(r#"{"status":"registered"}"#, r#"{"status":"registered"}"#);
    }

    #[test]
    fn broken_and_odd_answers_show_no_token_either() {
        check(r#"{"auth_token":"s3cr"#, r#"{"auth_token":"[redacted]""#);
        check(
            r#"{"auth_token":"a\"s3cr3t","x":1}"#,
            r#"{"auth_token":"[redacted]","x":1}"#,
        );
        check(
            r#"{"auth_token":12345,"x":1}"#,
            r#"{"auth_token":"[redacted]","x":1}"#,
        );
        check(
            r#"{"auth_token":{"value":"s3cr3t"}}"#,
            r#"{"auth_token":"[redacted]""#,
        );
        check(
            r#"[{"auth_token":"a"},{"auth_token":"b"}]"#,
            r#"[{"auth_token":"[redacted]"},{"auth_token":"[redacted]"}]"#,
        );
        check(r#"{"auth_token"}"#, r#"{"auth_token""[redacted]"}"#);
    }

    #[test]
    fn a_known_token_is_blanked_wherever_it_stands() {
        check(
            "bad header: Bearer kn0wn-t0k3n!",
            "bad header: Bearer [redacted]!",
        );
    }

    #[test]
    fn the_cut_counts_characters_and_comes_after_the_blanking() {
        let known = [Token::new("kn0wn-t0k3n").unwrap()];
        assert_eq!(excerpt("äöüß".as_bytes(), 3, &known), "äöü");
        assert_eq!(excerpt(b"1234kn0wn-t0k3n", 8, &known), "1234[red");
        assert_eq!(excerpt(b"\xff1", 9, &known), "\u{fffd}1");
    }
}
