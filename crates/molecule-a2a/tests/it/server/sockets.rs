//! The agent over real sockets: slow clients, many clients, and clients that stay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::{A2aServer, Card, Limits, ServerOptions};
use molecule_transport::testing::ManualClock;
use molecule_transport::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::echo::Echo;
use super::world::message;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) agent: Echo,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<()>,
}

impl Running {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        options: impl FnOnce(ServerOptions) -> ServerOptions,
    ) -> Self {
        let agent = Echo::new(clock.clone());
        let given = ServerOptions::new(Card::new("echo", "")).with_clock(clock);
        let any = "127.0.0.1:0".parse().unwrap();
        let server = A2aServer::bind(any, Arc::new(agent.clone()), options(given)).unwrap();
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let run = server.run(stop.clone());
        Self {
            address,
            agent,
            stop,
            ended: tokio::spawn(async move { run.await.unwrap() }),
        }
    }

    fn system() -> Self {
        Self::new(Arc::new(SystemClock::new()), |options| options)
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection(TcpStream::connect(self.address).await.unwrap())
    }
}

pub(crate) struct Connection(TcpStream);

/// An answer's head, and its body if its length was announced.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Connection {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Heard {
        self.write(request(method, &params)).await;
        self.hear().await.unwrap()
    }

    /// The next answer; `None` when the connection ends before.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        let head = self.until("\r\n\r\n").await?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8(body).unwrap();
        Some(Heard { head, body })
    }

    pub(crate) async fn until(&mut self, end: &str) -> Option<String> {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            read.push(self.0.read_u8().await.ok()?);
        }
        Some(String::from_utf8(read).unwrap())
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.is_err() || rest.is_empty()
    }
}

pub(crate) fn request(method: &str, params: &Value) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Moves the time until something is done.
pub(crate) async fn passing<T>(clock: &ManualClock, done: impl Future<Output = T>) -> T {
    tokio::pin!(done);
    let passing = async {
        loop {
            tokio::select! {
                biased;
                output = &mut done => return output,
                () = tokio::task::yield_now() => clock.advance(Duration::from_millis(20)),
            }
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), passing).await;
    done.expect("it never happens")
}

#[tokio::test]
async fn a_connection_stays_for_many_calls() {
    let running = Running::system();
    let mut connection = running.connect().await;
    for index in 0..50 {
        let heard = connection
            .call("message/send", message(&format!("msg {index}")))
            .await;
        assert_eq!(heard.status(), "200");
        assert_eq!(
            heard.json()["result"]["parts"][0]["text"],
            index.to_string()
        );
        assert!(heard.head.contains("content-type: application/json\r\n"));
    }
}

#[tokio::test]
async fn a_card_without_an_address_names_the_one_that_is_listened_on() {
    let running = Running::system();
    let mut connection = running.connect().await;
    connection
        .write("GET /.well-known/agent-card.json HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let card = connection.hear().await.unwrap().json();
    assert_eq!(card["url"], format!("http://{}/", running.address));
}

#[tokio::test]
async fn clients_that_are_slow_or_idle_delay_nobody() {
    let running = Running::system();
    let mut slow = Vec::new();
    for start in [
        "",
        "POST / HT",
        "POST / HTTP/1.1\r\nhost: a\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{",
    ] {
        let mut connection = running.connect().await;
        connection.write(start).await;
        slow.push(connection);
    }
    let mut waiting = running.connect().await;
    waiting
        .write(request("message/send", &message("wait hi")))
        .await;
    running.agent.waits.notified().await;
    let mut quick = running.connect().await;
    assert_eq!(
        quick.call("message/send", message("msg hi")).await.status(),
        "200"
    );
    running.agent.go.notify_one();
    assert_eq!(
        waiting.hear().await.unwrap().json()["result"]["parts"][0]["text"],
        "hi"
    );
}

#[tokio::test]
async fn a_client_has_so_long_for_the_head_of_a_request_and_for_its_body() {
    let clock = ManualClock::new();
    let running = Running::new(Arc::new(clock.clone()), |options| options);
    let mut head = running.connect().await;
    head.write("POST / HTTP/1.1\r\nhost: a\r\n").await;
    assert!(passing(&clock, head.is_closed()).await);
    assert!(
        clock.now() >= Duration::from_secs(30) && clock.now() < Duration::from_secs(70),
        "{:?}",
        clock.now()
    );
    let mut body = running.connect().await;
    body.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        .await;
    let heard = passing(&clock, body.hear()).await.unwrap();
    assert!(heard.body.contains("too slowly"), "{heard:?}");
}

#[tokio::test]
async fn an_idle_connection_ends_and_a_busy_one_does_not() {
    let clock = ManualClock::new();
    let running = Running::new(Arc::new(clock.clone()), |options| options);
    let mut busy = running.connect().await;
    busy.write(request("message/send", &message("wait hi")))
        .await;
    running.agent.waits.notified().await;
    let mut idle = running.connect().await;
    idle.call("message/send", message("msg hi")).await;
    let began = clock.now();
    assert!(passing(&clock, idle.is_closed()).await);
    assert!(clock.now() - began >= Duration::from_secs(75));
    running.agent.go.notify_one();
    assert_eq!(busy.hear().await.unwrap().status(), "200");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let clock = ManualClock::new();
    let limits = Limits::default().with_body_bytes(32 << 20);
    let running = Running::new(Arc::new(clock.clone()), |options| {
        options.with_limits(limits)
    });
    let mut greedy = running.connect().await;
    let text = format!("msg {}", "x".repeat(16 << 20));
    greedy.write(request("message/send", &message(&text))).await;
    let mut other = running.connect().await;
    let began = clock.now();
    let cut = async {
        loop {
            // It hangs up in the middle of the answer; until then there is always more to come.
            other.call("message/send", message("msg hi")).await;
            if clock.now() - began > Duration::from_secs(60) {
                break;
            }
        }
    };
    passing(&clock, cut).await;
    let mut rest = Vec::new();
    let read = greedy.0.read_to_end(&mut rest).await;
    assert!(
        read.is_err() || rest.len() < 16 << 20,
        "{} bytes",
        rest.len()
    );
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room_for_a_new_one() {
    let limits = Limits::default().with_load(8, 8, 2);
    let clock = ManualClock::new();
    let running = Running::new(Arc::new(clock.clone()), |options| {
        options.with_limits(limits)
    });
    let mut busy = running.connect().await;
    busy.write(request("message/send", &message("wait hi")))
        .await;
    running.agent.waits.notified().await;
    let mut idle = running.connect().await;
    idle.call("message/send", message("msg hi")).await;
    let mut new = running.connect().await;
    assert_eq!(
        new.call("message/send", message("msg hi")).await.status(),
        "200"
    );
    assert!(idle.is_closed().await);
    running.agent.go.notify_one();
    assert_eq!(busy.hear().await.unwrap().status(), "200");
}

#[tokio::test]
async fn events_arrive_as_they_happen() {
    let running = Running::system();
    let mut stream = running.connect().await;
    stream
        .write(request("message/stream", &message("held")))
        .await;
    let heard = stream.hear().await.unwrap();
    assert!(
        heard.head.contains("content-type: text/event-stream"),
        "{heard:?}"
    );
    let first = stream.until("\n\n").await.unwrap();
    assert!(first.contains(r#""state":"submitted""#), "{first}");
    running.agent.waits.notified().await;
    running.agent.go.notify_one();
    let last = stream.until("0\r\n\r\n").await.unwrap();
    assert!(last.contains(r#""final":true"#), "{last}");
    // The connection is good for more.
    assert_eq!(
        stream
            .call("message/send", message("msg hi"))
            .await
            .status(),
        "200"
    );
}

#[tokio::test]
async fn any_bytes_get_an_answer_or_an_end() {
    let running = Running::system();
    for bytes in [
        &b"\0\xff\xff"[..],
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut connection = running.connect().await;
        connection.write(bytes).await;
        let heard = connection.hear().await;
        assert!(
            heard.is_none_or(|heard| heard.status().starts_with('4')),
            "{bytes:?}"
        );
    }
    let mut connection = running.connect().await;
    assert_eq!(
        connection
            .call("message/send", message("msg hi"))
            .await
            .status(),
        "200"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_says_so() {
    let running = Running::system();
    let agent = Arc::new(running.agent.clone());
    let options = ServerOptions::new(Card::new("echo", ""));
    let error = A2aServer::bind(running.address, agent, options).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&running.address.to_string()) && text.contains("another program"),
        "{text}"
    );
}

#[tokio::test]
async fn a_client_that_sends_too_much_still_hears_why() {
    let limits = Limits::default().with_body_bytes(1 << 20);
    let clock = Arc::new(SystemClock::new());
    let running = Running::new(clock, |options| options.with_limits(limits));
    let mut connection = running.connect().await;
    let params = message(&"x".repeat(8 << 20));
    let heard = connection.call("message/send", params).await;
    assert!(
        heard.body.contains("larger than 1048576 bytes"),
        "{heard:?}"
    );
    assert_eq!(
        connection
            .call("message/send", message("msg hi"))
            .await
            .status(),
        "200"
    );
}
