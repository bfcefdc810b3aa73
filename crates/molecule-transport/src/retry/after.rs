//! The `Retry-After` header.

use std::time::{Duration, SystemTime};

/// What a `Retry-After` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// A wait from now.
    Wait(Duration),
    /// A time of day.
    Until(SystemTime),
}

impl RetryAfter {
    /// The wait, seen from `now`; zero for a date that has passed.
    #[must_use]
    pub fn wait_from(self, now: SystemTime) -> Duration {
        match self {
            Self::Wait(wait) => wait,
            Self::Until(date) => date.duration_since(now).unwrap_or_default(),
        }
    }
}

/// Reads a `Retry-After` value: seconds, with or without decimals, or an HTTP-date. Anything
/// else is `None`. Seconds beyond what a [`Duration`] holds become the longest one.
///
/// ```
/// use std::time::Duration;
/// use molecule_transport::{RetryAfter, retry_after};
///
/// assert_eq!(retry_after("1.5"), Some(RetryAfter::Wait(Duration::from_millis(1500))));
/// assert_eq!(retry_after("soon"), None);
/// ```
#[must_use]
pub fn retry_after(value: &str) -> Option<RetryAfter> {
    let value = value.trim();
    match seconds(value) {
        Some(wait) => Some(RetryAfter::Wait(wait)),
        None => httpdate::parse_http_date(value).ok().map(RetryAfter::Until),
    }
}

fn seconds(value: &str) -> Option<Duration> {
    if !value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let seconds: f64 = value.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_may_have_decimals() {
        let check = |value: &str, millis: u64| {
            let expect = Some(RetryAfter::Wait(Duration::from_millis(millis)));
            assert_eq!(retry_after(value), expect, "{value}");
        };
        check("0", 0);
        check("59", 59_000);
        check(" 1.5 ", 1_500);
        check("0.25", 250);
        check("10.", 10_000);
    }

    #[test]
    fn a_date_counts_from_the_given_now() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |value: &str, seconds: u64| {
            let wait = retry_after(value).unwrap().wait_from(now);
            assert_eq!(wait, Duration::from_secs(seconds), "{value}");
        };
        check("Sun, 06 Nov 1994 08:50:37 GMT", 60);
        check("Sunday, 06-Nov-94 08:50:37 GMT", 60);
        check("Sun, 06 Nov 1994 08:49:37 GMT", 0);
        check("Sun, 06 Nov 1994 08:00:00 GMT", 0);
    }

    #[test]
    fn anything_else_is_no_answer() {
        for value in [
            "", "-5", "+5", "1e3", "inf", "NaN", "soon", "1,5", "1.2.3", ".", "60s",
        ] {
            assert_eq!(retry_after(value), None, "{value}");
        }
    }

    #[test]
    fn seconds_beyond_any_duration_are_the_longest_wait() {
        let huge = "9".repeat(400);
        assert_eq!(retry_after(&huge), Some(RetryAfter::Wait(Duration::MAX)));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(value in ".{0,40}") {
            let _ = retry_after(&value).map(|after| after.wait_from(SystemTime::UNIX_EPOCH));
        }
    }
}
