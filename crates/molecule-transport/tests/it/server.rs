//! A server that writes exact bytes, over a real socket on a free port.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_transport::ReqwestTransport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Writes the bytes and closes the connection.
    Close(Vec<u8>),
    /// Writes the bytes and stays silent.
    Silence(Vec<u8>),
    /// Writes the bytes, and then the second ones for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// Writes the bytes and then each piece after a pause, and closes.
    Pieces(Vec<u8>, Vec<&'static str>, Duration),
}

type Script = dyn Fn(&str) -> Reply + Send + Sync;

/// Listens until the test ends, and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request, given as its bytes, with what `script` says.
    pub(crate) async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::run(Arc::new(script), None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls(
        acceptor: TlsAcceptor,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::run(Arc::new(script), Some(acceptor)).await
    }

    /// Answers every request with `reply`.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    async fn run(script: Arc<Script>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let requests = server.requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, requests) = (script.clone(), requests.clone());
                match acceptor.clone() {
                    None => drop(tokio::spawn(serve(stream, script, requests))),
                    Some(acceptor) => drop(tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, script, requests).await;
                        }
                    })),
                }
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve<S>(mut stream: S, script: Arc<Script>, requests: Arc<Mutex<Vec<String>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = read_request(&mut stream).await;
    if request.is_empty() {
        return;
    }
    let reply = script(&request);
    requests.lock().unwrap().push(request);
    // A client that has seen enough hangs up, which is not the server's concern.
    let _ = answer(&mut stream, reply).await;
    let _ = stream.shutdown().await;
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    reply: Reply,
) -> std::io::Result<()> {
    match reply {
        Reply::Close(bytes) => stream.write_all(&bytes).await,
        Reply::Silence(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            std::future::pending().await
        }
        Reply::Endless(bytes, more) => {
            stream.write_all(&bytes).await?;
            loop {
                stream.write_all(&more).await?;
            }
        }
        Reply::Pieces(bytes, pieces, pause) => {
            stream.write_all(&bytes).await?;
            for piece in pieces {
                wait(pause).await;
                stream.write_all(piece.as_bytes()).await?;
                stream.flush().await?;
            }
            Ok(())
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a slow server over a real socket is really slow"
)]
pub(crate) async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// Reads a head, and the body that it announces.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= announced(head)
        {
            return text;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

fn announced(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(0, |length| length.trim().parse().unwrap())
}

/// A client for plain http. Reading the system's certificates is what takes time in the others.
pub(crate) fn plain_client() -> ReqwestTransport {
    ReqwestTransport::builder()
        .with_system_roots(false)
        .build()
        .unwrap()
}

/// A plain answer that ends with the connection.
pub(crate) fn ok(body: &str) -> Reply {
    Reply::Close(http("200 OK", &[], body))
}

/// The bytes of an answer without a length.
pub(crate) fn http(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    headers
        .iter()
        .for_each(|header| text.push_str(&format!("{header}\r\n")));
    format!("{text}\r\n{body}").into_bytes()
}
