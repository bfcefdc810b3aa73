//! A peer that answers with exact bytes over a real socket, and a platform that knows where it is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::testing::{ScriptedTransport, answer};
use molecule_agent::transport::{Request, Response};
use molecule_agent::{ClientBuilder, RemoteAgentClient, Token, WorkspaceId};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The token of the agent; nobody but the platform may see it.
pub(crate) const TOKEN: &str = "tok-only-for-the-platform-0123456789abcdefg";
pub(crate) const ME: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";
pub(crate) const PEER: &str = "1eb82460-07e2-423a-bd6f-9ca0b2c552f7";

pub(crate) fn peer() -> WorkspaceId {
    PEER.parse().unwrap()
}

/// What the peer does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Writes this and hangs up.
    Writes(String),
    /// Writes this for ever.
    Endless(String, &'static str),
    /// Writes this and then a letter every few milliseconds.
    Drips(String),
}

/// A good JSON answer.
pub(crate) fn says(text: &str) -> Behaviour {
    let body = json!({"jsonrpc": "2.0", "id": "x", "result": {"kind": "message", "role": "agent",
        "parts": [{"kind": "text", "text": text}]}});
    Behaviour::Writes(http("200 OK", "", &body.to_string()))
}

/// An answer whose body ends with the connection.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

/// A peer that remembers what it was asked.
pub(crate) struct PeerServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl PeerServer {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behaviour.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/a2a", self.address)
    }

    /// The same under a name that platforms take.
    pub(crate) fn named_url(&self) -> String {
        format!("http://localhost:{}/a2a", self.address.port())
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, seen: Arc<Mutex<Vec<String>>>) {
    let request = read_request(&mut stream).await;
    seen.lock().unwrap().push(request);
    let (head, more) = match behaviour {
        Behaviour::Writes(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
            return;
        }
        Behaviour::Endless(head, more) => (head, Some(more)),
        Behaviour::Drips(head) => (head, None),
    };
    let _ = stream.write_all(head.as_bytes()).await;
    loop {
        let written = match more {
            Some(more) => stream.write_all(more.repeat(1000).as_bytes()).await,
            None => {
                tick().await;
                stream.write_all(b" ").await
            }
        };
        if written.is_err() {
            return;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a slow peer over a real socket is really slow"
)]
async fn tick() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
        if body.is_some_and(|body| serde_json::from_str::<Value>(body).is_ok()) {
            return text;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

/// A platform that says that the peer is at `url`, and delivers messages to it in its own way.
pub(crate) struct Directory {
    pub(crate) platform: ScriptedTransport,
    disk: TempDir,
}

impl Directory {
    pub(crate) fn saying(url: &str) -> Self {
        let found = json!({"id": PEER, "name": "peer", "url": url}).to_string();
        Self::answering(move |request| {
            if request.uri().path().starts_with("/registry/discover/") {
                answer(200, found.clone())
            } else {
                by_proxy()
            }
        })
    }

    pub(crate) fn answering(script: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let platform =
            ScriptedTransport::new(move |request| std::future::ready(Ok(script(&request))));
        let disk = tempfile::tempdir().unwrap();
        Self { platform, disk }
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        self.builder_without_token()
            .token(Token::new(TOKEN).unwrap())
    }

    pub(crate) fn builder_without_token(&self) -> ClientBuilder {
        let url = "http://localhost:8080".parse().unwrap();
        RemoteAgentClient::builder(ME.parse().unwrap(), url)
            .state_dir(self.disk.path())
            .org_id("org-of-the-platform")
            .transport(self.platform.clone())
    }

    /// An agent that may call this machine.
    pub(crate) fn client(&self) -> RemoteAgentClient {
        self.builder().allow_private_peers().build().unwrap()
    }

    /// The messages that were sent through the platform.
    pub(crate) fn proxied(&self) -> Vec<Value> {
        let requests = self.platform.requests();
        let sent = requests.iter().filter(|r| r.uri().path().ends_with("/a2a"));
        sent.map(|r| serde_json::from_slice(r.body()).unwrap())
            .collect()
    }

    /// How often the platform was asked where the peer is.
    pub(crate) fn discoveries(&self) -> usize {
        let requests = self.platform.requests();
        let asked = requests
            .iter()
            .filter(|r| r.uri().path().starts_with("/registry/discover/"));
        asked.count()
    }
}

/// What comes back through the platform.
pub(crate) fn by_proxy() -> Response {
    answer(
        200,
        r#"{"jsonrpc":"2.0","id":"x","result":{"kind":"message","parts":[{"kind":"text","text":"by proxy"}]}}"#,
    )
}
