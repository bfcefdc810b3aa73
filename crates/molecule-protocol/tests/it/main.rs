//! The endpoints against the recorded answers of a real platform, and the keys against the original's.

#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a test that fails"
)]

mod calls;
mod kept_messages;
mod memory;
mod recorded_answers;
mod recorded_requests;
mod vectors;
