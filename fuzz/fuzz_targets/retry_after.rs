//! A Retry-After of any text is a wait, a moment, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use molecule_transport::{RetryAfter, retry_after};

fuzz_target!(|text: &str| {
    if let Some(RetryAfter::Wait(_)) = retry_after(text) {
        let decimal = |c: char| c.is_ascii_digit() || c == '.';
        assert!(
            text.trim().chars().all(decimal),
            "{text:?} was taken for seconds"
        );
    }
});
