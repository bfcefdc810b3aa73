//! What the conformance suites ask for, asked of the example that they are run against.

#[path = "../../examples/a2a-sut.rs"]
#[expect(dead_code, reason = "the tests start it themselves")]
mod a2a_sut;

mod hook;
mod version_0_3;
mod version_1_0;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::{A2aServer, CardProfile};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// What takes time takes this long, instead of half a second.
const BEAT: Duration = Duration::from_millis(20);

/// The agent on a port of its own, until the test ends.
struct Sut {
    address: SocketAddr,
    /// What goes along with each call.
    headers: &'static str,
}

impl Sut {
    fn start(profile: CardProfile, headers: &'static str) -> Self {
        let agent = Arc::new(a2a_sut::agent(profile, BEAT));
        let any = "127.0.0.1:0".parse().unwrap();
        let server = A2aServer::bind(any, agent, a2a_sut::options(profile)).unwrap();
        let address = server.local_addr();
        tokio::spawn(server.run(CancellationToken::new()));
        Self { address, headers }
    }

    /// The connection, the request on its way. As HTTP 1.0, so that the answer ends with the connection.
    async fn request(&self, head: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (headers, length) = (self.headers, body.len());
        let request = format!(
            "{head} HTTP/1.0\r\nHost: sut\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }

    /// Head, in small letters, and body of the answer.
    async fn answer(&self, head: &str, body: &str) -> (String, String) {
        let mut answer = String::new();
        let mut stream = self.request(head, body).await;
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    /// The answer to a call, which has the status 200 whatever it says.
    async fn raw(&self, body: &str) -> Value {
        let (head, body) = self.answer("POST /", body).await;
        assert!(head.lines().next().unwrap().contains(" 200 "), "{head}");
        serde_json::from_str(&body).unwrap()
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.raw(&call(method, &params)).await
    }

    /// The result of a call that has to succeed.
    async fn result(&self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The number of the error that a call has to be refused with.
    async fn error(&self, method: &str, params: Value) -> i64 {
        let answer = self.call(method, params).await;
        let code = answer["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("it is not refused: {answer}"))
    }

    async fn stream(&self, method: &str, params: Value) -> Events {
        let mut lines = self.request("POST /", &call(method, &params)).await;
        let mut status = String::new();
        lines.read_line(&mut status).await.unwrap();
        assert!(status.contains(" 200 "), "{status}");
        Events(lines)
    }
}

/// A stream of events, read one after the other.
struct Events(BufReader<TcpStream>);

impl Events {
    /// What the next one says; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap() == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data:") {
                let mut answer: Value = serde_json::from_str(data).unwrap();
                assert_eq!(answer["id"], "a call", "{answer}");
                return Some(answer["result"].take());
            }
        }
    }

    async fn rest(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn call(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": "a call", "method": method, "params": params}).to_string()
}

/// The same message, as one of this task.
fn in_task(mut params: Value, id: &Value) -> Value {
    params["message"]["taskId"] = id.clone();
    params
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// The ids of what the user said about a task.
fn said_by(task: &Value, role: &str) -> Vec<String> {
    let history = task["history"].as_array().expect("there is a history");
    let from = history.iter().filter(|message| message["role"] == role);
    from.map(|message| message["messageId"].as_str().unwrap().to_owned())
        .collect()
}
