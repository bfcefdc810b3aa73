//! Routes of the caller's own on the listener of an agent.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use molecule_a2a::{Limits, ServeOptions, ServerError, serve};
use molecule_transport::testing::ManualClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::sockets::passing;

struct Serving {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), ServerError>>,
}

fn serving(router: Router, options: ServeOptions) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    Serving {
        address,
        ended: tokio::spawn(serve(listener, router, options, stop.clone())),
        stop,
    }
}

impl Serving {
    async fn ask(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = "GET /any/where HTTP/1.1\r\nhost: a\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut heard = String::new();
    // A connection that broke has ended as well.
    let _ = stream.read_to_string(&mut heard).await;
    heard
}

#[tokio::test]
async fn what_is_being_answered_at_the_stop_is_answered_and_nothing_listens_then() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = Router::new().fallback({
        let (asked, go) = (asked.clone(), go.clone());
        async move || {
            asked.notify_one();
            go.notified().await;
            "of my own"
        }
    });
    let serving = serving(router, ServeOptions::new());
    let stream = serving.ask().await;
    asked.notified().await;
    serving.stop.cancel();
    while TcpStream::connect(serving.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let heard = rest(stream).await;
    assert!(
        heard.starts_with("HTTP/1.1 200 OK") && heard.ends_with("of my own"),
        "{heard}"
    );
    serving.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up_and_so_is_an_idle_client() {
    let clock = ManualClock::new();
    let patience = Duration::from_secs(9);
    let options = ServeOptions::new()
        .with_clock(Arc::new(clock.clone()))
        .with_limits(Limits::default().with_patience(patience, patience, patience))
        .with_drain_timeout(Duration::from_secs(5));
    let asked = Arc::new(Notify::new());
    let router = Router::new().fallback({
        let asked = asked.clone();
        async move || {
            asked.notify_one();
            std::future::pending::<()>().await;
        }
    });
    let serving = serving(router, options);
    let idle = TcpStream::connect(serving.address).await.unwrap();
    assert_eq!(passing(&clock, rest(idle)).await, "");
    let stream = serving.ask().await;
    asked.notified().await;
    serving.stop.cancel();
    assert_eq!(passing(&clock, rest(stream)).await, "");
    serving.ended.await.unwrap().unwrap();
}
