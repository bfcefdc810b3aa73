//! A push agent: an HTTP server whose behaviour a test sets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_emulator::Clock;
use molecule_protocol::transcripts::Behaviour;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// After this time, what a test waits for does not come any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One request as the agent got it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    /// Head of the request as it was on the wire.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// Closes every connection without an answer.
pub(crate) fn drops() -> Behaviour {
    Behaviour {
        drop: true,
        ..Behaviour::default()
    }
}

#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    received: watch::Sender<Vec<Received>>,
    clock: Arc<dyn Clock>,
}

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Agent {
    /// An agent that echoes; it takes the time for its delays from `clock`.
    pub(crate) async fn start(clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour::at_first()),
            received: watch::Sender::default(),
            clock,
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { port, shared, task }
    }

    /// The url under which it may register.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The url that a provisioner stores for it.
    pub(crate) fn host_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// How long it takes before it answers.
    pub(crate) fn delay(&self) -> u64 {
        self.shared.behaviour.lock().unwrap().delay_ms
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// Waits until it got so many requests in all.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.shared.received.subscribe();
        let enough = received.wait_for(|all| all.len() >= count);
        let all = tokio::time::timeout(PATIENCE, enough).await;
        all.expect("the requests come").unwrap().clone()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(answer(stream, Arc::clone(&shared)));
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let request = read(&mut stream).await?;
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let body = request.body.clone();
    shared.received.send_modify(|all| all.push(request));
    if behaviour.delay_ms > 0 {
        shared
            .clock
            .sleep(Duration::from_millis(behaviour.delay_ms))
            .await;
    }
    let (status, text) = behaviour.reply(&body)?;
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(text.as_bytes()).await.ok()
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Received {
        path,
        head,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
