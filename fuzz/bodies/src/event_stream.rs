//! A stream of events says the same however its bytes are cut into pieces, within the limits, and what it says can be read or is refused.

use molecule_protocol::{EventStreamParser, PlatformEvent, StreamItem};

const LINE: usize = 64;
const DATA: usize = 100;

/// Feeds the bytes, of which the first says where to cut, to the parser at once, in two pieces and byte by byte.
///
/// # Panics
/// When the pieces matter, when an event exceeds the limits, or when a line of it holds the end of a line.
pub fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let whole = parse([stream]);
    let (before, after) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(parse([before, after]), whole, "cut in two");
    assert_eq!(parse(stream.chunks(1)), whole, "byte by byte");
    for item in whole.0 {
        if let StreamItem::Event(event) = item {
            let kept = event
                .data
                .chars()
                .filter(|c| *c != char::REPLACEMENT_CHARACTER);
            let kept: usize = kept.map(char::len_utf8).sum();
            assert!(kept <= DATA, "{kept} bytes of data");
            assert!(!event.data.contains('\r') && !event.kind.contains(['\r', '\n']));
            let _ = PlatformEvent::parse(&event.data);
        }
    }
}

/// What is said, and how the parser stands then.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<StreamItem>, String, Option<u64>) {
    let mut parser = EventStreamParser::new().with_limits(LINE, DATA);
    let items = pieces
        .into_iter()
        .flat_map(|piece| parser.feed(piece))
        .collect();
    (items, parser.last_id().to_owned(), parser.retry())
}
