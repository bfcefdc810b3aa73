//! A webhook on a port of its own.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(super) struct Hook {
    pub(super) url: String,
    arrivals: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Hook {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, arrivals) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let arrival = receive(BufReader::new(stream)).await;
                if sender.send(arrival).is_err() {
                    return;
                }
            }
        });
        Self { url, arrivals }
    }

    /// Head, in small letters, and body of the next notification that mentions this.
    pub(super) async fn next_with(&mut self, text: &str) -> (String, Value) {
        loop {
            let arrival = self.arrivals.recv().await.unwrap();
            if arrival.1.to_string().contains(text) {
                return arrival;
            }
        }
    }
}

async fn receive(mut stream: BufReader<TcpStream>) -> (String, Value) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).await.unwrap();
        assert!(read > 0, "a notification ended in its head: {head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.get_mut().write_all(answer).await.unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}
