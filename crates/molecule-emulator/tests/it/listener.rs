//! One who listens to events over a plain connection: server-sent events, or the frames of a WebSocket.

use http::StatusCode;
use molecule_emulator::Emulator;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::agent::PATIENCE;
use crate::client::Answer;

/// An open connection and what came over it.
pub(crate) struct Listener {
    stream: TcpStream,
    bytes: Vec<u8>,
    is_socket: bool,
}

impl Listener {
    /// Sends a request whose answer does not end; the head comes back with it.
    pub(crate) async fn open(
        platform: &Emulator,
        path: &str,
        headers: &[(String, String)],
    ) -> (Answer, Self) {
        let mut stream = TcpStream::connect(platform.address()).await.unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", platform.address());
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream
            .write_all((request + "\r\n").as_bytes())
            .await
            .unwrap();
        let mut listener = Self {
            stream,
            bytes: Vec::new(),
            is_socket: path.starts_with("/ws"),
        };
        let head = listener.head().await;
        (head, listener)
    }

    /// A stream of one workspace.
    pub(crate) async fn stream(platform: &Emulator, id: &str, token: &str) -> (Answer, Self) {
        let bearer = ("authorization".to_owned(), format!("Bearer {token}"));
        let path = format!("/workspaces/{id}/events/stream");
        Self::open(platform, &path, &[bearer]).await
    }

    /// A socket, with headers of one's own.
    pub(crate) async fn socket(platform: &Emulator, own: &[(&str, &str)]) -> (Answer, Self) {
        let handshake = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let all = handshake.iter().chain(own);
        let headers: Vec<_> = all
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::open(platform, "/ws", &headers).await
    }

    async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            assert!(self.more().await, "the connection ended within a head");
        };
        let head = String::from_utf8(self.bytes.drain(..end + 4).take(end).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let pairs = lines.map(|line| line.split_once(": ").unwrap());
        let pairs = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Answer {
            status: StatusCode::from_bytes(status.as_bytes()).unwrap(),
            headers: pairs.collect(),
            body: bytes::Bytes::new(),
        }
    }

    /// Whether there was more to read.
    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.bytes);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("something comes, or the end").unwrap_or(0) > 0
    }

    /// The next message as it was sent; nothing at the end.
    pub(crate) async fn message(&mut self) -> Option<String> {
        loop {
            let found = if self.is_socket {
                self.frame()
            } else {
                self.chunk()
            };
            if found.is_some() {
                return found;
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// One text frame, unmasked as servers send them.
    fn frame(&mut self) -> Option<String> {
        let (start, length) = match *self.bytes.as_slice() {
            [0x81, length @ ..=125, ..] => (2, usize::from(length)),
            [0x81, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            _ => return None,
        };
        self.cut(start, length, 0)
    }

    /// One chunk of an answer without a length.
    fn chunk(&mut self) -> Option<String> {
        let end = self.bytes.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&self.bytes[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        self.cut(end + 2, length, 2).filter(|text| !text.is_empty())
    }

    fn cut(&mut self, start: usize, length: usize, after: usize) -> Option<String> {
        if self.bytes.len() < start + length + after {
            return None;
        }
        let all: Vec<u8> = self.bytes.drain(..start + length + after).collect();
        Some(String::from_utf8(all[start..start + length].to_vec()).unwrap())
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        let message = self.message().await?;
        let text = message.strip_prefix("data: ").unwrap_or(&message);
        Some(serde_json::from_str(text).unwrap())
    }

    /// Events up to the first of a kind.
    pub(crate) async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await.expect("the event comes");
            let found = kind_of(&event) == kind;
            events.push(event);
            if found {
                return events;
            }
        }
    }
}

pub(crate) fn kind_of(event: &Value) -> &str {
    event["type"].as_str().or(event["event"].as_str()).unwrap()
}

/// The kinds of events, in their order.
pub(crate) fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(kind_of).collect()
}
