//! Calls to addresses that strangers chose, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use molecule_transport::{
    AddressKind, BoxError, BoxFuture, Bytes, CallOptions, ErrorKind, ForeignTransport, Limits,
    Phase, Request, Resolve, Timeouts, Transport, TransportError,
};

use crate::calls::{TOKEN, get, post};
use crate::server::{Reply, Server, http, ok};

/// A name server that knows one answer, and counts how often it was asked.
#[derive(Debug, Default)]
struct Names {
    addresses: Vec<IpAddr>,
    asked: AtomicUsize,
}

impl Names {
    fn of(addresses: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, BoxError>> {
        assert!(name.parse::<IpAddr>().is_err(), "{name} is no name");
        self.asked.fetch_add(1, Ordering::Relaxed);
        let addresses = self.addresses.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

fn transport(allow_local: bool, names: &Arc<Names>) -> ForeignTransport {
    ForeignTransport::builder()
        .with_system_roots(false)
        .with_local_addresses(allow_local)
        .with_resolver(names.clone())
        .build()
        .unwrap()
}

async fn read(transport: &ForeignTransport, request: Request) -> Result<Bytes, TransportError> {
    transport.send(request).await?.into_body().collect().await
}

async fn refusal(url: &str, names: &Arc<Names>) -> TransportError {
    let error = transport(false, names).send(get(url)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForbiddenAddress, "{url}: {error}");
    assert!(error.surely_not_delivered());
    error
}

#[tokio::test]
async fn every_spelling_of_a_local_address_is_refused_without_a_connection() {
    let server = Server::always(ok("reached")).await;
    let port = server.address.port();
    let nobody = Names::of(&[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "192.0.2.1",
        "224.0.0.1",
    ] {
        refusal(&format!("http://{host}:{port}/"), &nobody).await;
    }
    assert_eq!((server.requests().len(), nobody.asked()), (0, 0));
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused() {
    let server = Server::always(ok("reached")).await;
    let names = Names::of(&["127.0.0.1", "10.1.2.3"]);
    let url = format!("http://peer.example:{}/", server.address.port());
    match refusal(&url, &names).await {
        TransportError::ForbiddenAddress { address, kind, .. } => {
            assert_eq!(address.to_string(), "127.0.0.1");
            assert_eq!(kind, AddressKind::Loopback);
        }
        other => panic!("{other:?}"),
    }
    assert!(server.requests().is_empty());
    let text = refusal(&url, &names).await.to_string();
    assert!(
        text.contains("peer.example") && text.contains("--allow-private-peers"),
        "{text}"
    );
}

#[tokio::test]
async fn metadata_services_are_refused_even_where_private_peers_are_allowed() {
    let names = Names::of(&["169.254.169.254"]);
    let transport = transport(true, &names);
    for url in [
        "http://peer.example/",
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
    ] {
        let error = transport.send(get(url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForbiddenAddress, "{url}");
        assert!(!error.to_string().contains("--allow"), "{error}");
    }
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let server = Server::always(ok("hello")).await;
    let names = Names::of(&["127.0.0.1"]);
    let transport = transport(true, &names);
    let url = format!("http://peer.example:{}/a2a?x=1", server.address.port());
    for calls in 1..=2 {
        assert_eq!(read(&transport, get(&url)).await.unwrap(), "hello");
        // One look-up for one connection: there is no second answer to be fooled by.
        assert_eq!(names.asked(), calls);
    }
    let seen = server.requests().remove(0).to_ascii_lowercase();
    assert!(seen.starts_with("get /a2a?x=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains("host: peer.example:"), "{seen}");
}

/// Answers every request, and offers to keep each connection; says how many there were.
fn keeping() -> (String, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn no_connection_is_used_again_after_its_address_was_checked() {
    let (url, connections) = keeping();
    let transport = transport(true, &Names::of(&[]));
    for calls in 1..=3 {
        assert_eq!(read(&transport, get(&url)).await.unwrap(), "ok");
        assert_eq!(connections.load(Ordering::Relaxed), calls);
    }
}

#[tokio::test]
async fn a_stranger_sees_no_more_than_the_request() {
    let server = Server::always(ok("hello")).await;
    let transport = transport(true, &Names::of(&[]));
    let mut request = post(&server.url("/"), "{}");
    request
        .headers_mut()
        .insert("x-workspace-id", "w".parse().unwrap());
    // That it asks for the platform's token changes nothing here.
    let request = CallOptions::new().with_authorize(true).attach(request);
    read(&transport, request).await.unwrap();
    let seen = server.requests().remove(0).to_ascii_lowercase();
    let (head, _) = seen.split_once("\r\n\r\n").unwrap();
    let mut names: Vec<_> = head
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "content-length",
            "host",
            "user-agent",
            "x-workspace-id"
        ]
    );
}

#[tokio::test]
async fn credentials_are_refused_before_they_are_sent() {
    let server = Server::always(ok("stolen")).await;
    let transport = transport(true, &Names::of(&[]));
    for name in ["authorization", "proxy-authorization", "cookie"] {
        let mut request = get(&server.url("/"));
        request.headers_mut().insert(name, TOKEN.parse().unwrap());
        let error = transport.send(request).await.unwrap_err();
        assert!(
            matches!(error, TransportError::ForeignBearer { .. }),
            "{error:?}"
        );
    }
    let url = format!("http://me:{TOKEN}@{}/", server.address);
    let error = transport.send(get(&url)).await.unwrap_err();
    assert!(matches!(error, TransportError::Url { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains(TOKEN));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn what_the_owner_of_an_address_gave_out_may_go_there_and_nothing_else() {
    let server = Server::always(ok("told")).await;
    let transport = ForeignTransport::builder()
        .with_system_roots(false)
        .with_local_addresses(true)
        .with_owners_credentials(true)
        .build()
        .unwrap();
    let with = |name: &'static str| {
        let mut request = get(&server.url("/"));
        request.headers_mut().insert(name, TOKEN.parse().unwrap());
        request
    };
    assert_eq!(
        read(&transport, with("authorization")).await.unwrap(),
        "told"
    );
    for name in ["proxy-authorization", "cookie"] {
        let error = transport.send(with(name)).await.unwrap_err();
        assert!(
            matches!(error, TransportError::ForeignBearer { .. }),
            "{error:?}"
        );
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let other = Server::always(ok("elsewhere")).await;
    let transport = transport(true, &Names::of(&[]));
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent",
    ] {
        for location in [other.url("/x"), "/here".to_owned()] {
            let head = http(status, &[&format!("Location: {location}")], "");
            let server = Server::always(Reply::Close(head)).await;
            let response = transport.send(post(&server.url("/"), "{}")).await.unwrap();
            assert_eq!(&response.status().as_str()[..1], "3");
            assert_eq!(server.requests().len(), 1, "{status} {location}");
        }
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn hostile_answers_are_bounded() {
    let transport = transport(true, &Names::of(&[]));
    let options = CallOptions::new().with_limits(Limits::DEFAULT.with_body_bytes(100_000));
    let json = &["Content-Type: application/json"];
    let many = vec!["X-Header: x"; 200];
    let check = async |reply: Reply, expect: ErrorKind| {
        let server = Server::always(reply).await;
        let request = options.clone().attach(post(&server.url("/"), "{}"));
        let error = read(&transport, request).await.unwrap_err();
        assert_eq!(error.kind(), expect, "{error}");
        assert!(!error.surely_not_delivered());
    };
    let endless = Reply::Endless(http("200 OK", &[], ""), vec![b'x'; 4096]);
    check(endless, ErrorKind::TooLarge).await;
    let deep = http("200 OK", json, &"[".repeat(1000));
    check(Reply::Close(deep), ErrorKind::TooLarge).await;
    check(
        Reply::Close(http("200 OK", &many, "x")),
        ErrorKind::TooLarge,
    )
    .await;
    let gzip = http("200 OK", &["Content-Encoding: gzip"], "x");
    check(Reply::Close(gzip), ErrorKind::BadAnswer).await;
    check(
        Reply::Close(b"nonsense\r\n\r\n".to_vec()),
        ErrorKind::BadAnswer,
    )
    .await;
    check(Reply::Close(Vec::new()), ErrorKind::Interrupted).await;
    let half = http("200 OK", &["Content-Length: 9"], "half");
    check(Reply::Close(half), ErrorKind::Interrupted).await;
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let pieces = vec!["x"; 1000];
    let reply = Reply::Pieces(http("200 OK", &[], ""), pieces, Duration::from_millis(5));
    let server = Server::always(reply).await;
    let options = CallOptions::new().with_deadline(Duration::from_millis(80));
    let request = options.attach(get(&server.url("/")));
    let error = read(&transport(true, &Names::of(&[])), request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(!error.surely_not_delivered());
}

#[tokio::test]
async fn silence_is_told_from_an_address_that_nobody_answers_at() {
    let transport = transport(true, &Names::of(&[]));
    let short = Timeouts::new(Duration::from_secs(30), Duration::from_millis(60));
    let server = Server::always(Reply::Silence(Vec::new())).await;
    let request = CallOptions::new()
        .with_timeouts(short)
        .attach(get(&server.url("/")));
    let error = transport.send(request).await.unwrap_err();
    assert!(!error.surely_not_delivered(), "{error}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let error = transport
        .send(get(&format!("http://{closed}/")))
        .await
        .unwrap_err();
    assert!(error.surely_not_delivered(), "{error}");
}

/// A name server that is never done.
#[derive(Debug)]
struct Stalled;

impl Resolve for Stalled {
    fn resolve(&self, _: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, BoxError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_look_up_that_stalls_ends_with_the_time_for_connecting() {
    let transport = ForeignTransport::builder()
        .with_system_roots(false)
        .with_resolver(Arc::new(Stalled))
        .build()
        .unwrap();
    let short = Timeouts::new(Duration::from_millis(60), Duration::from_secs(30));
    let request = CallOptions::new()
        .with_timeouts(short)
        .attach(get("http://peer.example/"));
    let error = transport.send(request).await.unwrap_err();
    assert!(error.surely_not_delivered());
    match error {
        TransportError::Timeout { phase, .. } => assert_eq!(phase, Phase::Connect),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_no_delivery() {
    let error = transport(false, &Names::of(&[]))
        .send(get("http://peer.example/"))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    assert!(error.surely_not_delivered());
}
