//! Bodies too large to hold, through all layers and over real sockets.

use std::time::Duration;

use molecule_transport::{
    Body, CallOptions, ErrorKind, Limits, StackOptions, SystemClock, Timeouts, Transport,
    TransportError, stack,
};

use crate::calls::get;
use crate::server::{Reply, Server, http, plain_client};

const LIMIT: u64 = 1_000_000;

/// The body of a good answer to a repeatable, streamed call.
async fn download(server: &Server) -> Result<Body, TransportError> {
    let clock = std::sync::Arc::new(SystemClock::new());
    let options = StackOptions::new(server.url("").parse().unwrap(), clock);
    let call = CallOptions::new()
        .with_repeatable(true)
        .with_streamed(true)
        .with_timeouts(Timeouts::both(Duration::from_secs(30)))
        .with_limits(Limits::DEFAULT.with_body_bytes(LIMIT));
    let request = call.attach(get(&server.url("/x")));
    let answer = stack(plain_client(), options).send(request).await?;
    Ok(answer.into_body())
}

/// Reads to the end; how many bytes came, and why it ended.
async fn drain(mut body: Body) -> (u64, Result<(), TransportError>) {
    let mut received = 0;
    loop {
        match body.chunk().await {
            Ok(Some(data)) => received += data.len() as u64,
            Ok(None) => return (received, Ok(())),
            Err(error) => return (received, Err(error)),
        }
    }
}

#[tokio::test]
async fn a_streamed_answer_is_there_before_its_end() {
    for head in [
        http("200 OK", &["Content-Length: 9"], "half"),
        http("200 OK", &["Transfer-Encoding: chunked"], "4\r\nhalf\r\n"),
    ] {
        // The server never sends the rest: who waited for all of it would wait for ever.
        let server = Server::always(Reply::Silence(head)).await;
        let mut body = download(&server).await.unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "half");
    }
}

#[tokio::test]
async fn a_streamed_answer_that_breaks_off_is_an_error_and_asked_for_once() {
    for answer in [
        http("200 OK", &["Content-Length: 9"], "half"),
        http("200 OK", &["Transfer-Encoding: chunked"], "4\r\nhalf\r\n"),
        http("200 OK", &["Transfer-Encoding: chunked"], "9\r\nhalf"),
    ] {
        let server = Server::always(Reply::Close(answer)).await;
        let (received, result) = drain(download(&server).await.unwrap()).await;
        assert_eq!(received, 4);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(
            server.requests().len(),
            1,
            "a body that began is not asked for again"
        );
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_while_it_streams() {
    let piece = vec![b'x'; 4096];
    let chunk = [b"1000\r\n", piece.as_slice(), b"\r\n"].concat();
    for (header, more) in [("X-None: 0", piece), ("Transfer-Encoding: chunked", chunk)] {
        let server = Server::always(Reply::Endless(http("200 OK", &[header], ""), more)).await;
        let (received, result) = drain(download(&server).await.unwrap()).await;
        assert!(received <= LIMIT, "{received}");
        assert!(
            matches!(
                result,
                Err(TransportError::BodyTooLarge { limit: LIMIT, .. })
            ),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_gzip_file_is_handed_on_as_it_is() {
    let head = http(
        "200 OK",
        &["Content-Type: application/gzip", "Content-Length: 4"],
        "",
    );
    let file = [0x1f, 0x8b, 0x08, 0x00];
    let server = Server::always(Reply::Close([head.as_slice(), &file].concat())).await;
    let mut body = download(&server).await.unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), file.as_slice());
    assert!(body.chunk().await.unwrap().is_none());
}
