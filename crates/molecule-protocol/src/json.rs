//! Reading JSON of others.

use serde::Deserialize;
use serde::de::Error as _;

use crate::price::{Token, tokens};

/// A key under which `serde_json` takes a text for JSON in disguise. Its limit of nesting starts anew in there, so that a few
/// kilobytes of texts within texts would overflow the stack.
const DISGUISE: &[u8] = b"$serde_json::private::RawValue";
/// How much longer a character can be when it is escaped, as in `\u0024`.
const LONGEST_ESCAPE: usize = 6;
/// What an answer may take in memory, in bytes.
const ANSWER: usize = 64 << 20;

/// Why JSON of others is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is no JSON, of another shape than expected, nested too deeply, or hides more JSON from the reader.
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
    /// It would take too much memory, however few bytes of text it is.
    #[error("this JSON would take more memory than is given to it; ask for less of it")]
    TooDear,
}

/// Reads JSON that somebody else wrote: `serde_json`'s reader, but for one key that hides depth from it, and for texts that would
/// take more than 64 MiB as a `Value`. What a text would take is estimated before anything is built, and never too low: an object
/// counts 640 bytes and a field 136, a list 144 and an element 64, a text 32 and its length.
///
/// ```
/// use molecule_protocol::{JsonError, parse_json};
/// use serde_json::Value;
///
/// let value: Value = parse_json(br#"{"a":[1]}"#)?;
/// assert_eq!(value["a"][0], 1);
/// let hidden = br#"{"$serde_json::private::RawValue":"[1]"}"#;
/// assert!(parse_json::<Value>(hidden).is_err());
/// let dear = format!("[{}0]", r#"{"":0},"#.repeat(100_000));
/// assert!(matches!(parse_json::<Value>(dear.as_bytes()), Err(JsonError::TooDear)));
/// # Ok::<(), JsonError>(())
/// ```
///
/// # Errors
/// [`JsonError::TooDear`] when it would take too much memory. [`JsonError::Unreadable`] when it is no JSON, of another shape than
/// `T`, nested too deeply, or holds the text `$serde_json::private::RawValue`.
pub fn parse_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, JsonError> {
    let mut budget = Budget::ANSWER;
    budget.parse(text)
}

/// How much memory JSON may take, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: usize,
    share: usize,
    overdrawn: bool,
}

impl Budget {
    /// For all of one answer: 64 MiB, which a single part of it may use up.
    pub(crate) const ANSWER: Self = Self {
        left: ANSWER,
        share: ANSWER,
        overdrawn: false,
    };

    /// With so much for one part at most.
    pub(crate) const fn with_share(self, share: usize) -> Self {
        Self { share, ..self }
    }

    /// Reads a part. One that is dearer than its share costs nothing.
    pub(crate) fn parse<'a, T: Deserialize<'a>>(&mut self, text: &'a [u8]) -> Result<T, JsonError> {
        let price = price_within(text, self.share)?;
        self.pay(price)?;
        Ok(serde_json::from_slice(text)?)
    }

    /// Takes what something costs.
    pub(crate) fn pay(&mut self, price: usize) -> Result<(), JsonError> {
        let left = self.left.checked_sub(price);
        self.overdrawn |= left.is_none();
        self.left = left.ok_or(JsonError::TooDear)?;
        Ok(())
    }

    /// Whether there was something that could not be paid for.
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.overdrawn
    }
}

/// What a text costs, if nothing in it is hidden. Nobody looks further than the limit.
fn price_within(text: &[u8], limit: usize) -> Result<usize, JsonError> {
    tokens(text).try_fold(0_usize, |price, token| match token {
        Token::Text(text) if is_disguise(text) => {
            Err(serde_json::Error::custom("JSON hidden in a text").into())
        }
        token => Some(price + token.price())
            .filter(|price| *price <= limit)
            .ok_or(JsonError::TooDear),
    })
}

fn is_disguise(string: &[u8]) -> bool {
    let begins = matches!(string.first(), Some(b'$' | b'\\'));
    if !begins || string.len() > DISGUISE.len() * LONGEST_ESCAPE {
        return false;
    }
    let quoted = [b"\"", string, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|text| text.as_bytes() == DISGUISE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parse(text: &str) -> Option<Value> {
        parse_json(text.as_bytes()).ok()
    }

    #[test]
    fn json_in_disguise_is_refused_however_it_is_written() {
        let within = |key: &str| format!(r#"[{{"a":{{ "{key}" : "[1]" }}}}]"#);
        assert_eq!(parse(&within("$serde_json::private::RawValue")), None);
        assert_eq!(parse(&within(r"\u0024serde_json::private::RawValue")), None);
        assert_eq!(parse(&within(r"$serde_json::private::R\u0061wValue")), None);
        let escaped: String = "$serde_json::private::RawValue"
            .chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect();
        assert_eq!(parse(&within(&escaped)), None);
        for harmless in ["$serde_json::private::RawValue2", "$", r"\\", "a$"] {
            assert!(parse(&within(harmless)).is_some(), "{harmless}");
        }
    }

    #[test]
    fn texts_within_texts_do_not_overflow_the_stack() {
        let mut text = "1".to_owned();
        for _ in 0..16 {
            let deeper = format!("{}{text}{}", "[".repeat(120), "]".repeat(120));
            text = json!({"$serde_json::private::RawValue": deeper}).to_string();
        }
        assert_eq!(parse(&text), None);
    }

    fn is_too_dear(text: &str) -> bool {
        matches!(
            parse_json::<Value>(text.as_bytes()),
            Err(JsonError::TooDear)
        )
    }

    fn list_of(element: &str, bytes: usize) -> String {
        let elements = vec![element; bytes / (element.len() + 1)];
        format!("[{}]", elements.join(","))
    }

    #[test]
    fn a_few_bytes_that_become_many_are_refused() {
        let nested = r#"{"a":"#.repeat(2_000_000);
        for text in [
            list_of(r#"{"":0}"#, 10 << 20),
            list_of("{}", 10 << 20),
            list_of("[]", 10 << 20),
            list_of("[[]]", 10 << 20),
            list_of("0", 10 << 20),
            list_of(r#""""#, 10 << 20),
            nested,
            "[".repeat(10 << 20),
        ] {
            assert!(is_too_dear(&text), "{}", &text[..20]);
        }
    }

    #[test]
    fn large_messages_are_read() {
        let text = "a \\n[\\\"{,: ü".repeat(5_000_000 / 12);
        let rows = list_of(
            r#"{"id":1234567,"name":"somebody","tags":["one","two"],"at":"2026-11-22T04:01:56.415484Z"}"#,
            10_000 * 90,
        );
        let numbers = list_of("0.123456789", 10 << 20);
        for text in [format!(r#"{{"text":"{text}"}}"#), rows, numbers] {
            assert!(parse(&text).is_some(), "{}", &text[..30]);
        }
    }

    #[test]
    fn brackets_and_commas_in_a_text_cost_no_more_than_other_characters() {
        assert!(parse(&format!("[\"{}\"]", "[{,:".repeat(2 << 20))).is_some());
    }

    proptest! {
        #[test]
        fn what_hides_nothing_is_read_as_ever(text in r#"[\[\]{}:,"\\$a1u0 ]{0,40}"#) {
            let plain = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(parse(&text), plain);
        }
    }
}
