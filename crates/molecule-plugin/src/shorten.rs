//! Foreign text in messages.

const SHOWN_CHARS: usize = 80;

/// The beginning of a text that may be long, for a message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
