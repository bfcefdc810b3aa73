//! What an answer says about the rate limit.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::{Quota, retry_after};

/// What an answer says about the rate limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The requests allowed in a window.
    pub(super) limit: Option<u32>,
    /// What is left of this window.
    pub(super) quota: Option<Quota>,
    /// The wait that a 429 asks for.
    pub(super) wait: Option<Duration>,
}

impl Heard {
    /// Reads the head of an answer; `wall` is for a `Retry-After` that is a date. A 429 without a `Retry-After` is about
    /// something else, such as the number of tokens.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, wall: SystemTime) -> Self {
        let text = |name| headers.get(name)?.to_str().ok();
        let refused = (status == StatusCode::TOO_MANY_REQUESTS).then_some(());
        Self {
            limit: text("x-ratelimit-limit").and_then(|limit| limit.trim().parse().ok()),
            quota: Quota::of(headers),
            wait: refused
                .and_then(|()| retry_after(text(RETRY_AFTER.as_str())?))
                .map(|after| after.wait_from(wall)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, headers: &[(&'static str, &'static str)], expect: Heard) {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(Heard::of(status, &headers, SystemTime::UNIX_EPOCH), expect);
    }

    #[test]
    fn a_limit_counts_alone_and_words_do_not_count() {
        let limit = Some(300);
        check(
            200,
            &[("x-ratelimit-limit", "300")],
            Heard {
                limit,
                ..Heard::default()
            },
        );
        check(200, &[("x-ratelimit-limit", "unlimited")], Heard::default());
    }

    #[test]
    fn only_a_429_that_says_how_long_quiets() {
        let wait = Some(Duration::from_secs(59));
        let seconds = [("retry-after", "59")];
        check(
            429,
            &seconds,
            Heard {
                wait,
                ..Heard::default()
            },
        );
        check(503, &seconds, Heard::default());
        check(429, &[], Heard::default());
    }
}
