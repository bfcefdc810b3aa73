//! One keep-alive connection, and what is asked over it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// The body of the answer, of which the status has to be 200.
    pub(crate) async fn ask(&mut self, body: Bytes) -> Result<Bytes> {
        let response = self.send(body).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }

    /// The answer, of which no more is read than its beginning.
    pub(crate) async fn send(&mut self, body: Bytes) -> Result<Response<Incoming>> {
        self.sender.ready().await?;
        let request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "the answer is {status}");
        Ok(response)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

/// Calls of version 0.3 that send a text, each with a message id of its own: the same message again would get the same answer
/// again.
pub(crate) struct Calls {
    before_id: String,
    after_id: String,
    number: AtomicU64,
}

impl Calls {
    pub(crate) fn new(method: &str, text: &str) -> Self {
        let message = json!({
            "kind": "message",
            "role": "user",
            "messageId": MESSAGE_ID,
            "parts": [{"kind": "text", "text": text}],
        });
        let params = json!({"message": message});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let call = call.to_string();
        let (before, after) = call.split_once(MESSAGE_ID).unwrap_or((&call, ""));
        Self {
            before_id: before.to_owned(),
            after_id: after.to_owned(),
            number: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> Bytes {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (before, after) = (&self.before_id, &self.after_id);
        Bytes::from(format!("{before}{number:032x}{after}"))
    }
}

const MESSAGE_ID: &str = "the id of the message";

/// The text of a message that is the whole answer.
pub(crate) fn answered_text(answer: &[u8]) -> Result<String> {
    let answer: serde_json::Value = serde_json::from_slice(answer)?;
    let text = answer["result"]["parts"][0]["text"].as_str();
    text.map(str::to_owned)
        .with_context(|| format!("the answer is no message: {answer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_a_message_id_of_its_own() {
        let calls = Calls::new("message/send", "hello");
        let id = |call: Bytes| {
            let call: serde_json::Value = serde_json::from_slice(&call).unwrap();
            call["params"]["message"]["messageId"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_ne!(id(calls.next()), id(calls.next()));
    }
}
