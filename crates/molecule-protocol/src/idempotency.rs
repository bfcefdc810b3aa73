//! Keys under which the platform recognises a repeated delegation.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::WorkspaceId;

const MINUTE: u64 = 60;

/// The original SDK's key: SHA-256 of the task and the minute it is sent in, as 64 hex digits.
///
/// The same task in the same minute has the same key. The target is not part of it, so one task
/// sent to two peers collapses into one delegation: use [`delegation_key`] for that.
///
/// ```
/// let key = molecule_protocol::make_idempotency_key("write the report", 1_767_225_600);
/// assert_eq!(key, molecule_protocol::make_idempotency_key("write the report", 1_767_225_659));
/// assert_ne!(key, molecule_protocol::make_idempotency_key("write the report", 1_767_225_660));
/// ```
#[must_use]
pub fn make_idempotency_key(task: &str, unix_seconds: u64) -> String {
    hex_sha256(format!("{task}:{}", minute(unix_seconds)).as_bytes())
}

/// A key that covers the target as well: SHA-256 of target, task and minute, as 64 hex digits.
#[must_use]
pub fn delegation_key(target: &WorkspaceId, task: &str, unix_seconds: u64) -> String {
    hex_sha256(format!("{target}:{task}:{}", minute(unix_seconds)).as_bytes())
}

const fn minute(unix_seconds: u64) -> u64 {
    unix_seconds - unix_seconds % MINUTE
}

pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_part_of_the_delegation_key() {
        let one: WorkspaceId = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        let two: WorkspaceId = "eb5e4fd8-502b-4a37-bdf9-03d8ce536f23".parse().unwrap();
        assert_ne!(delegation_key(&one, "t", 0), delegation_key(&two, "t", 0));
        assert_eq!(delegation_key(&one, "t", 0), delegation_key(&one, "t", 59));
    }
}
