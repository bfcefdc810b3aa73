//! A Retry-After of any text is a wait, a moment, or nothing.

use molecule_transport::{RetryAfter, retry_after};

/// Reads the text as the header's value.
///
/// # Panics
/// When something else than digits and dots is taken for seconds.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(RetryAfter::Wait(_)) = retry_after(text) {
        let decimal = |c: char| c.is_ascii_digit() || c == '.';
        assert!(
            text.trim().chars().all(decimal),
            "{text:?} was taken for seconds"
        );
    }
}
