//! The whole decision table, and the numbers in it.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use molecule_transport::{Decision, ErrorKind, Outcome, Reason, RetryPolicy, decide};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn answered(status: u16, retry_after: Option<&str>) -> Outcome<'_> {
    Outcome::Answered {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after,
    }
}

fn first(repeatable: bool, outcome: Outcome<'_>) -> Decision {
    decide(&RetryPolicy::new(), 0, repeatable, &outcome, NOW, 0.0)
}

fn words(decision: Decision) -> String {
    match decision {
        Decision::Done => "done".to_owned(),
        Decision::Retry { after } => format!("retry after {after:?}"),
        Decision::GiveUp(Reason::NotRepeatable) => "hand back".to_owned(),
        Decision::GiveUp(reason) => format!("give up: {reason:?}"),
    }
}

#[test]
fn every_outcome_has_its_decision() {
    let mut table = format!(
        "{:<28}{:<22}{}\n",
        "outcome of the first try", "repeatable", "not"
    );
    let mut row = |name: String, outcome: Outcome<'_>| {
        let (yes, no) = (words(first(true, outcome)), words(first(false, outcome)));
        writeln!(table, "{name:<28}{yes:<22}{no}").unwrap();
    };
    for status in [
        200, 301, 400, 401, 403, 404, 408, 410, 425, 429, 500, 502, 503, 504,
    ] {
        row(status.to_string(), answered(status, None));
        row(
            format!("{status}, Retry-After: 59"),
            answered(status, Some("59")),
        );
    }
    for (name, kind) in [
        ("no connection", ErrorKind::Connect),
        ("no trusted connection", ErrorKind::Tls),
        ("timeout", ErrorKind::Timeout),
        ("deadline", ErrorKind::Deadline),
        ("interrupted or truncated", ErrorKind::Interrupted),
        ("bad answer", ErrorKind::BadAnswer),
        ("too large", ErrorKind::TooLarge),
        ("redirect", ErrorKind::Redirect),
        ("throttled", ErrorKind::Throttled),
        ("credentials", ErrorKind::Credentials),
        ("configuration", ErrorKind::Configuration),
    ] {
        row(name.to_owned(), Outcome::Failed(kind));
    }
    insta::assert_snapshot!(table);
}

fn wait(attempt: u32, retry_after: Option<&str>, jitter: f64) -> Duration {
    let outcome = answered(429, retry_after);
    let policy = RetryPolicy::new().with_max_retries(u32::MAX);
    match decide(&policy, attempt, true, &outcome, NOW, jitter) {
        Decision::Retry { after } => after,
        other => panic!("{retry_after:?}: {other:?}"),
    }
}

#[test]
fn the_schedule_doubles_up_to_thirty_seconds() {
    let waits: Vec<u64> = (0..7)
        .map(|attempt| wait(attempt, None, 0.0).as_secs())
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(wait(u32::MAX - 1, None, 0.0), Duration::from_secs(30));
}

#[test]
fn jitter_adds_up_to_a_quarter() {
    assert_eq!(wait(2, None, 0.5), Duration::from_millis(4500));
    assert_eq!(wait(0, Some("40"), 0.5), Duration::from_secs(45));
    assert!(wait(0, Some("59"), 0.999) < Duration::from_secs_f64(59.0 * 1.25));
}

#[test]
fn the_wait_is_never_shorter_than_the_server_said() {
    let check = |value: &str, millis: u64| {
        assert_eq!(
            wait(0, Some(value), 0.0),
            Duration::from_millis(millis),
            "{value}"
        );
    };
    check("59", 59_000);
    check("1.5", 1_500);
    check("120", 120_000);
    check("Thu, 01 Jan 1970 00:00:07 GMT", 7_000);
    check("0", 250);
    check("0.1", 250);
    check("Thu, 01 Jan 1970 00:00:00 GMT", 250);
    check("soon", 1_000);
    check("-1", 1_000);
    check("", 1_000);
}

#[test]
fn a_wait_of_more_than_two_minutes_is_given_up_with_its_length() {
    let check = |value: &str, after: Duration| {
        let expect = Decision::GiveUp(Reason::RetryAfterTooLong { after });
        assert_eq!(first(true, answered(503, Some(value))), expect, "{value}");
    };
    check("121", Duration::from_secs(121));
    check("120.5", Duration::from_millis(120_500));
    check("Thu, 01 Jan 1970 01:00:00 GMT", Duration::from_secs(3600));
    check("99999999999999999999999", Duration::MAX);
}

#[test]
fn there_are_three_retries() {
    let after = |attempt| {
        decide(
            &RetryPolicy::new(),
            attempt,
            true,
            &answered(503, None),
            NOW,
            0.0,
        )
    };
    assert!(matches!(after(2), Decision::Retry { .. }));
    assert_eq!(after(3), Decision::GiveUp(Reason::Exhausted));
}

#[test]
fn foreign_settings_never_panic() {
    for jitter in [-5.0, f64::NAN, f64::INFINITY, f64::MAX] {
        let mut policy = RetryPolicy::new();
        policy.jitter = jitter;
        let decision = decide(&policy, 0, true, &answered(429, None), NOW, 0.9);
        assert!(matches!(decision, Decision::Retry { .. }), "{jitter}");
    }
}
