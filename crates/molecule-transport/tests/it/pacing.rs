//! Slowing down before the 429, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{Clock, Pace, Pacer, Quota, Response, Transport, gap};

use crate::calls::{clock, get, once, platform};

fn quota(limit: u64, remaining: u64, reset: u64) -> Quota {
    Quota {
        limit,
        remaining,
        reset: Duration::from_secs(reset),
    }
}

#[test]
fn the_gap_spreads_the_last_tenth_over_the_time_left() {
    let check = |limit, remaining, reset, millis: u128| {
        let got = gap(quota(limit, remaining, reset)).as_millis();
        assert_eq!(got, millis, "{remaining} of {limit}, {reset} s");
    };
    check(600, 599, 59, 0);
    check(600, 61, 59, 0);
    check(600, 59, 30, 500);
    check(600, 29, 30, 1_000);
    check(600, 1, 30, 15_000);
    check(600, 0, 59, 59_000);
    check(600, 0, 3600, 120_000);
    check(600, 0, 0, 0);
    check(5, 1, 10, 0);
    check(5, 0, 10, 10_000);
    check(0, 0, 10, 10_000);
    check(u64::MAX, u64::MAX / 10, u64::MAX, 0);
    check(u64::MAX, 0, u64::MAX, 120_000);
}

#[test]
fn quotas_are_read_whatever_the_case_and_only_as_numbers() {
    let read = |limit: &str, remaining: &str, reset: &str| {
        let response = http::Response::builder()
            .header("X-Ratelimit-Limit", limit)
            .header("X-RateLimit-Remaining", remaining)
            .header("x-ratelimit-reset", reset);
        Quota::of(response.body(()).unwrap().headers())
    };
    assert_eq!(read("600", "3", "59"), Some(quota(600, 3, 59)));
    assert_eq!(read("unlimited", "3", "59"), None);
    assert_eq!(read("600", "-1", "59"), None);
    assert_eq!(read("600", "3", "soon"), None);
    assert_eq!(read("600", "3", "99999999999999999999999"), None);
    assert_eq!(Quota::of(&http::HeaderMap::new()), None);
}

#[test]
fn waiting_requests_get_moments_of_their_own() {
    let mut pacer = Pacer::default();
    let now = Duration::from_secs(100);
    assert_eq!(pacer.reserve(now), Duration::ZERO);
    pacer.observe(quota(100, 3, 20), now);
    let waits: Vec<u64> = (0..5).map(|_| pacer.reserve(now).as_secs()).collect();
    assert_eq!(
        waits,
        [5, 10, 15, 20, 20],
        "three, and then the next window"
    );
    assert_eq!(
        pacer.reserve(now + Duration::from_secs(21)),
        Duration::ZERO,
        "a new window"
    );
}

#[test]
fn a_request_that_comes_late_enough_does_not_wait() {
    let mut pacer = Pacer::default();
    pacer.reserve(Duration::from_secs(100));
    pacer.observe(quota(100, 10, 20), Duration::from_secs(100));
    assert_eq!(pacer.reserve(Duration::from_secs(110)), Duration::ZERO);
}

/// A fixed window of `limit` requests a minute, as the platform counts it.
fn platform_with(limit: u64, clock: &Arc<dyn Clock>) -> ScriptedTransport {
    let (clock, window) = (clock.clone(), std::sync::Mutex::new((0, 0_u64)));
    ScriptedTransport::new(move |_| {
        let now = clock.now().as_secs();
        let mut window = window.lock().unwrap();
        if window.0 != now / 60 {
            *window = (now / 60, 0);
        }
        window.1 += 1;
        let status = if window.1 > limit { 429 } else { 200 };
        let response = limited(status, limit, limit.saturating_sub(window.1), 60 - now % 60);
        async { Ok(response) }
    })
}

fn limited(status: u16, limit: u64, remaining: u64, reset: u64) -> Response {
    let mut response = answer(status, "");
    for (name, value) in [("limit", limit), ("remaining", remaining), ("reset", reset)] {
        let name = http::HeaderName::try_from(format!("x-ratelimit-{name}")).unwrap();
        response.headers_mut().insert(name, value.into());
    }
    response
}

#[tokio::test(start_paused = true)]
async fn a_busy_agent_never_sees_a_429() {
    let clock = clock();
    let pace = Pace::new(platform_with(50, &clock), platform(), clock.clone());
    for _ in 0..200 {
        assert_eq!(pace.send(once()).await.unwrap().status(), 200);
    }
    let took = clock.now().as_secs();
    assert!(
        (180..240).contains(&took),
        "four windows of 50, in {took} s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_used_up_limit_is_waited_for() {
    let clock = clock();
    let answers = [limited(429, 600, 0, 59), limited(200, 600, 599, 60)];
    let pace = Pace::new(
        ScriptedTransport::answers(answers),
        platform(),
        clock.clone(),
    );
    assert_eq!(
        pace.send(once()).await.unwrap().status(),
        429,
        "pacing does not retry"
    );
    pace.send(once()).await.unwrap();
    assert_eq!(clock.now(), Duration::from_secs(59));
}

#[tokio::test(start_paused = true)]
async fn other_servers_neither_wait_nor_count() {
    let clock = clock();
    let answers = [
        limited(200, 600, 0, 59),
        limited(200, 10, 0, 59),
        limited(200, 600, 599, 1),
    ];
    let pace = Pace::new(
        ScriptedTransport::answers(answers),
        platform(),
        clock.clone(),
    );
    pace.send(once()).await.unwrap();
    pace.send(get("http://peer:9000/")).await.unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    pace.send(once()).await.unwrap();
    assert_eq!(clock.now(), Duration::from_secs(59));
}
