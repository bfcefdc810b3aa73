//! What JSON text costs in memory once it is a `serde_json::Value`, known before any of it is built.
//!
//! A few bytes of text can become hundreds in memory: `{"":0}` is a whole node of a tree. The price is an upper bound, counted in
//! one pass that neither recurses nor allocates. Text that is no JSON has a price too: that of what a reader builds before it
//! stumbles, at least.

/// The node of a tree that an object begins with, and what the allocator adds.
const OBJECT: usize = 640;
/// A further field, beside what its comma costs: its share of nodes that are half full.
const FIELD: usize = 72;
/// The four elements that a list begins with, and what the allocator adds.
const LIST: usize = 144;
/// A further element: lists double, so that half of one may be empty.
const ELEMENT: usize = 64;
/// What the allocator adds to a text.
const TEXT: usize = 32;

/// A piece of JSON text that costs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// What stands between quotation marks, with its escapes.
    Text(&'a [u8]),
    /// A bracket that opens, a comma or a colon.
    Mark(u8),
}

impl Token<'_> {
    /// The most that it takes, in bytes.
    pub(crate) const fn price(self) -> usize {
        match self {
            Self::Text(text) => TEXT + text.len(),
            Self::Mark(b'{') => OBJECT,
            Self::Mark(b'[') => LIST,
            Self::Mark(b':') => FIELD,
            Self::Mark(_) => ELEMENT,
        }
    }
}

/// The pieces of a text. What follows a quotation mark without another may be anything.
pub(crate) fn tokens(text: &[u8]) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_token = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b',' | b':');
        let at = rest.iter().position(is_token)?;
        let (mark, after) = (rest[at], &rest[at + 1..]);
        if mark != b'"' {
            rest = after;
            return Some(Token::Mark(mark));
        }
        let length = length(after)?;
        rest = &after[length + 1..];
        Some(Token::Text(&after[..length]))
    })
}

/// How far it is to the quotation mark that ends a string.
fn length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..]
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
        if at > text.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn price(text: &str) -> usize {
        tokens(text.as_bytes()).map(Token::price).sum()
    }

    /// What the allocator really takes for so many bytes.
    fn chunk(bytes: usize) -> usize {
        match bytes {
            0 => 0,
            bytes => (bytes + 8).next_multiple_of(16).max(32),
        }
    }

    /// The most that a value takes, beside the place that it stands in.
    fn size(value: &Value) -> usize {
        match value {
            Value::String(text) => chunk(text.capacity()),
            Value::Array(items) => {
                let place = size_of::<Value>();
                chunk(items.capacity() * place) + items.iter().map(size).sum::<usize>()
            }
            Value::Object(fields) => {
                let inside = |(key, value): (&String, &Value)| chunk(key.capacity()) + size(value);
                nodes(fields.len()) + fields.iter().map(inside).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// A tree of so many fields whose nodes are as empty as they may be: they hold eleven, and at least five.
    fn nodes(fields: usize) -> usize {
        let place = size_of::<String>() + size_of::<Value>();
        let leaf = chunk(11 * place + 16);
        let inner = chunk(11 * place + 16 + 12 * size_of::<usize>());
        match fields {
            0 => 0,
            1..=11 => leaf,
            _ => {
                let leaves = (fields + 1) / 6;
                let above = |level: &usize| (*level > 1).then_some((level / 6).max(1));
                let levels = std::iter::successors(Some(leaves), above).skip(1);
                leaves * leaf + levels.sum::<usize>() * inner
            }
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "[\\[\\]{}:,\"\\\\a-z ü\n]{0,40}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 200, 40, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
                prop::collection::vec((text, inner), 0..40)
                    .prop_map(|fields| Value::from(Map::from_iter(fields))),
            ]
        })
    }

    #[test]
    fn strings_end_where_they_end() {
        let found: Vec<_> = tokens(br#"{"a\"b":["c\\",""," \\\"d"]} "open"#).collect();
        let texts: [&[u8]; 4] = [br#"a\"b"#, br"c\\", b"", br#" \\\"d"#];
        let [a, c, empty, d] = texts.map(Token::Text);
        let mark = Token::Mark;
        let expect = [
            mark(b'{'),
            a,
            mark(b':'),
            mark(b'['),
            c,
            mark(b','),
            empty,
            mark(b','),
            d,
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn an_open_end_is_no_trouble() {
        for text in [r#"""#, r#""\"#, r#""\""#, r#"["a\\"#, "", "}]"] {
            assert!(price(text) <= LIST, "{text}");
        }
    }

    #[test]
    fn the_worst_that_a_few_bytes_can_do_is_priced() {
        for value in [
            json!(vec![json!({"": 0}); 1000]),
            json!(vec![json!([0]); 1000]),
            json!(vec!["a"; 1000]),
            json!(vec![0; 1025]),
            (0..1000).map(|key| (key.to_string(), json!(0))).collect(),
        ] {
            let (text, size) = (value.to_string(), size(&value));
            let price = price(&text);
            assert!(
                size <= price && price <= 3 * size,
                "{size}, {price}: {text:.40}"
            );
        }
    }

    #[test]
    fn what_is_empty_costs_more_than_it_takes() {
        for (empty, factor) in [(json!([]), 7), (json!({}), 23), (json!(""), 4)] {
            let value = json!(vec![empty; 1024]);
            assert!(
                price(&value.to_string()) <= factor * size(&value),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_takes_more_than_its_price(value in any_json()) {
            let text = value.to_string();
            let read: Value = serde_json::from_str(&text).unwrap();
            let price = price(&text);
            prop_assert!(size(&read) <= price, "{} takes {} of {price}", text, size(&read));
            prop_assert!(price <= 23 * (size(&read) + size_of::<Value>()) + OBJECT, "{}", text);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            tokens(&bytes).for_each(drop);
        }

        #[test]
        fn quotes_and_backslashes_never_panic(text in r#"[\\"a\[]{0,20}"#) {
            tokens(text.as_bytes()).for_each(drop);
        }
    }
}
