//! The schedule, shared by tasks that wait for their turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::Priority;
use super::heard::Heard;
use super::queue::{Member, Ticket};
use super::schedule::{Next, Schedule};
use crate::{BoxFuture, Clock};

/// A rate limit that many clients of one platform share: a platform counts the requests of an address, not those of an
/// agent. Clones are the same budget.
///
/// * In any 60 s there are never more requests than the limit, as the platform counts them.
/// * A tenth of the limit may go at once, and what is more at an even pace.
/// * Who goes first is a matter of [`Priority`], and within one each client in turn. Every tenth turn is that of whoever has
///   waited longest, so that nobody waits for ever.
/// * A lower `X-RateLimit-Limit` of the platform becomes the limit. While others use up what the platform allows the
///   address, polls and questions about the state wait; a 429 with `Retry-After` quiets everybody, for two minutes at most.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// # #[cfg(feature = "testing")] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use molecule_transport::testing::SimulatedClock;
/// use molecule_transport::{Clock, Priority, RateBudget};
///
/// let clock = Arc::new(SimulatedClock::new());
/// let budget = RateBudget::new(10, clock.clone());
/// let share = budget.join();
/// for _ in 0..20 {
///     let _sent = share.turn(Priority::Message).await;
/// }
/// assert!(clock.now() > Duration::from_secs(60));
/// # }
/// # }
/// ```
#[derive(Clone)]
pub struct RateBudget {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    next_member: Member,
    /// Those who wait. The first of the queue keeps the time for all.
    wakers: BTreeMap<Ticket, Waker>,
    /// Who keeps the time, and until when, so that nobody tells it again: it may be of the same task as the one who tells.
    keeper: Option<(Ticket, Option<Duration>)>,
    /// Those whose turn it is, and who do not know it yet.
    granted: BTreeSet<Ticket>,
}

impl RateBudget {
    /// At most `limit` requests, and at least one, in any 60 s of `clock`.
    #[must_use]
    pub fn new(limit: u32, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            schedule: Schedule::new(limit),
            next_member: 0,
            wakers: BTreeMap::new(),
            keeper: None,
            granted: BTreeSet::new(),
        };
        let state = Mutex::new(state);
        Self {
            shared: Arc::new(Shared { clock, state }),
        }
    }

    /// The share of one more client.
    #[must_use]
    pub fn join(&self) -> Share {
        let mut state = self.shared.state();
        state.next_member += 1;
        Share {
            shared: Arc::clone(&self.shared),
            member: state.next_member,
        }
    }

    /// The limit in force: the one given, or a lower one that the platform named.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.shared.state().schedule.limit()
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.state().schedule.waiting()
    }
}

impl fmt::Debug for RateBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateBudget")
            .field("limit", &self.limit())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// One client's share of a [`RateBudget`].
pub struct Share {
    shared: Arc<Shared>,
    member: Member,
}

impl Share {
    /// Waits for the next turn. Whoever stops waiting gives it to the next one.
    pub async fn turn(&self, priority: Priority) -> Turn<'_> {
        let ticket = self.shared.state().schedule.enter(self.member, priority);
        let waiting = Waiting {
            shared: &self.shared,
            ticket,
            sleep: None,
            ended: false,
        };
        waiting.await
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shared.state().schedule.forget(self.member);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Share").field(&self.member).finish()
    }
}

/// One request may go. It counts until 60 s after this was dropped or told of the answer.
#[must_use = "the request counts as answered when this is dropped"]
pub struct Turn<'a> {
    shared: &'a Shared,
}

impl Turn<'_> {
    /// The answer came; its head says something about the limit.
    pub fn answered(self, status: StatusCode, headers: &HeaderMap) {
        let heard = Heard::of(status, headers, self.shared.clock.wall());
        let now = self.shared.clock.now();
        self.shared.state().schedule.hear(&heard, now);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        state.schedule.done(now);
        state.advance(now, None);
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives all turns that are due, and sees to it that whoever is next keeps the time. If that is `me`, it is said until
    /// when.
    fn advance(&mut self, now: Duration, me: Option<Ticket>) -> Option<Duration> {
        loop {
            match self.schedule.next(now) {
                Next::Go(ticket) => {
                    self.granted.insert(ticket);
                    self.wake(ticket);
                }
                Next::Wait(ticket, at) if Some(ticket) == me => {
                    self.keeper = Some((ticket, at));
                    return at;
                }
                Next::Wait(ticket, at) => {
                    if self.keeper != Some((ticket, at)) {
                        self.wake(ticket);
                    }
                    return None;
                }
                Next::Nobody => return None,
            }
        }
    }

    fn wake(&self, ticket: Ticket) {
        if let Some(waker) = self.wakers.get(&ticket) {
            waker.wake_by_ref();
        }
    }
}

/// Completes when it is the ticket's turn.
struct Waiting<'a> {
    shared: &'a Shared,
    ticket: Ticket,
    sleep: Option<(Duration, BoxFuture<'static, ()>)>,
    ended: bool,
}

impl<'a> Future for Waiting<'a> {
    type Output = Turn<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn<'a>> {
        loop {
            let now = self.shared.clock.now();
            let mut state = self.shared.state();
            let until = state.advance(now, Some(self.ticket));
            if state.granted.remove(&self.ticket) {
                state.wakers.remove(&self.ticket);
                drop(state);
                self.ended = true;
                let shared = self.shared;
                return Poll::Ready(Turn { shared });
            }
            state.wakers.insert(self.ticket, cx.waker().clone());
            drop(state);
            let Some(until) = until else {
                self.sleep = None;
                return Poll::Pending;
            };
            if self.keep_time(until, now).as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
    }
}

impl Waiting<'_> {
    fn keep_time(&mut self, until: Duration, now: Duration) -> &mut BoxFuture<'static, ()> {
        if self.sleep.as_ref().is_none_or(|(at, _)| *at != until) {
            self.sleep = None;
        }
        let sleep = || (until, self.shared.clock.sleep(until.saturating_sub(now)));
        &mut self.sleep.get_or_insert_with(sleep).1
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        state.wakers.remove(&self.ticket);
        if state.granted.remove(&self.ticket) {
            state.schedule.give_back();
        } else {
            state.schedule.leave(self.ticket);
        }
        state.advance(now, None);
    }
}
