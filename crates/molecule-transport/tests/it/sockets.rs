//! Answers as hostile servers give them, over real sockets.

use std::time::Duration;

use molecule_transport::{
    Bytes, CallOptions, ErrorKind, Limits, Phase, Request, Timeouts, Transport, TransportError,
};
use tokio::net::TcpListener;

use crate::calls::{TOKEN, get, post};
use crate::server::{Reply, Server, http, ok, plain_client};

/// The only real wait: long enough for a loaded machine, short enough for a test.
const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(30);

/// A call that gives up quickly when the server is silent.
fn impatient(request: Request) -> Request {
    CallOptions::new()
        .with_timeouts(Timeouts::new(LONG, SHORT))
        .attach(request)
}

async fn read(request: Request) -> Result<Bytes, TransportError> {
    plain_client()
        .send(request)
        .await?
        .into_body()
        .collect()
        .await
}

async fn error_from(reply: Reply) -> TransportError {
    error_of(reply, |request| request).await
}

async fn error_of(reply: Reply, prepare: fn(Request) -> Request) -> TransportError {
    let server = Server::always(reply).await;
    let request = get(&server.url("/x?token=query-secret"));
    read(prepare(request)).await.unwrap_err()
}

fn raw(bytes: &str) -> Reply {
    Reply::Close(bytes.as_bytes().to_vec())
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let server = Server::always(ok("STUB OK")).await;
    let mut request = post(&server.url("/registry/register?x=1"), r#"{"id":"w"}"#);
    request
        .headers_mut()
        .insert("x-workspace-id", "w".parse().unwrap());
    assert_eq!(read(request).await.unwrap(), "STUB OK");
    let seen = server.requests().remove(0);
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /registry/register?x=1 HTTP/1.1\r\n"),
        "{head}"
    );
    assert_eq!(body, r#"{"id":"w"}"#);
    let head = head.to_ascii_lowercase();
    let agent = format!("user-agent: molecule-agent/{}", env!("CARGO_PKG_VERSION"));
    assert!(
        head.contains(&agent) && head.contains("x-workspace-id: w"),
        "{head}"
    );
    assert!(!head.contains("accept-encoding"), "{head}");
}

#[tokio::test]
async fn any_status_is_an_answer() {
    for status in [400, 401, 404, 429, 500, 503] {
        let server = Server::always(Reply::Close(http(&format!("{status} X"), &[], "e"))).await;
        let response = plain_client().send(get(&server.url("/"))).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.into_body().collect().await.unwrap(), "e");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_limit() {
    let reply = Reply::Endless(http("200 OK", &[], ""), vec![b'x'; 4096]);
    let server = Server::always(reply).await;
    let options = CallOptions::new().with_limits(Limits::DEFAULT.with_body_bytes(100_000));
    let error = read(options.attach(get(&server.url("/"))))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::BodyTooLarge { limit: 100_000, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn endless_json_nesting_is_cut_off_at_its_depth() {
    let head = http("200 OK", &["Content-Type: application/json"], "");
    let error = error_from(Reply::Endless(head, vec![b'['; 16])).await;
    assert!(
        matches!(error, TransportError::JsonTooDeep { limit: 64, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_server_is_left_after_the_idle_time() {
    let check = async |reply: Reply, expect: Phase| match error_of(reply, impatient).await {
        TransportError::Timeout { phase, after, .. } => assert_eq!((phase, after), (expect, SHORT)),
        other => panic!("{other:?}"),
    };
    check(Reply::Silence(Vec::new()), Phase::Head).await;
    check(
        Reply::Silence(b"HTTP/1.1 200 OK\r\nX-Half: ".to_vec()),
        Phase::Head,
    )
    .await;
    check(Reply::Silence(http("200 OK", &[], "")), Phase::Body).await;
    check(
        Reply::Silence(http("200 OK", &["Content-Length: 9"], "half")),
        Phase::Body,
    )
    .await;
}

#[tokio::test]
async fn a_body_that_keeps_flowing_may_take_longer_than_the_idle_time() {
    let pause = Duration::from_millis(40);
    let pieces = vec!["a", "b", "c", "d", "e"];
    let server = Server::always(Reply::Pieces(http("200 OK", &[], ""), pieces, pause)).await;
    let timeouts = Timeouts::new(LONG, Duration::from_millis(160));
    let request = CallOptions::new()
        .with_timeouts(timeouts)
        .attach(get(&server.url("/")));
    assert_eq!(read(request).await.unwrap(), "abcde");
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_an_error() {
    let error = error_from(Reply::Close(http("200 OK", &["Content-Length: 9"], "half"))).await;
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
    let chunked = http("200 OK", &["Transfer-Encoding: chunked"], "4\r\nhalf\r\n");
    let error = error_from(Reply::Close(chunked)).await;
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
    assert!(!error.surely_not_delivered());
}

#[tokio::test]
async fn bytes_beyond_the_announced_length_are_not_read() {
    let reply = Reply::Close(http(
        "200 OK",
        &["Content-Length: 4"],
        "bodyHTTP/1.1 200 OK\r\n\r\n",
    ));
    let server = Server::always(reply).await;
    assert_eq!(read(get(&server.url("/"))).await.unwrap(), "body");
    assert_eq!(read(get(&server.url("/"))).await.unwrap(), "body");
}

#[tokio::test]
async fn conflicting_lengths_are_an_error() {
    let twice = http(
        "200 OK",
        &["Content-Length: 4", "Content-Length: 8"],
        "bodybody",
    );
    assert_eq!(
        error_from(Reply::Close(twice)).await.kind(),
        ErrorKind::BadAnswer
    );
}

#[tokio::test]
async fn large_and_many_headers_are_refused() {
    let check = async |headers: Vec<String>| {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let error = error_from(Reply::Close(http("200 OK", &headers, ""))).await;
        assert!(
            matches!(error, TransportError::HeadersTooLarge { .. }),
            "{error:?}"
        );
    };
    check(vec![format!("X-Large: {}", "x".repeat(70_000))]).await;
    check(vec![format!("X-Huge: {}", "x".repeat(1_000_000))]).await;
    check((0..101).map(|n| format!("X-{n}: y")).collect()).await;
    check((0..5000).map(|n| format!("X-{n}: y")).collect()).await;
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let reply = Reply::Endless(b"HTTP/1.1 200 OK\r\nX-Endless: ".to_vec(), vec![b'x'; 4096]);
    let error = error_from(reply).await;
    assert!(
        matches!(error, TransportError::HeadersTooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_not_http_is_told_apart_from_a_broken_line() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
    ] {
        let error = error_from(raw(bytes)).await;
        assert!(
            matches!(error, TransportError::Malformed { .. }),
            "{bytes:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_may_have_delivered() {
    for bytes in ["", "HTTP/1.1 200 OK\r\nX-Half"] {
        let error = error_from(raw(bytes)).await;
        assert!(
            matches!(error, TransportError::Interrupted { .. }),
            "{bytes:?}: {error:?}"
        );
        assert!(!error.surely_not_delivered());
    }
}

#[tokio::test]
async fn a_refused_connection_surely_did_not_deliver() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/x?token=query-secret",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let error = read(get(&url)).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    assert!(error.surely_not_delivered());
    assert!(
        error.to_string().contains("is the platform running"),
        "{error}"
    );
    assert!(
        !format!("{error} {error:?}").contains("query-secret"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_host_that_nobody_knows_surely_did_not_get_it() {
    // No resolver asks anyone for a label of more than 63 characters.
    let error = read(get(&format!("http://{}.invalid/", "a".repeat(64))))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    assert!(error.surely_not_delivered());
}

#[tokio::test]
async fn a_compressed_answer_is_refused_with_its_encoding() {
    let gzip = http("200 OK", &["Content-Encoding: gzip"], "\u{1f}");
    let error = error_from(Reply::Close(gzip)).await;
    assert!(matches!(error, TransportError::Encoded { ref encoding, .. } if encoding == "gzip"));
}

#[tokio::test]
async fn errors_of_every_phase_keep_the_query_and_the_token_to_themselves() {
    let replies = [
        raw(""),
        raw("garbage\r\n\r\n"),
        Reply::Silence(Vec::new()),
        Reply::Close(http("200 OK", &["Content-Length: 9"], "half")),
    ];
    for reply in replies {
        let server = Server::always(reply).await;
        let mut request = impatient(get(&server.url("/x?token=query-secret")));
        let value = format!("Bearer {TOKEN}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        let error = read(request).await.unwrap_err();
        let (mut text, mut next) = (format!("{error:?}"), Some(&error as &dyn std::error::Error));
        while let Some(error) = next {
            text.push_str(&format!(" {error}"));
            next = error.source();
        }
        assert!(text.contains("/x"), "{text}");
        assert!(
            !text.contains("query-secret") && !text.contains(TOKEN),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_address_without_http_is_refused_before_anything_is_sent() {
    for url in ["/path", "ftp://127.0.0.1/x", "remote://no-inbound"] {
        let error = read(get(url)).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Url { .. }),
            "{url}: {error:?}"
        );
        assert!(error.surely_not_delivered());
    }
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let server = Server::always(Reply::Silence(Vec::new())).await;
    let client = plain_client();
    let call = client.send(get(&server.url("/")));
    let seen = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = seen => {}
    }
}
