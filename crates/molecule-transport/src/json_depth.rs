//! How deep a JSON text is nested, found out while it streams by.
//!
//! The scanner keeps two flags and a counter, so no input makes it recurse or allocate. It
//! judges depth alone: text that is not JSON passes if its brackets stay shallow.

/// Counts open arrays and objects over any split of a JSON text.
#[derive(Debug)]
pub(crate) struct JsonDepth {
    limit: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// The text is nested deeper than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooDeep;

impl JsonDepth {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            depth: 0,
            in_string: false,
            escaped: false,
        }
    }

    /// Reads the next piece of the text.
    pub(crate) fn scan(&mut self, piece: &[u8]) -> Result<(), TooDeep> {
        piece.iter().try_for_each(|&byte| self.step(byte))
    }

    fn step(&mut self, byte: u8) -> Result<(), TooDeep> {
        if self.in_string {
            self.step_in_string(byte);
            return Ok(());
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth > self.limit {
            Err(TooDeep)
        } else {
            Ok(())
        }
    }

    fn step_in_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn fits(text: &str, limit: usize) -> bool {
        JsonDepth::new(limit).scan(text.as_bytes()).is_ok()
    }

    #[test]
    fn brackets_count_only_outside_of_strings() {
        let check = |text: &str, depth: usize| {
            assert!(fits(text, depth), "{text} fits {depth}");
            assert!(
                depth == 0 || !fits(text, depth - 1),
                "{text} exceeds {}",
                depth - 1
            );
        };
        check("1", 0);
        check("[]", 1);
        check(r#"{"a":[1,{"b":2}]}"#, 3);
        check(r#""[[[[""#, 0);
        check(r#"["\"[[[\\"]"#, 1);
        check(r#"["\\",[]]"#, 2);
        check("[][][]", 1);
    }

    #[test]
    fn a_million_open_brackets_are_refused_at_the_limit() {
        assert_eq!(
            JsonDepth::new(64).scan(&vec![b'['; 1_000_000]),
            Err(TooDeep)
        );
    }

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(items) => 1 + items.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{}\"\\\\a-z ü]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[\\[{\"\\\\]{0,4}", inner, 0..4)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_limit_is_the_depth_of_the_value(value in any_json()) {
            let (text, depth) = (value.to_string(), depth_of(&value));
            prop_assert!(fits(&text, depth));
            prop_assert!(depth == 0 || !fits(&text, depth - 1));
        }

        #[test]
        fn the_split_of_the_text_does_not_matter(value in any_json(), size in 1_usize..9) {
            let (text, depth) = (value.to_string(), depth_of(&value));
            let mut scanner = JsonDepth::new(depth);
            for piece in text.as_bytes().chunks(size) {
                prop_assert_eq!(scanner.scan(piece), Ok(()));
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = JsonDepth::new(3).scan(&bytes);
        }
    }
}
