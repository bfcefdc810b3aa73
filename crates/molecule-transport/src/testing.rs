//! For tests: time that is simulated, and a transport that answers from a script.

mod hostile;
mod manual_clock;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::guard::Call;
use crate::{Body, BoxFuture, Clock, Request, Response, Transport, TransportError};

pub use hostile::{HostileServer, Hostility};
pub use manual_clock::ManualClock;

/// A clock on tokio's time, to be used in tests with `#[tokio::test(start_paused = true)]`: when
/// every task sleeps, time jumps to the end of the shortest sleep. The time of day starts at a
/// fixed moment, and the jitter is a fixed number, or follows from a seed.
///
/// It has to be made inside of the runtime. Time does not wait for real sockets, so tests over
/// sockets use the real clock.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use std::time::Duration;
/// use molecule_transport::Clock;
/// use molecule_transport::testing::SimulatedClock;
///
/// let clock = SimulatedClock::new();
/// clock.sleep(Duration::from_secs(3600)).await;
/// assert_eq!(clock.now(), Duration::from_secs(3600));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    origin: tokio::time::Instant,
    start: SystemTime,
    jitter: Jitter,
    suspended: Arc<Mutex<Duration>>,
}

#[derive(Debug, Clone)]
enum Jitter {
    Fixed(f64),
    Seeded(Arc<Mutex<fastrand::Rng>>),
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the Clock that tests take time from"
)]
impl SimulatedClock {
    /// A clock that starts on 2026-01-01 at 00:00 UTC and has no jitter.
    #[must_use]
    pub fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        Self {
            origin: tokio::time::Instant::now(),
            start,
            jitter: Jitter::Fixed(0.0),
            suspended: Arc::default(),
        }
    }

    /// The machine was suspended for so long: the time of day has moved on, what is measured and slept has not. Clones
    /// notice it too.
    pub fn suspend(&self, duration: Duration) {
        *lock(&self.suspended) += duration;
    }

    /// Sets the time of day at the start.
    #[must_use]
    pub fn with_wall(mut self, start: SystemTime) -> Self {
        self.start = start;
        self
    }

    /// Sets the jitter, in `[0, 1)`.
    #[must_use]
    pub fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = Jitter::Fixed(jitter);
        self
    }

    /// Draws the jitter at random: the same numbers for the same seed. Clones draw from the same ones.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        let numbers = fastrand::Rng::with_seed(seed);
        self.jitter = Jitter::Seeded(Arc::new(Mutex::new(numbers)));
        self
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the Clock that tests take time from"
)]
impl Clock for SimulatedClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.start + self.now() + *lock(&self.suspended)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn jitter(&self) -> f64 {
        match &self.jitter {
            Jitter::Fixed(jitter) => *jitter,
            Jitter::Seeded(numbers) => lock(numbers).f64(),
        }
    }
}

/// What a scripted transport gives for one request.
pub type Answer = Result<Response, TransportError>;

type Script = dyn Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync;

/// A transport that answers from a script and records what it was asked. Its answers are held to
/// the limits and the idle time of the call like those of any transport. Clones share script and record.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use molecule_transport::testing::{ScriptedTransport, answer};
/// use molecule_transport::{Bytes, Transport};
///
/// let transport = ScriptedTransport::answers([answer(200, r#"{"status":"ok"}"#)]);
/// let request = http::Request::get("http://platform/health").body(Bytes::new())?;
/// assert_eq!(transport.send(request).await?.status(), 200);
/// assert_eq!(transport.requests()[0].uri().path(), "/health");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ScriptedTransport {
    script: Arc<Script>,
    requests: Option<Arc<Mutex<Vec<Request>>>>,
}

impl ScriptedTransport {
    /// Answers each request with what `script` returns for it.
    pub fn new<F, A>(script: F) -> Self
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self {
            script: Arc::new(move |request| Box::pin(script(request))),
            requests: Some(Arc::default()),
        }
    }

    /// Keeps no record from now on, for a great many requests.
    #[must_use]
    pub fn without_record(mut self) -> Self {
        self.requests = None;
        self
    }

    /// Answers with `answers`, one after the other.
    ///
    /// # Panics
    ///
    /// The transport panics when it is asked more often than it has answers.
    pub fn answers(answers: impl IntoIterator<Item = Response>) -> Self {
        Self::results(answers.into_iter().map(Ok))
    }

    /// Answers, or fails, with `results`, one after the other.
    ///
    /// # Panics
    ///
    /// The transport panics when it is asked more often than it has results.
    pub fn results(results: impl IntoIterator<Item = Answer>) -> Self {
        let left = Mutex::new(results.into_iter().collect::<VecDeque<_>>());
        Self::new(move |request| {
            let next = lock(&left).pop_front();
            let next = next.unwrap_or_else(|| {
                panic!(
                    "the script has no answer for {} {}",
                    request.method(),
                    request.uri()
                )
            });
            std::future::ready(next)
        })
    }

    /// The requests so far, in the order they came; none without a record.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.requests.as_deref();
        requests.map_or_else(Vec::new, |requests| lock(requests).clone())
    }
}

impl Transport for ScriptedTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Answer> {
        if let Some(requests) = &self.requests {
            lock(requests).push(request.clone());
        }
        let call = Call::of(&request);
        let answer = (self.script)(request);
        Box::pin(async move { call.admit(answer.await?, Arc::new(SimulatedClock::new())) })
    }
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedTransport").finish_non_exhaustive()
    }
}

/// An answer with a status and a body. A body that starts with `{` or `[` is declared as JSON.
///
/// # Panics
///
/// If `status` is not between 100 and 999.
#[must_use]
pub fn answer(status: u16, body: impl Into<Bytes>) -> Response {
    let body = body.into();
    let builder = http::Response::builder().status(status);
    let builder = match body.first() {
        Some(b'{' | b'[') => builder.header("content-type", "application/json; charset=utf-8"),
        _ => builder,
    };
    builder
        .body(Body::from(body))
        .expect("the status is between 100 and 999")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
