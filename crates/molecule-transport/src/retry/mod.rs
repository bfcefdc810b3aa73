//! Whether to try again, and when: a decision, made by a pure function.

mod after;
mod budget;
mod layer;

use std::time::{Duration, SystemTime};

use http::StatusCode;

pub use after::{RetryAfter, retry_after};
pub use budget::Budget;
pub use layer::Retry;

use crate::ErrorKind;

/// How often and how long to retry.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Tries after the first one. Default: 3.
    pub max_retries: u32,
    /// The wait before the first retry; it doubles with each further one. Default: 1 s.
    pub base: Duration,
    /// The longest wait of the schedule. Default: 30 s.
    pub max_delay: Duration,
    /// The most that is added to any wait at random, as a fraction of it. Default: 0.25.
    pub jitter: f64,
    /// The shortest wait when the server says how long. Default: 250 ms.
    pub min_retry_after: Duration,
    /// The longest wait that a server may ask for. Default: 120 s.
    pub max_retry_after: Duration,
    /// The retries allowed within a minute, as a fraction of the requests in it. Default: 0.2.
    pub budget: f64,
    /// The retries a minute that are allowed however few requests there are. Default: 10.
    pub budget_floor: u32,
}

impl RetryPolicy {
    /// The default policy.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_retries: 3,
            base: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            jitter: 0.25,
            min_retry_after: Duration::from_millis(250),
            max_retry_after: Duration::from_secs(120),
            budget: 0.2,
            budget_floor: 10,
        }
    }

    /// Sets how many tries follow the first one.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the first and the longest wait of the schedule.
    #[must_use]
    pub fn with_schedule(mut self, base: Duration, max_delay: Duration) -> Self {
        (self.base, self.max_delay) = (base, max_delay);
        self
    }

    /// Sets the longest wait that a server may ask for.
    #[must_use]
    pub fn with_max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Sets the retries allowed within a minute: a fraction of the requests, and a floor.
    #[must_use]
    pub fn with_budget(mut self, fraction: f64, floor: u32) -> Self {
        (self.budget, self.budget_floor) = (fraction, floor);
        self
    }

    fn scheduled(&self, attempt: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(attempt)
            .and_then(|factor| self.base.checked_mul(factor));
        doubled.unwrap_or(self.max_delay).min(self.max_delay)
    }

    fn jittered(&self, wait: Duration, jitter: f64) -> Duration {
        let fraction = self.jitter * jitter;
        if fraction > 0.0 {
            wait + wait.mul_f64(fraction.min(1.0))
        } else {
            wait
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// How one try ended.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// An answer came.
    Answered {
        /// Its status.
        status: StatusCode,
        /// Its `Retry-After`, as it stands.
        retry_after: Option<&'a str>,
    },
    /// No usable answer came.
    Failed(ErrorKind),
}

/// What to do after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// There is nothing to retry: the outcome is for the caller to read.
    Done,
    /// Try again.
    Retry {
        /// After this wait.
        after: Duration,
    },
    /// A retry might have helped, but there will be none.
    GiveUp(Reason),
}

/// Why there is no retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request may have arrived, and must not arrive twice.
    NotRepeatable,
    /// All retries are used up.
    Exhausted,
    /// The server asks for a wait that the policy does not allow.
    RetryAfterTooLong {
        /// The wait.
        after: Duration,
    },
}

/// Decides what follows try number `attempt`, counted from 0. `now` is the time of day, for a
/// `Retry-After` that is a date; `jitter` is a random number in `[0, 1)`.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use molecule_transport::{Decision, ErrorKind, Outcome, RetryPolicy, decide};
///
/// let (policy, lost) = (RetryPolicy::new(), Outcome::Failed(ErrorKind::Timeout));
/// let second = decide(&policy, 1, true, &lost, SystemTime::UNIX_EPOCH, 0.0);
/// assert_eq!(second, Decision::Retry { after: Duration::from_secs(2) });
/// ```
#[must_use]
pub fn decide(
    policy: &RetryPolicy,
    attempt: u32,
    repeatable: bool,
    outcome: &Outcome<'_>,
    now: SystemTime,
    jitter: f64,
) -> Decision {
    if !outcome.may_pass() {
        return Decision::Done;
    }
    if !repeatable {
        return Decision::GiveUp(Reason::NotRepeatable);
    }
    let asked = match outcome.asked_wait(now) {
        Some(after) if after > policy.max_retry_after => {
            return Decision::GiveUp(Reason::RetryAfterTooLong { after });
        }
        asked => asked,
    };
    if attempt >= policy.max_retries {
        return Decision::GiveUp(Reason::Exhausted);
    }
    let wait = match asked {
        Some(after) => after.max(policy.min_retry_after),
        None => policy.scheduled(attempt),
    };
    Decision::Retry {
        after: policy.jittered(wait, jitter),
    }
}

impl Outcome<'_> {
    /// Whether the same request may fare better later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Answered { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Failed(kind) => {
                matches!(
                    kind,
                    ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Interrupted
                )
            }
        }
    }

    fn asked_wait(&self, now: SystemTime) -> Option<Duration> {
        match self {
            Self::Answered {
                retry_after: Some(value),
                ..
            } => Some(retry_after(value)?.wait_from(now)),
            _ => None,
        }
    }
}
