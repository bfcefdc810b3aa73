//! An agent that says what it is told to say, over real sockets.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::stream;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tokio::net::TcpListener;

/// What the agent says to everything, or what it says by path.
type Script = dyn Fn(&Uri) -> Response + Send + Sync;

pub(crate) struct Agent {
    pub(crate) url: Uri,
    seen: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Agent {
    pub(crate) async fn start(script: impl Fn(&Uri) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/agent", listener.local_addr().unwrap());
        let seen = Arc::default();
        let router = router(Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let url = url.parse().unwrap();
        Self { url, seen }
    }

    /// The headers and bodies of the requests so far.
    pub(crate) fn seen(&self) -> Vec<(HeaderMap, Value)> {
        self.seen.lock().unwrap().clone()
    }
}

fn router(script: Arc<Script>, seen: Arc<Mutex<Vec<(HeaderMap, Value)>>>) -> Router {
    let answer = async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        seen.lock().unwrap().push((head.headers, body));
        script(&head.uri)
    };
    Router::new().fallback(answer)
}

pub(crate) fn answer(status: u16, kind: &str, body: impl Into<Body>) -> Response {
    let answer = Response::builder().status(status);
    let answer = answer.header("content-type", kind);
    answer.body(body.into()).unwrap()
}

pub(crate) fn json(body: impl Into<Body>) -> Response {
    answer(200, "application/json", body)
}

/// A stream of events, which breaks off at its end if it is told to.
pub(crate) fn events(text: &str, breaks_off: bool) -> Response {
    let kind = "text/event-stream; charset=utf-8";
    answer(200, kind, unannounced(text, breaks_off))
}

/// A body of no announced length, in pieces of a few bytes.
pub(crate) fn unannounced(text: &str, breaks_off: bool) -> Body {
    let pieces = text.as_bytes().chunks(7);
    let pieces = pieces.map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let end = breaks_off.then(|| Err(std::io::Error::other("broken")));
    Body::from_stream(stream::iter(pieces.chain(end).collect::<Vec<_>>()))
}
