//! YAML as a tree whose nodes know their lines.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

/// How deep values may be inside each other.
const DEEPEST: usize = 32;

/// How many values a document may have.
const MOST: usize = 10_000;

/// A value and where it begins.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value as the original's YAML reader would take it.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// A scalar that is no text, and what it is instead.
    Literal(String, &'static str),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// A reference to another value of the document.
    Alias,
}

/// Why a text is no YAML, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) reason: String,
}

impl Node {
    /// The value of a key. Of several the last one counts, as it does to the original.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let found = entries
            .iter()
            .rev()
            .find(|(name, _)| name.text() == Some(key));
        found.map(|(_, value)| value)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, to go on after "is".
    pub(super) fn what(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a text",
            Value::Literal(_, what) => what,
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Alias => "an alias of another value",
        }
    }

    /// Whether it is there but empty, as in `key:`.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Literal(_, "empty"))
    }
}

/// Reads one document.
///
/// # Errors
/// When it is no YAML, more than one document, or too large.
pub(super) fn read(text: &str) -> Result<Node, Broken> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        left: MOST,
    };
    let node = reader.document()?;
    match reader.next()? {
        (Event::StreamEnd, _) => Ok(node),
        (_, span) => Err(broken(span, "a second document begins here")),
    }
}

fn broken(span: Span, reason: &str) -> Broken {
    Broken {
        line: span.start.line(),
        reason: reason.to_owned(),
    }
}

impl From<ScanError> for Broken {
    fn from(error: ScanError) -> Self {
        Self {
            line: error.marker().line(),
            reason: error.info().to_owned(),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    left: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.events.next_event() {
            Some(event) => Ok(event?),
            None => Err(broken(Span::default(), "it ends too early")),
        }
    }

    fn document(&mut self) -> Result<Node, Broken> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, span) => return Err(broken(span, "it is empty")),
                (event, span) => {
                    let node = self.node(event, span, 0)?;
                    // The end of the document.
                    self.next()?;
                    return Ok(node);
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Broken> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| broken(span, "there are too many values"))?;
        if depth > DEEPEST {
            return Err(broken(span, "values are too deep inside each other"));
        }
        let value = match event {
            Event::Scalar(text, style, _, tag) => scalar(text, style, tag.as_deref()),
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            Event::Alias(_) => Value::Alias,
            _ => return Err(broken(span, "a value is missing")),
        };
        let line = span.start.line();
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Broken> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(nodes),
                (event, span) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Broken> {
        let mut entries = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (event, span) => self.node(event, span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            entries.push((key, self.node(event, span, depth + 1)?));
        }
    }
}

/// What plain scalars are in YAML 1.1, which the original reads, if they are no text.
static LITERALS: LazyLock<[(Regex, &'static str); 4]> = LazyLock::new(|| {
    [
        ("^(~|null|Null|NULL|)$", "empty"),
        (
            "^(yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$",
            "true or false",
        ),
        (
            r"^([-+]?(0b[01_]+|0x[0-9a-fA-F_]+|([0-9][0-9_]*)(\.[0-9_]*)?([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|\.(inf|Inf|INF))|\.(nan|NaN|NAN))$",
            "a number",
        ),
        (
            "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?$",
            "a date",
        ),
    ]
    .map(|(pattern, what)| {
        let pattern = Regex::new(&format!("(?-u){pattern}"));
        (pattern.expect("the patterns are constants that tests use"), what)
    })
});

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text_by_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text_by_tag {
        return Value::Text(text.into_owned());
    }
    let literal = LITERALS
        .iter()
        .find(|(pattern, _)| pattern.is_match(text.as_bytes()));
    match literal {
        Some((_, what)) => Value::Literal(text.into_owned(), what),
        None => Value::Text(text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, what: &str) {
        let node = read(&format!("key: {text}\n")).unwrap();
        assert_eq!(node.get("key").unwrap().what(), what, "{text:?}");
    }

    #[test]
    fn scalars_are_what_they_are_to_the_original() {
        check("1.0.0", "a text");
        check("1.0", "a number");
        check("'1.0'", "a text");
        check("!!str 1.0", "a text");
        check("0x1f", "a number");
        check("12:30", "a number");
        check("2026-01-01", "a date");
        check("on", "true or false");
        check("", "empty");
        check("~", "empty");
        check("1.0 beta", "a text");
        check("[a]", "a list");
        check("{a: b}", "a mapping");
    }

    #[test]
    fn values_know_their_lines() {
        let node = read("# comment\nname: a\nlist:\n  - b\n  - c\nname: d\n").unwrap();
        let name = node.get("name").unwrap();
        assert_eq!((name.text(), name.line), (Some("d"), 6));
        let Value::List(items) = &node.get("list").unwrap().value else {
            panic!("{node:?}")
        };
        assert_eq!(items[1].line, 5);
    }

    fn check_broken(text: &str, line: usize) {
        let broken = read(text).unwrap_err();
        assert_eq!(broken.line, line, "{text:?}: {broken:?}");
        assert!(!broken.reason.is_empty());
    }

    #[test]
    fn what_is_no_document_says_where() {
        check_broken("a: b\nc: [d\n", 3);
        check_broken("a: b\n---\nc: d\n", 2);
        check_broken("a: b\n c: d\n", 2);
        assert!(read("").is_err());
        assert!(read(&"[".repeat(10_000)).is_err());
        assert!(read(&"- a\n".repeat(20_000)).is_err());
    }
}
