//! Connections, and what becomes of those whose client is slow.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use molecule_transport::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::options::Limits;

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for a request.
    Idle,
    /// The head of a request is coming.
    Head,
    /// A request is being answered.
    Busy,
}

/// One connection, as those see it who watch over all of them. Each request costs it a few stores and no timer.
pub(super) struct Line {
    clock: Arc<dyn Clock>,
    /// The phase and since when, in milliseconds: two bits of the one, the rest of the other.
    phase: AtomicU64,
    /// Since when the client takes nothing of its answer; zero if it does.
    stalled: AtomicU64,
    cut: CancellationToken,
}

impl Line {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let line = Self {
            clock,
            phase: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            cut: CancellationToken::new(),
        };
        line.turn_to(Phase::Idle);
        line
    }

    /// A request is there.
    pub(super) fn busy(&self) {
        self.turn_to(Phase::Busy);
    }

    /// A request is answered.
    pub(super) fn idle(&self) {
        self.turn_to(Phase::Idle);
    }

    /// Returns when the connection is to end.
    pub(super) async fn cut(&self) {
        self.cut.cancelled().await;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    fn turn_to(&self, phase: Phase) {
        self.phase
            .store(self.now() << 2 | phase as u64, Ordering::Relaxed);
    }

    fn phase(&self) -> (Phase, Duration) {
        let packed = self.phase.load(Ordering::Relaxed);
        let phase = match packed & 3 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        };
        (phase, Duration::from_millis(packed >> 2))
    }

    fn read_something(&self) {
        if self.phase().0 == Phase::Idle {
            self.turn_to(Phase::Head);
        }
    }

    fn wrote(&self, done: bool) {
        let stalled = self.stalled.load(Ordering::Relaxed);
        match (done, stalled) {
            (true, 1..) => self.stalled.store(0, Ordering::Relaxed),
            (false, 0) => self.stalled.store(self.now().max(1), Ordering::Relaxed),
            _ => {}
        }
    }

    fn is_overdue(&self, now: Duration, limits: &Limits) -> bool {
        let (phase, since) = self.phase();
        let patience = match phase {
            Phase::Idle => limits.idle_time,
            Phase::Head => limits.request_time,
            Phase::Busy => Duration::MAX,
        };
        let stalled = Duration::from_millis(self.stalled.load(Ordering::Relaxed));
        let is_stalled = !stalled.is_zero() && now.saturating_sub(stalled) >= limits.stall_time;
        is_stalled || now.saturating_sub(since) >= patience
    }
}

/// A socket whose line knows what it does.
pub(super) struct Watched {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Watched {
    pub(super) const fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.line.wrote(result.is_ready());
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.line.read_something();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// All the connections.
pub(super) struct Lines {
    clock: Arc<dyn Clock>,
    limits: Limits,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    lines: HashMap<u64, Arc<Line>>,
    next: u64,
}

/// A connection's place among the others, until it is dropped.
pub(super) struct Place {
    lines: Arc<Lines>,
    number: u64,
}

impl Lines {
    pub(super) fn new(clock: Arc<dyn Clock>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            clock,
            limits,
            open: Mutex::default(),
        })
    }

    /// A line for a new connection. When there are too many, the one goes that has been idle for the longest time; `None`: none is.
    pub(super) fn add(self: &Arc<Self>) -> Option<(Arc<Line>, Place)> {
        let mut open = self.open();
        if open.lines.len() >= self.limits.connections {
            let oldest = open.longest_idle()?;
            let line = open.lines.remove(&oldest)?;
            line.cut.cancel();
        }
        let line = Arc::new(Line::new(self.clock.clone()));
        let number = open.next;
        open.next += 1;
        open.lines.insert(number, line.clone());
        let lines = self.clone();
        Some((line, Place { lines, number }))
    }

    /// Ends those whose client takes too long, now and then.
    pub(super) async fn watch(&self) {
        let patience = [
            self.limits.request_time,
            self.limits.idle_time,
            self.limits.stall_time,
        ];
        let shortest = patience.into_iter().min().unwrap_or_default();
        let pause = (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            self.clock.sleep(pause).await;
            self.end_overdue();
        }
    }

    /// Ends all of them.
    pub(super) fn cut(&self) {
        self.open()
            .lines
            .values()
            .for_each(|line| line.cut.cancel());
    }

    fn end_overdue(&self) {
        let now = self.clock.now();
        for line in self.open().lines.values() {
            if line.is_overdue(now, &self.limits) {
                line.cut.cancel();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn longest_idle(&self) -> Option<u64> {
        let phases = self
            .lines
            .iter()
            .map(|(number, line)| (line.phase(), *number));
        let idle = phases.filter(|((phase, _), _)| *phase == Phase::Idle);
        let oldest = idle.min_by_key(|((_, since), number)| (*since, *number));
        oldest.map(|(_, number)| number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lines.open().lines.remove(&self.number);
    }
}
