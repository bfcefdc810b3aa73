//! A server that means harm: it answers every request as badly as HTTP, or less than HTTP, allows.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{ManualClock, lock};
use crate::Clock as _;

mod harm;

pub use harm::Hostility;

/// Endless answers end here, so that a client without limits is a failed test and not a full memory.
const ENOUGH: u64 = 256 << 20;

/// A server on a free port of this machine that does harm to whoever asks it something, whether it takes the server
/// for a platform or for another agent. It runs on threads of its own until the process ends.
///
/// ```
/// use molecule_transport::testing::{HostileServer, Hostility, ManualClock};
///
/// let server = HostileServer::start(Hostility::EndlessBody, &ManualClock::new());
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// assert_eq!(server.requests().len(), 0);
/// ```
pub struct HostileServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    clock: ManualClock,
    requests: Mutex<Vec<String>>,
    sent: AtomicU64,
    spent: AtomicUsize,
}

impl HostileServer {
    /// Starts a server that does this. Slow ones are slow by `clock`.
    ///
    /// # Panics
    ///
    /// If the machine gives it no port.
    #[must_use]
    pub fn start(hostility: Hostility, clock: &ManualClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            requests: Mutex::default(),
            sent: AtomicU64::new(0),
            spent: AtomicUsize::new(0),
        });
        let server = Self {
            address,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, hostility, shared));
            }
        });
        server
    }

    /// Its address, as that of a platform or of an agent.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, as they came.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// The bytes that clients, or the buffers on the way to them, took.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// To how many requests it has done its worst: from then on only their client, or time, can end them.
    #[must_use]
    pub fn spent(&self) -> usize {
        self.shared.spent.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for HostileServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostileServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn serve(stream: TcpStream, hostility: Hostility, shared: Arc<Shared>) {
    let Ok(request) = read_request(&stream) else {
        return;
    };
    lock(&shared.requests).push(request);
    let mut victim = Victim {
        stream,
        shared,
        sent: 0,
        is_spent: false,
    };
    // A client that has seen enough hangs up, which is what it should do.
    let _ = hostility.harm(&mut victim);
    victim.spend();
}

/// A client that is being answered.
struct Victim {
    stream: TcpStream,
    shared: Arc<Shared>,
    sent: u64,
    is_spent: bool,
}

impl Victim {
    /// Only the client or time can end it from now on.
    fn spend(&mut self) {
        if !self.is_spent {
            self.is_spent = true;
            self.shared.spent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says nothing more until the client hangs up.
    fn silence(&mut self) -> io::Result<()> {
        self.spend();
        io::copy(&mut self.stream, &mut io::sink()).map(drop)
    }

    /// The same bytes again and again. After a while it counts as spent, for a client that reads them all in vain.
    fn forever(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat((64 << 10) / bytes.len() + 1);
        while self.sent < ENOUGH {
            self.write_all(&many)?;
            if self.sent > 1 << 20 {
                self.spend();
            }
        }
        Ok(())
    }

    /// These bytes each second of the clock, for ever.
    fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut now = self.shared.clock.now();
        loop {
            self.write_all(bytes)?;
            self.spend();
            now = self.shared.clock.wait_until(now + Duration::from_secs(1));
        }
    }
}

impl Write for Victim {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(data)?;
        self.sent += written as u64;
        self.shared
            .sent
            .fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A head, and the body that it announces.
fn read_request(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let start = text.len();
        if reader.read_line(&mut text)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = text[start..].trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    text.push_str(&String::from_utf8_lossy(&body));
    Ok(text)
}
