//! Slowing down before the platform has to say so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;

use crate::{
    BoxFuture, CallOptions, Clock, Origin, RateBudget, Request, Response, Share, Transport,
    TransportError,
};

/// The longest wait that pacing imposes.
const LONGEST: Duration = Duration::from_secs(120);

/// What the `X-RateLimit-*` headers of an answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The requests allowed in a window.
    pub limit: u64,
    /// The requests left in this window.
    pub remaining: u64,
    /// The time until the next window.
    pub reset: Duration,
}

impl Quota {
    /// Reads `X-RateLimit-Limit`, `-Remaining` and `-Reset` (whole seconds from now). `None`
    /// unless all three are numbers; an open limit is announced as `unlimited`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        Some(Self {
            limit: number("x-ratelimit-limit")?,
            remaining: number("x-ratelimit-remaining")?,
            reset: Duration::from_secs(number("x-ratelimit-reset")?),
        })
    }
}

/// The time to leave between two requests: none while more than a tenth of the limit is left;
/// then the time until the reset, at most 120 s, is shared out evenly among the requests that
/// are left and the first one of the next window. When none is left, that one gets it all.
///
/// ```
/// use std::time::Duration;
/// use molecule_transport::{Quota, gap};
///
/// let quota = Quota { limit: 600, remaining: 29, reset: Duration::from_secs(15) };
/// assert_eq!(gap(quota), Duration::from_millis(500));
/// ```
#[must_use]
pub fn gap(quota: Quota) -> Duration {
    if quota.remaining > quota.limit / 10 {
        return Duration::ZERO;
    }
    let shares = u32::try_from(quota.remaining.saturating_add(1)).unwrap_or(u32::MAX);
    quota.reset.min(LONGEST) / shares
}

/// Hands out the moments at which requests may go. Time is an argument, counted from any fixed
/// moment.
#[derive(Debug, Default)]
pub struct Pacer {
    window: Option<Window>,
    last: Duration,
}

#[derive(Debug)]
struct Window {
    limit: u64,
    remaining: u64,
    resets_at: Duration,
}

impl Window {
    fn quota(&self, now: Duration) -> Quota {
        let reset = self.resets_at.saturating_sub(now);
        Quota {
            limit: self.limit,
            remaining: self.remaining,
            reset,
        }
    }
}

impl Pacer {
    /// Notes what an answer said at `now`.
    pub fn observe(&mut self, quota: Quota, now: Duration) {
        self.window = Some(Window {
            limit: quota.limit,
            remaining: quota.remaining,
            resets_at: now.saturating_add(quota.reset),
        });
    }

    /// Takes the next free moment for a request, and returns the wait until then.
    pub fn reserve(&mut self, now: Duration) -> Duration {
        let at = self.next(now);
        self.last = at;
        at.saturating_sub(now)
    }

    fn next(&mut self, now: Duration) -> Duration {
        let Some(window) = self.window.as_mut().filter(|window| window.resets_at > now) else {
            return now;
        };
        // Requests that wait already stand between now and this one.
        let start = now.max(self.last);
        let wait = gap(window.quota(start));
        if window.remaining == 0 {
            return start + wait;
        }
        window.remaining -= 1;
        now.max(self.last + wait)
    }
}

/// Keeps requests to the platform from exceeding its rate limit. Requests to other origins pass untouched.
///
/// A client by itself goes by what the platform's answers say, and spaces its requests out as [`gap`] says. Clients that
/// share an address with others of the same process share a [`RateBudget`] instead, and go by that alone.
#[derive(Debug)]
pub struct Pace<T> {
    inner: T,
    platform: Origin,
    clock: Arc<dyn Clock>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Alone(Mutex<Pacer>),
    Shared(Share),
}

impl<T: Transport> Pace<T> {
    /// Paces the requests that `inner` sends to `platform`.
    pub fn new(inner: T, platform: Origin, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            platform,
            clock,
            rule: Rule::Alone(Mutex::default()),
        }
    }

    /// Takes a share of a budget, in place of pacing by what the answers say.
    #[must_use]
    pub fn with_budget(mut self, budget: &RateBudget) -> Self {
        self.rule = Rule::Shared(budget.join());
        self
    }

    async fn paced(&self, request: Request) -> Result<Response, TransportError> {
        match &self.rule {
            Rule::Alone(pacer) => self.spaced(pacer, request).await,
            Rule::Shared(share) => self.in_turn(share, request).await,
        }
    }

    async fn in_turn(&self, share: &Share, request: Request) -> Result<Response, TransportError> {
        let turn = share.turn(CallOptions::of(&request).priority).await;
        let response = self.inner.send(request).await?;
        turn.answered(response.status(), response.headers());
        Ok(response)
    }

    async fn spaced(
        &self,
        pacer: &Mutex<Pacer>,
        request: Request,
    ) -> Result<Response, TransportError> {
        let wait = lock(pacer).reserve(self.clock.now());
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        let response = self.inner.send(request).await?;
        if let Some(quota) = Quota::of(response.headers()) {
            lock(pacer).observe(quota, self.clock.now());
        }
        Ok(response)
    }
}

fn lock(pacer: &Mutex<Pacer>) -> MutexGuard<'_, Pacer> {
    pacer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Transport> Transport for Pace<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        if Origin::of(request.uri()).as_ref() == Ok(&self.platform) {
            return Box::pin(self.paced(request));
        }
        self.inner.send(request)
    }
}
