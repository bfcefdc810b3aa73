//! The least of HTTP, from an address of one's choice.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// Somebody who talks to the platform from an address of their own.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    platform: SocketAddr,
    source: Ipv4Addr,
    bearer: Option<String>,
}

impl Caller {
    pub(crate) fn new(platform: SocketAddr, source: Ipv4Addr, bearer: Option<String>) -> Self {
        Self {
            platform,
            source,
            bearer,
        }
    }

    /// Status and JSON body of the answer.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let socket = TcpSocket::new_v4()?;
        let source = self.source;
        socket
            .bind((source, 0).into())
            .with_context(|| format!("cannot use the address {source}"))?;
        let mut stream = socket.connect(self.platform).await?;
        stream
            .write_all(self.request(method, path, &body.to_string()).as_bytes())
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&answer).with_context(|| format!("{method} {path} has no usable answer"))
    }

    /// The answer of a call that has to succeed.
    pub(crate) async fn expect(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        match self.call(method, path, body).await? {
            (200..=299, answer) => Ok(answer),
            (status, answer) => bail!("{method} {path}: {status} {answer}"),
        }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let (host, length) = (self.platform, body.len());
        let bearer = self.bearer.as_deref().map_or_else(String::new, |bearer| {
            format!("Authorization: Bearer {bearer}\r\n")
        });
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}Content-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }
}

fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_json() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n{\"id\":1}";
        assert_eq!(parse(answer), Some((201, serde_json::json!({"id": 1}))));
        assert_eq!(
            parse(b"HTTP/1.1 404 Not Found\r\n\r\nno"),
            Some((404, Value::Null))
        );
        assert_eq!(parse(b""), None);
    }
}
