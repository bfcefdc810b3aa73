//! A server that writes exact bytes, on threads of its own, so that it goes on whatever becomes of the client's runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Writes the answer to one request; the connection closes when it returns.
type Script = dyn Fn(&str, &mut Connection) -> io::Result<()> + Send + Sync;

pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicU64>,
}

/// Counts what the client took.
pub(crate) struct Connection {
    stream: TcpStream,
    sent: Arc<AtomicU64>,
}

impl Server {
    /// Answers every request, given as its bytes, as `script` does.
    pub(crate) fn start(
        script: impl Fn(&str, &mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            sent: Arc::default(),
        };
        let (requests, sent) = (Arc::clone(&server.requests), Arc::clone(&server.sent));
        let script: Arc<Script> = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, script) = (Arc::clone(&requests), Arc::clone(&script));
                let sent = Arc::clone(&sent);
                thread::spawn(move || serve(Connection { stream, sent }, &requests, &*script));
            }
        });
        server
    }

    /// Answers downloads so, and everything else as a platform without containers.
    pub(crate) fn downloads(
        answer: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |request, connection| {
            if request.starts_with("GET ") && request.contains("/download") {
                return answer(connection);
            }
            let body = r#"{"error":"workspace container not running"}"#;
            connection.answer(
                "503 Service Unavailable",
                "Content-Type: application/json",
                body,
            )
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Bytes that clients, or the buffers on the way to them, took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Connection {
    /// A whole answer with its length.
    pub(crate) fn answer(
        &mut self,
        status: &str,
        header: &str,
        body: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        let body = body.as_ref();
        let length = format!("Content-Length: {}", body.len());
        self.head(status, &[header, &length])?;
        self.write_all(body)
    }

    pub(crate) fn head(&mut self, status: &str, headers: &[&str]) -> io::Result<()> {
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(
            self,
            "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n"
        )
    }

    /// One piece of a chunked body.
    pub(crate) fn chunk(&mut self, data: &[u8]) -> io::Result<()> {
        write!(self, "{:x}\r\n", data.len())?;
        self.write_all(data)?;
        self.write_all(b"\r\n")
    }

    /// Says nothing more until the client hangs up.
    pub(crate) fn wait_for_hangup(&mut self) -> io::Result<()> {
        self.stream.read(&mut [0]).map(drop)
    }
}

impl Write for Connection {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(data)?;
        self.sent.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn serve(mut connection: Connection, requests: &Mutex<Vec<String>>, script: &Script) {
    let Ok(request) = read_request(&connection.stream) else {
        return;
    };
    requests.lock().unwrap().push(request.clone());
    // A client that has seen enough hangs up, which is not the server's concern.
    let _ = script(&request, &mut connection);
}

/// A head, and the body that it announces.
fn read_request(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let start = text.len();
        if reader.read_line(&mut text)? <= 2 {
            break;
        }
        let line = text[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    text.push_str(&String::from_utf8_lossy(&body));
    Ok(text)
}
