//! What is measured from inside: when heartbeats leave, what the platform refuses, how long messages waited.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use molecule_agent::WorkspaceId;
use molecule_agent::transport::{
    BoxFuture, Clock, Request, Response, SystemClock, Transport, TransportError,
};
use serde::{Deserialize, Serialize};

use crate::statistics::Percentiles;

/// The jitter of all waits. That it is known tells when each heartbeat is due; agents do not move in step all the same, because
/// they start one after the other.
const JITTER: f64 = 0.5;

/// How much of an interval is waited with that jitter: a tenth of the interval is at random.
const WAITED: f64 = 1.0 - JITTER / 10.0;

/// Time as it is, with a jitter that is known.
#[derive(Debug, Default)]
pub(crate) struct FixedJitter(SystemClock);

impl Clock for FixedJitter {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }

    fn jitter(&self) -> f64 {
        JITTER
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Counts {
    wait: Duration,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    requests: u64,
    /// How many requests were for what.
    kinds: BTreeMap<String, u64>,
    refused: u64,
    failed: u64,
    restarts: u64,
    /// When the last heartbeat of each workspace was answered.
    beats: HashMap<String, Duration>,
    lateness: Vec<Duration>,
    latency: Vec<Duration>,
}

/// What was counted so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) kinds: BTreeMap<String, u64>,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) restarts: u64,
    pub(crate) lateness: Percentiles,
    pub(crate) latency: Percentiles,
}

impl Report {
    /// How many streams of events were opened.
    pub(crate) fn streams(&self) -> u64 {
        self.kinds.get("GET stream").copied().unwrap_or_default()
    }
}

impl Counts {
    pub(crate) fn new(heartbeat_interval: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            wait: heartbeat_interval.mul_f64(WAITED),
            clock,
            inner: Mutex::default(),
        }
    }

    pub(crate) fn handled(&self, latency: Duration) {
        self.inner().latency.push(latency);
    }

    pub(crate) fn restarted(&self) {
        self.inner().restarts += 1;
    }

    pub(crate) fn report(&self) -> Report {
        let inner = self.inner();
        Report {
            requests: inner.requests,
            kinds: inner.kinds.clone(),
            refused: inner.refused,
            failed: inner.failed,
            restarts: inner.restarts,
            lateness: Percentiles::of(&inner.lateness),
            latency: Percentiles::of(&inner.latency),
        }
    }

    /// A heartbeat leaves: it was due one wait after the last one was answered.
    fn beats(&self, workspace: &str) {
        let now = self.clock.now();
        let mut inner = self.inner();
        if let Some(last) = inner.beats.get(workspace).copied() {
            inner.lateness.push(now.saturating_sub(last + self.wait));
        }
    }

    fn beaten(&self, workspace: String) {
        let now = self.clock.now();
        self.inner().beats.insert(workspace, now);
    }

    fn answered(&self, kind: String, result: &Result<Response, TransportError>) {
        let mut inner = self.inner();
        inner.requests += 1;
        *inner.kinds.entry(kind).or_default() += 1;
        match result {
            Ok(response) if response.status() == 429 => inner.refused += 1,
            Ok(_) => {}
            Err(_) => inner.failed += 1,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport that counts what goes through it.
pub(crate) struct Stopwatch<T> {
    inner: T,
    counts: Arc<Counts>,
}

impl<T> Stopwatch<T> {
    pub(crate) fn new(inner: T, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

impl<T: Transport> Transport for Stopwatch<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let beating = heartbeat_of(&request);
        let kind = kind_of(&request);
        Box::pin(async move {
            if let Some(workspace) = &beating {
                self.counts.beats(workspace);
            }
            let result = self.inner.send(request).await;
            self.counts.answered(kind, &result);
            if let (Some(workspace), Ok(_)) = (beating, &result) {
                self.counts.beaten(workspace);
            }
            result
        })
    }
}

/// What a request is for: its method, and the last word of its path.
fn kind_of(request: &Request) -> String {
    let path = request.uri().path();
    let word = path.rsplit('/').next().unwrap_or_default();
    let word = match word.parse::<WorkspaceId>() {
        Ok(_) => "workspace",
        Err(_) => word,
    };
    format!("{} {word}", request.method())
}

/// Whose heartbeat it is, if it is one.
fn heartbeat_of(request: &Request) -> Option<String> {
    if request.uri().path() != "/registry/heartbeat" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_slice(request.body()).ok()?;
    Some(body["workspace_id"].as_str()?.to_owned())
}
