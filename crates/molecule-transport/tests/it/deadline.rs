//! One limit for the whole call, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{
    Body, Bytes, CallOptions, Clock, Request, Response, Transport, TransportError, stack,
};

use crate::calls::{clock, options, repeatable};

const SECOND: Duration = Duration::from_secs(1);

fn within(deadline: Duration) -> Request {
    CallOptions::new()
        .with_repeatable(true)
        .with_deadline(deadline)
        .attach(repeatable())
}

fn slow(clock: &Arc<dyn Clock>, each: Duration, status: u16) -> ScriptedTransport {
    let clock = clock.clone();
    ScriptedTransport::new(move |_| {
        let sleep = clock.sleep(each);
        async move {
            sleep.await;
            Ok(answer(status, "ok"))
        }
    })
}

fn is_deadline(error: &TransportError, after: Duration) -> bool {
    matches!(error, TransportError::Deadline { after: limit, .. } if *limit == after)
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_at_its_deadline() {
    let clock = clock();
    let stack = stack(slow(&clock, 60 * SECOND, 200), options(&clock));
    let error = stack.send(within(5 * SECOND)).await.unwrap_err();
    assert!(is_deadline(&error, 5 * SECOND), "{error:?}");
    assert!(!error.surely_not_delivered());
    assert_eq!(clock.now(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_all_tries_together() {
    let clock = clock();
    let stack = stack(slow(&clock, 3 * SECOND, 503), options(&clock));
    let error = stack.send(within(6 * SECOND)).await.unwrap_err();
    assert!(
        is_deadline(&error, 6 * SECOND),
        "3 s, a wait of 1 s, 3 s: {error:?}"
    );
    assert_eq!(clock.now(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_outlasts_the_deadline_is_not_begun() {
    let clock = clock();
    let script = [Ok(answer(503, "busy")), Ok(answer(503, "busy"))];
    let stack = stack(ScriptedTransport::results(script), options(&clock));
    let response = stack.send(within(3 * SECOND)).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(
        clock.now(),
        SECOND,
        "the second wait would have ended at the deadline"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_reading_of_the_body() {
    let clock = clock();
    let transport = ScriptedTransport::new(async |_| Ok(Response::new(silent_body())));
    let request = within(5 * SECOND);
    let streamed = CallOptions::of(&request)
        .with_streamed(true)
        .attach(request);
    let mut body = stack(transport, options(&clock))
        .send(streamed)
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "first");
    clock.sleep(2 * SECOND).await;
    let error = body.chunk().await.unwrap_err();
    assert!(is_deadline(&error, 5 * SECOND), "{error:?}");
    assert_eq!(clock.now(), 5 * SECOND);
    assert!(
        body.chunk().await.unwrap().is_none(),
        "nothing follows an error"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_may_take_its_time() {
    let clock = clock();
    let stack = stack(slow(&clock, 3600 * SECOND, 200), options(&clock));
    assert_eq!(stack.send(repeatable()).await.unwrap().status(), 200);
}

/// One piece, and then silence.
fn silent_body() -> Body {
    struct Silent(Option<Bytes>);
    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = TransportError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, TransportError>>> {
            match self.0.take() {
                Some(first) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(first)))),
                None => std::task::Poll::Pending,
            }
        }
    }
    Body::wrap(Silent(Some(Bytes::from_static(b"first"))))
}
