//! What of an answer may be printed: its status and its error, and no token.

use molecule_protocol::transcripts::Answer;
use serde_json::Value;

/// Shorter words are no tokens: those have 43 characters, and ids 36.
const TOKEN: usize = 40;
/// Enough to recognise an answer by.
const LONGEST: usize = 120;

/// The status, and the error if there is one.
pub(crate) fn summary(answer: &Answer) -> String {
    match answer.json().get("error").and_then(Value::as_str) {
        Some(error) => format!("{} {:?}", answer.status, text(error)),
        None => answer.status.to_string(),
    }
}

/// A text of the platform's, cut, without control characters and without what could be a token.
pub(crate) fn text(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut shown = String::new();
    for part in text.split_inclusive(|c| !is_word(c)) {
        let word = part.trim_end_matches(|c| !is_word(c));
        if word.len() >= TOKEN {
            shown += "[redacted]";
            shown += &part[word.len()..];
        } else {
            shown += part;
        }
    }
    shown.retain(|c| !c.is_control());
    cut(&shown)
}

/// The beginning of a text.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "OUT56Uhi8dg4eLRWuckdJ-_nYNy1TvkqyBMpRprprxs";

    #[test]
    fn a_token_is_not_shown_wherever_it_stands() {
        assert_eq!(text(&format!("\"{TOKEN}\"")), "\"[redacted]\"");
        assert_eq!(text(&format!("Bearer {TOKEN}")), "Bearer [redacted]");
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26";
        assert_eq!(text(id), id);
    }

    #[test]
    fn of_a_body_only_the_error_is_shown() {
        let answer = |body: &str| Answer {
            status: 401,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(summary(&answer("{\"API_KEY\":\"s3cr3t\"}")), "401");
        assert_eq!(summary(&answer("{\"error\":\"no\\u001b\"}")), "401 \"no\"");
    }
}
