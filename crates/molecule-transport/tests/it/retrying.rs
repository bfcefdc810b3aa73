//! Retries in simulated time.

use std::sync::Arc;
use std::time::Duration;

use molecule_transport::testing::{Answer, ScriptedTransport, SimulatedClock, answer};
use molecule_transport::{
    BoxError, Bytes, CallOptions, Clock, ErrorKind, Phase, Request, Response, Retry, RetryPolicy,
    Target, Transport, TransportError,
};

use crate::calls::{clock, once, repeatable};

fn limited(retry_after: &str) -> Response {
    let mut response = answer(429, r#"{"error":"rate limit exceeded"}"#);
    response
        .headers_mut()
        .insert("retry-after", retry_after.parse().unwrap());
    response
}

fn refused() -> Answer {
    let source = BoxError::from("connection refused");
    Err(TransportError::Connect {
        target: Target::of(&once()),
        source,
    })
}

fn lost() -> Answer {
    let after = Duration::from_secs(10);
    Err(TransportError::Timeout {
        target: Target::of(&once()),
        phase: Phase::Head,
        after,
    })
}

fn cut() -> Answer {
    let mut response = answer(200, "half");
    response.headers_mut().insert("content-length", 8.into());
    Ok(response)
}

fn retry(transport: &ScriptedTransport, clock: &Arc<dyn Clock>) -> Retry<ScriptedTransport> {
    Retry::new(transport.clone(), RetryPolicy::new(), clock.clone())
}

/// Plays `script` to one call; returns its result, the number of tries, and the time it took.
async fn play<I>(script: I, request: Request) -> (Answer, usize, Duration)
where
    I: IntoIterator<Item = Answer>,
{
    let (transport, clock) = (ScriptedTransport::results(script), clock());
    let result = retry(&transport, &clock).send(request).await;
    (result, transport.requests().len(), clock.now())
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_answers_429_for_a_minute_is_outlasted() {
    let clock = clock();
    let opens = Duration::from_secs(60);
    let transport = ScriptedTransport::new({
        let clock = clock.clone();
        move |_| {
            let left = opens.saturating_sub(clock.now()).as_secs();
            let response = if left > 0 {
                limited(&left.to_string())
            } else {
                answer(200, "ok")
            };
            async { Ok(response) }
        }
    });
    let response = retry(&transport, &clock).send(repeatable()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(transport.requests().len(), 2, "one wait is enough");
    assert_eq!(clock.now(), opens);
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_the_server_is_kept_in_seconds_and_as_a_date() {
    let check = async |value: &str, expect: Duration| {
        let script = [Ok(limited(value)), Ok(answer(200, "ok"))];
        let (result, tries, took) = play(script, repeatable()).await;
        assert_eq!(
            (result.unwrap().status().as_u16(), tries),
            (200, 2),
            "{value}"
        );
        assert_eq!(took, expect, "{value}");
    };
    check("59", Duration::from_secs(59)).await;
    check("0", Duration::from_millis(250)).await;
    check("Thu, 01 Jan 2026 00:00:42 GMT", Duration::from_secs(42)).await;
    check("whenever", Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn jitter_comes_on_top() {
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new().with_jitter(0.8));
    let transport = ScriptedTransport::answers([limited("10"), answer(200, "ok")]);
    retry(&transport, &clock).send(repeatable()).await.unwrap();
    assert_eq!(clock.now(), Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_an_error_that_carries_it() {
    let (result, tries, took) = play([Ok(limited("3600"))], repeatable()).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(
        matches!(error, TransportError::RetryAfterTooLong { after, status, .. }
        if after.as_secs() == 3600 && status == 429)
    );
    assert_eq!((tries, took), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn short_outages_of_every_kind_are_outlasted() {
    let script = [
        refused(),
        lost(),
        Ok(answer(502, "")),
        Ok(answer(200, "ok")),
    ];
    let (result, tries, took) = play(script, repeatable()).await;
    assert_eq!(result.unwrap().status(), 200);
    assert_eq!((tries, took), (4, Duration::from_secs(1 + 2 + 4)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let (result, tries, _) = play([cut(), Ok(answer(200, "whole"))], repeatable()).await;
    assert_eq!(
        result.unwrap().into_body().collect().await.unwrap(),
        "whole"
    );
    assert_eq!(tries, 2);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_is_handed_on_and_breaks_where_it_is_read() {
    let options = CallOptions::new().with_repeatable(true).with_streamed(true);
    let (result, tries, _) = play([cut()], options.attach(repeatable())).await;
    let error = result.unwrap().into_body().collect().await.unwrap_err();
    assert!(matches!(
        error,
        TransportError::Truncated {
            expected: Some(8),
            received: 4,
            ..
        }
    ));
    assert_eq!(tries, 1);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_sent_once() {
    let check = async |answer: Answer, expect: Result<u16, ErrorKind>| {
        let (result, tries, took) = play([answer], once()).await;
        let got = result
            .map(|response| response.status().as_u16())
            .map_err(|error| error.kind());
        assert_eq!((got, tries, took), (expect, 1, Duration::ZERO));
    };
    check(Ok(limited("1")), Ok(429)).await;
    check(Ok(limited("3600")), Ok(429)).await;
    check(Ok(answer(503, "")), Ok(503)).await;
    check(refused(), Err(ErrorKind::Connect)).await;
    check(lost(), Err(ErrorKind::Timeout)).await;
}

#[tokio::test(start_paused = true)]
async fn after_the_last_retry_the_caller_gets_the_last_outcome() {
    let script = || (0..3).map(|_| Ok(answer(503, "busy")));
    let (result, tries, _) = play(script().chain([Ok(limited("1"))]), repeatable()).await;
    assert_eq!((result.unwrap().status().as_u16(), tries), (429, 4));
    let (result, tries, _) = play(script().chain([lost()]), repeatable()).await;
    assert_eq!((result.unwrap_err().kind(), tries), (ErrorKind::Timeout, 4));
}

#[tokio::test(start_paused = true)]
async fn a_used_up_budget_ends_retries_until_the_minute_has_passed() {
    let clock = clock();
    let transport = ScriptedTransport::new(async |_| Ok(answer(503, "")));
    let policy = RetryPolicy::new().with_budget(0.2, 4);
    let retry = Retry::new(transport.clone(), policy, clock.clone());
    let mut tries = Vec::new();
    for _ in 0..4 {
        let before = transport.requests().len();
        assert_eq!(retry.send(repeatable()).await.unwrap().status(), 503);
        tries.push(transport.requests().len() - before);
    }
    assert_eq!(tries, [4, 2, 1, 1], "three retries, one, and then none");
    clock.sleep(Duration::from_secs(61)).await;
    retry.send(repeatable()).await.unwrap();
    assert_eq!(transport.requests().len(), 8 + 4);
}

#[tokio::test(start_paused = true)]
async fn a_retry_sends_the_same_request_again() {
    let transport = ScriptedTransport::answers([answer(503, ""), answer(200, "ok")]);
    let mut request = repeatable().map(|_| Bytes::from_static(b"payload"));
    request
        .headers_mut()
        .insert("x-workspace-id", "w".parse().unwrap());
    retry(&transport, &clock()).send(request).await.unwrap();
    let sent = transport.requests();
    assert_eq!(sent[0].uri(), sent[1].uri());
    assert_eq!(sent[0].headers(), sent[1].headers());
    assert_eq!((&sent[1].body()[..], sent.len()), (&b"payload"[..], 2));
}
