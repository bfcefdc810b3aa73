//! `text/event-stream`, read piece by piece as it comes.

use std::mem;

/// The most bytes of one line, unless another limit is set.
const MAX_LINE: usize = 1 << 20;
/// The most bytes of one event's data, unless another limit is set.
const MAX_DATA: usize = 1 << 20;
/// What may stand before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads server-sent events, however the bytes are cut into pieces, by the rules of WHATWG's HTML standard. It holds no more than one
/// line and one event, each within a limit; what is larger is passed over, and said to have been.
///
/// ```
/// use molecule_protocol::{EventStreamParser, StreamItem};
///
/// let mut parser = EventStreamParser::new();
/// assert!(parser.feed(b": ping\n\ndata: {\"type\":").is_empty());
/// let items = parser.feed(b"\"TASK_UPDATED\"}\n\n");
/// let [StreamItem::Event(event)] = items.as_slice() else { panic!("one event") };
/// assert_eq!(event.data, r#"{"type":"TASK_UPDATED"}"#);
/// ```
#[derive(Debug, Clone)]
pub struct EventStreamParser {
    max_line: usize,
    max_data: usize,
    line: Line,
    event: Draft,
    last_id: String,
    retry: Option<u64>,
    /// A line feed that comes next belongs to the line before.
    after_return: bool,
    at_start: bool,
}

/// What a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamItem {
    /// An event.
    Event(StreamEvent),
    /// An event that exceeds a limit, and was left out.
    TooLarge,
}

/// An event as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEvent {
    /// Its type, `message` unless it says otherwise.
    pub kind: String,
    /// Its lines of data, with a line feed between them.
    pub data: String,
    /// The last id that the stream has given until then; empty for none.
    pub last_id: String,
}

/// A line that has not ended yet.
#[derive(Debug, Clone, Default)]
struct Line {
    bytes: Vec<u8>,
    /// It has more bytes than may be kept.
    cut: bool,
}

/// An event that has not ended yet.
#[derive(Debug, Clone, Default)]
struct Draft {
    kind: String,
    /// Each line of data with its line feed.
    data: String,
    too_large: bool,
}

impl EventStreamParser {
    /// A parser at the beginning of a stream, with limits of 1 MiB for a line and for the data of an event.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_line: MAX_LINE,
            max_data: MAX_DATA,
            line: Line::default(),
            event: Draft::default(),
            last_id: String::new(),
            retry: None,
            after_return: false,
            at_start: true,
        }
    }

    /// Sets the most bytes of a line, without its end, and of the data of an event.
    #[must_use]
    pub const fn with_limits(mut self, line: usize, data: usize) -> Self {
        (self.max_line, self.max_data) = (line, data);
        self
    }

    /// The last id that the stream has given, to be sent as `Last-Event-ID` when it is opened again; empty for none.
    #[must_use]
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// How many milliseconds the stream asks to wait before it is opened again.
    #[must_use]
    pub const fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Reads the next piece, and returns the events that end in it. What has not ended when the stream does is no event.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<StreamItem> {
        let mut items = Vec::new();
        while let Some(first) = bytes.first() {
            if mem::take(&mut self.after_return) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let Some(end) = bytes.iter().position(is_end) else {
                self.line.push(bytes, self.room());
                break;
            };
            self.line.push(&bytes[..end], self.room());
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            items.extend(self.end_line());
        }
        items
    }

    /// The first line may begin with a mark that does not count.
    const fn room(&self) -> usize {
        let mark = if self.at_start {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        self.max_line.saturating_add(mark)
    }

    fn end_line(&mut self) -> Option<StreamItem> {
        let mut line = mem::take(&mut self.line);
        if mem::take(&mut self.at_start) && line.bytes.starts_with(BYTE_ORDER_MARK) {
            line.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        let cut = line.cut || line.bytes.len() > self.max_line;
        match line.bytes.first() {
            None if !cut => return self.end_event(),
            Some(b':') => {}
            _ if cut => self.event.too_large = true,
            _ => self.field(&String::from_utf8_lossy(&line.bytes)),
        }
        None
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event.kind),
            "data" => self.event.add(value, self.max_data),
            "id" if !value.contains('\0') => value.clone_into(&mut self.last_id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().or(self.retry);
            }
            _ => {}
        }
    }

    fn end_event(&mut self) -> Option<StreamItem> {
        let Draft {
            kind,
            mut data,
            too_large,
        } = mem::take(&mut self.event);
        if too_large {
            return Some(StreamItem::TooLarge);
        }
        // Without its last line feed; an event without any data is none.
        data.pop()?;
        let kind = if kind.is_empty() {
            "message".to_owned()
        } else {
            kind
        };
        let last_id = self.last_id.clone();
        Some(StreamItem::Event(StreamEvent {
            kind,
            data,
            last_id,
        }))
    }
}

impl Default for EventStreamParser {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    fn push(&mut self, bytes: &[u8], room: usize) {
        let free = room.saturating_sub(self.bytes.len());
        let kept = &bytes[..bytes.len().min(free)];
        self.cut |= kept.len() < bytes.len();
        self.bytes.extend_from_slice(kept);
    }
}

impl Draft {
    fn add(&mut self, value: &str, max: usize) {
        self.too_large |= self.data.len().saturating_add(value.len()) > max;
        if self.too_large {
            return self.data.clear();
        }
        self.data.push_str(value);
        self.data.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: usize = 24;
    const DATA: usize = 20;

    fn parse(pieces: &[&[u8]]) -> (Vec<StreamItem>, EventStreamParser) {
        let mut parser = EventStreamParser::new().with_limits(LINE, DATA);
        let items = pieces.iter().flat_map(|piece| parser.feed(piece)).collect();
        (items, parser)
    }

    /// Each event as `kind|data|id`.
    fn shown(items: &[StreamItem]) -> Vec<String> {
        let show = |item: &StreamItem| match item {
            StreamItem::Event(event) => format!("{}|{}|{}", event.kind, event.data, event.last_id),
            StreamItem::TooLarge => "too large".to_owned(),
        };
        items.iter().map(show).collect()
    }

    fn check(text: &str, expect: &[&str]) {
        let whole = parse(&[text.as_bytes()]).0;
        assert_eq!(shown(&whole), expect, "{text:?}");
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(shown(&parse(&bytes).0), expect, "{text:?} byte by byte");
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        check("data: a\n\n", &["message|a|"]);
        check("data:a\n\n", &["message|a|"]);
        check("data:  a\n\n", &["message| a|"]);
        check("data: a\ndata: b\n\n", &["message|a\nb|"]);
        check("data\n\n", &["message||"]);
        check("data\ndata\n\n", &["message|\n|"]);
        check("event: x\ndata: a\n\n", &["x|a|"]);
        check("event: x\n\ndata: a\n\n", &["message|a|"]);
        check(
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            &["message|a|1", "message|b|1", "message|c|"],
        );
        check("id: 1\0\ndata: a\n\n", &["message|a|"]);
        check(": ping\n\n:\n\ndata: a\n\n", &["message|a|"]);
        check("unknown: x\ndata: a\n\n", &["message|a|"]);
        check(" data: a\n\n", &[]);
        check("data: a\n", &[]);
        check("data: a", &[]);
        check("", &[]);
    }

    #[test]
    fn lines_end_in_three_ways() {
        check("data: a\r\n\r\n", &["message|a|"]);
        check("data: a\r\r", &["message|a|"]);
        check("data: a\n\r\n", &["message|a|"]);
        check(
            "data: a\r\ndata: b\r\n\r\ndata: c\n\n",
            &["message|a\nb|", "message|c|"],
        );
    }

    #[test]
    fn a_mark_counts_at_the_start_alone_and_bad_utf8_is_replaced() {
        check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["message|a|"]);
        check("\u{feff}\n\ndata: b\n\n", &["message|b|"]);
        let (items, _) = parse(&[b"data: \xff\xe2\x82", b"\n\n"]);
        assert_eq!(shown(&items), ["message|\u{fffd}\u{fffd}|"]);
    }

    #[test]
    fn what_exceeds_a_limit_is_passed_over_and_what_follows_is_read() {
        let fits = "x".repeat(LINE - 6);
        let event = format!("message|{fits}|");
        check(&format!("data: {fits}\n\n"), &[event.as_str()]);
        check(&format!("\u{feff}data: {fits}\n\n"), &[event.as_str()]);
        check(
            &format!("data: {fits}x\n\ndata: a\n\n"),
            &["too large", "message|a|"],
        );
        check(
            &format!("data: {fits}\ndata: {fits}\n\ndata: a\n\n"),
            &["too large", "message|a|"],
        );
        check(&format!(":{fits}{fits}\ndata: a\n\n"), &["message|a|"]);
        check(
            "data: 0123456789\ndata: 123456789\n\n",
            &["message|0123456789\n123456789|"],
        );
        check("data: 0123456789\ndata: 1234567890\n\n", &["too large"]);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut parser = EventStreamParser::new().with_limits(LINE, DATA);
        for _ in 0..1000 {
            assert!(parser.feed(&[b'd'; 100]).is_empty());
        }
        assert!(parser.line.bytes.len() <= LINE + 3);
        parser.feed(b"\n");
        for _ in 0..1000 {
            parser.feed(b"data: 0123456789\n");
        }
        assert!(parser.event.data.len() <= DATA + 1);
    }

    #[test]
    fn a_wait_is_a_number() {
        for (text, expect) in [
            ("retry: 250\n", Some(250)),
            ("retry: 250\nretry: soon\n", Some(250)),
            ("retry: 250\nretry:\n", Some(250)),
            ("retry: +1\n", None),
            ("retry: 99999999999999999999999\n", None),
        ] {
            assert_eq!(parse(&[text.as_bytes()]).1.retry(), expect, "{text:?}");
        }
    }

    /// The same rules, on the whole text at once.
    fn naive(bytes: &[u8]) -> (Vec<StreamItem>, String, Option<u64>) {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let text: Vec<u8> = bytes.to_vec();
        let mut unified = Vec::new();
        for (index, byte) in text.iter().enumerate() {
            match byte {
                b'\r' => unified.push(b'\n'),
                b'\n' if index > 0 && text[index - 1] == b'\r' => {}
                byte => unified.push(*byte),
            }
        }
        let mut lines: Vec<&[u8]> = unified.split(|byte| *byte == b'\n').collect();
        lines.pop();
        let (mut items, mut id, mut retry) = (Vec::new(), String::new(), None);
        let (mut kind, mut data, mut large) = (String::new(), Vec::<String>::new(), false);
        for line in lines {
            if line.is_empty() {
                if large {
                    items.push(StreamItem::TooLarge);
                } else if !data.is_empty() {
                    let name = if kind.is_empty() { "message" } else { &kind };
                    items.push(StreamItem::Event(StreamEvent {
                        kind: name.to_owned(),
                        data: data.join("\n"),
                        last_id: id.clone(),
                    }));
                }
                (kind, data, large) = (String::new(), Vec::new(), false);
                continue;
            }
            if line.starts_with(b":") {
                continue;
            }
            if line.len() > LINE {
                large = true;
                continue;
            }
            let line = String::from_utf8_lossy(line).into_owned();
            let mut halves = line.splitn(2, ':');
            let name = halves.next().unwrap_or_default();
            let value = halves.next().unwrap_or_default();
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "event" => kind = value,
                "data" => {
                    data.push(value);
                    large |= data.join("\n").len() > DATA;
                }
                "id" if !value.contains('\0') => id = value,
                "retry" => {
                    let digits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit());
                    if let Some(number) = digits.then(|| value.parse().ok()).flatten() {
                        retry = Some(number);
                    }
                }
                _ => {}
            }
        }
        (items, id, retry)
    }

    /// Text of the pieces that matter, and bytes of any kind.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let words: Vec<&[u8]> = vec![
            b"data",
            b"data: 0123456789",
            b"event:x",
            b"id: 7",
            b"id",
            b"retry: 3",
            b":",
            b" ",
            b"\r",
            b"\n",
            b"\n\n",
            b"\r\n\r\n",
            b"\xef\xbb\xbf",
            b"\xe2\x82",
            b"\0",
            b"0123456789012345678901234567890123456789",
        ];
        let word = proptest::sample::select(words);
        let words = proptest::collection::vec(word, 0..40).prop_map(|words| words.concat());
        prop_oneof![words, proptest::collection::vec(any::<u8>(), 0..100)]
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_and_a_naive_parser_agrees(
            bytes in streams(),
            cuts in proptest::collection::vec(0..200_usize, 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let (items, parser) = parse(&pieces);
            let (expect, id, retry) = naive(&bytes);
            prop_assert_eq!(items, expect);
            prop_assert_eq!(parser.last_id(), id);
            prop_assert_eq!(parser.retry(), retry);
        }
    }
}
