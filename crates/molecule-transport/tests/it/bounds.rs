//! What an answer may measure, whatever the transport underneath.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use molecule_transport::testing::{ScriptedTransport, SimulatedClock, answer};
use molecule_transport::{
    Body, Bytes, CallOptions, Clock as _, ErrorKind, Guard, Limits, Phase, Request, Response,
    Transport, TransportError,
};

use crate::calls::get;

async fn read(limits: Limits, response: Response) -> Result<Bytes, TransportError> {
    read_as(
        get("http://platform/x?token=query-secret"),
        limits,
        response,
    )
    .await
}

async fn read_as(
    request: Request,
    limits: Limits,
    response: Response,
) -> Result<Bytes, TransportError> {
    let guard = Guard::new(
        ScriptedTransport::answers([response]),
        Arc::new(SimulatedClock::new()),
    );
    let request = CallOptions::new().with_limits(limits).attach(request);
    guard.send(request).await?.into_body().collect().await
}

fn with(mut response: Response, name: &'static str, value: &str) -> Response {
    response.headers_mut().append(name, value.parse().unwrap());
    response
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let limits = Limits::DEFAULT.with_body_bytes(8);
    assert_eq!(
        read(limits, answer(200, "12345678")).await.unwrap(),
        "12345678"
    );
    let error = read(limits, answer(200, "123456789")).await.unwrap_err();
    assert!(
        matches!(error, TransportError::BodyTooLarge { limit: 8, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_announced_size_is_refused_before_it_is_read() {
    let limits = Limits::DEFAULT.with_body_bytes(8);
    let error = read(limits, with(answer(200, ""), "content-length", "9"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_wrong_length_is_an_error_either_way() {
    let short = with(answer(200, "1234"), "content-length", "5");
    let error = read(Limits::DEFAULT, short).await.unwrap_err();
    assert!(matches!(
        error,
        TransportError::Truncated {
            expected: Some(5),
            received: 4,
            ..
        }
    ));
    let long = with(answer(200, "1234"), "content-length", "3");
    let error = read(Limits::DEFAULT, long).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Malformed { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn answers_without_a_body_may_announce_one() {
    let announced = |status| with(answer(status, ""), "content-length", "99999999999");
    let head = http::Request::head("http://platform/x")
        .body(Bytes::new())
        .unwrap();
    assert_eq!(
        read_as(head, Limits::DEFAULT, announced(200))
            .await
            .unwrap(),
        ""
    );
    assert_eq!(read(Limits::DEFAULT, announced(204)).await.unwrap(), "");
    assert_eq!(read(Limits::DEFAULT, announced(304)).await.unwrap(), "");
}

#[tokio::test]
async fn headers_are_bounded_by_number_and_size() {
    let limits = Limits::DEFAULT.with_header_count(2).with_header_bytes(20);
    let one = || with(answer(200, ""), "x-a", "1");
    assert!(read(limits, with(one(), "x-b", "2")).await.is_ok());
    let many = with(with(one(), "x-b", "2"), "x-b", "3");
    let large = with(one(), "x-b", "12345678901234567");
    for response in [many, large] {
        let error = read(limits, response).await.unwrap_err();
        assert!(
            matches!(error, TransportError::HeadersTooLarge { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn deep_json_is_refused_by_its_content_type() {
    let deep = "[".repeat(65) + &"]".repeat(65);
    let check = async |content_type: &str, expect: bool| {
        let response = Response::new(deep.clone().into());
        let result = read(
            Limits::DEFAULT,
            with(response, "content-type", content_type),
        )
        .await;
        let refused = matches!(result, Err(TransportError::JsonTooDeep { limit: 64, .. }));
        assert_eq!(refused, expect, "{content_type}");
    };
    check("application/json", true).await;
    check("Application/JSON; charset=utf-8", true).await;
    check("application/problem+json", true).await;
    check("text/plain", false).await;
    check("application/gzip", false).await;
    let flat = answer(200, "[".repeat(64) + &"]".repeat(64));
    assert!(read(Limits::DEFAULT, flat).await.is_ok());
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_refused() {
    for encoding in ["gzip", "br", "GZIP, identity", "x-unknown"] {
        let response = with(answer(200, "x"), "content-encoding", encoding);
        let error = read(Limits::DEFAULT, response).await.unwrap_err();
        assert!(matches!(error, TransportError::Encoded { .. }), "{error:?}");
    }
    let plain = with(answer(200, "x"), "content-encoding", "Identity");
    assert_eq!(read(Limits::DEFAULT, plain).await.unwrap(), "x");
}

#[tokio::test]
async fn a_transfer_encoding_but_chunked_is_refused() {
    let response = with(answer(200, "x"), "transfer-encoding", "gzip, chunked");
    let error = read(Limits::DEFAULT, response).await.unwrap_err();
    assert!(matches!(error, TransportError::Encoded { .. }), "{error:?}");
    let chunked = with(answer(200, "x"), "transfer-encoding", "Chunked");
    assert_eq!(read(Limits::DEFAULT, chunked).await.unwrap(), "x");
}

/// A body of so many pieces, each of so many bytes, with a pause before each.
fn slow(pieces: usize, bytes: usize, pause: Duration) -> Response {
    let stream = futures_util::stream::iter(0..pieces).then(move |_| async move {
        SimulatedClock::new().sleep(pause).await;
        Ok(Frame::data(Bytes::from(vec![b'x'; bytes])))
    });
    http::Response::new(Body::wrap(StreamBody::new(Box::pin(stream))))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up_after_the_minute_of_grace() {
    let clock = SimulatedClock::new();
    let dripping = slow(10_000, 1, Duration::from_secs(9));
    let error = read(Limits::DEFAULT, dripping).await.unwrap_err();
    let phase = |error: &TransportError| match error {
        TransportError::Timeout { phase, after, .. } => Some((*phase, after.as_secs())),
        _ => None,
    };
    assert_eq!(phase(&error), Some((Phase::Rest, 70)), "{error:?}");
    assert_eq!(clock.now().as_secs(), 70);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_makes_progress_may_take_its_time() {
    let slow = slow(200, 9_100, Duration::from_secs(9));
    assert_eq!(
        read(Limits::DEFAULT, slow).await.unwrap().len(),
        200 * 9_100
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_the_servers_fault() {
    let clock = SimulatedClock::new();
    let guard = Guard::new(
        ScriptedTransport::answers([slow(20, 1, Duration::from_secs(3))]),
        Arc::new(clock.clone()),
    );
    let mut body = guard
        .send(get("http://platform/x"))
        .await
        .unwrap()
        .into_body();
    while body.chunk().await.unwrap().is_some() {
        clock.sleep(Duration::from_secs(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_an_end_is_bounded_by_silence_alone() {
    let clock = SimulatedClock::new();
    let limits = Limits::DEFAULT.with_body_bytes(8);
    let endless = |pause| {
        let transport = ScriptedTransport::answers([slow(1000, 1, Duration::from_secs(pause))]);
        let options = CallOptions::new().with_endless(true).with_limits(limits);
        let request = options.attach(get("http://platform/x"));
        async move { transport.send(request).await?.into_body().collect().await }
    };
    assert_eq!(endless(9).await.unwrap().len(), 1000);
    assert_eq!(clock.now().as_secs(), 9000);
    let error = endless(11).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn an_error_names_the_call_without_its_query() {
    let error = read(Limits::DEFAULT.with_body_bytes(0), answer(200, "x"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET http://platform/x: the answer is larger than 0 bytes"
    );
    assert!(!format!("{error:?}").contains("query-secret"));
}
