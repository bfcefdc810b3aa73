//! Reading JSON of others.

use serde::Deserialize;
use serde::de::Error as _;

/// A key under which `serde_json` takes a text for JSON in disguise. Its limit of nesting starts anew in there, so that a few
/// kilobytes of texts within texts would overflow the stack.
const DISGUISE: &[u8] = b"$serde_json::private::RawValue";
/// How much longer a character can be when it is escaped, as in `\u0024`.
const LONGEST_ESCAPE: usize = 6;

/// Reads JSON that somebody else wrote: `serde_json`'s reader, but for one key that hides depth from it.
///
/// ```
/// let value: serde_json::Value = molecule_protocol::parse_json(br#"{"a":[1]}"#)?;
/// assert_eq!(value["a"][0], 1);
/// let hidden = br#"{"$serde_json::private::RawValue":"[1]"}"#;
/// assert!(molecule_protocol::parse_json::<serde_json::Value>(hidden).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// When it is no JSON, of another shape than `T`, nested too deeply, or holds the text `$serde_json::private::RawValue`.
pub fn parse_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, serde_json::Error> {
    if strings(text).any(is_disguise) {
        return Err(serde_json::Error::custom("JSON hidden in a text"));
    }
    serde_json::from_slice(text)
}

/// What stands between quotation marks, with its escapes. What follows something that is no JSON may be anything.
fn strings(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| *byte == b'"')? + 1;
        let length = end(&rest[start..])?;
        let string = &rest[start..start + length];
        rest = &rest[start + length + 1..];
        Some(string)
    })
}

/// Where the quotation mark is that ends a string.
fn end(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
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

    #[test]
    fn quotation_marks_in_texts_do_not_end_them() {
        let found: Vec<_> = strings(br#"{"a\"b":"c\\","":"\\\"d"} "open"#).collect();
        let expect: [&[u8]; 4] = [br#"a\"b"#, br"c\\", b"", br#"\\\"d"#];
        assert_eq!(found, expect);
    }

    proptest! {
        #[test]
        fn what_hides_nothing_is_read_as_ever(text in r#"[\[\]{}:,"\\$a1u0 ]{0,40}"#) {
            let plain = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(parse(&text), plain);
        }
    }
}
