//! Time that a test moves by hand.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::{BoxFuture, Clock};

/// A clock that stands still until [`advance`](Self::advance) moves it, for tests over real sockets: there, time must
/// not run ahead of the network, as that of [`SimulatedClock`](super::SimulatedClock) would. It needs no runtime, it
/// can be shared with threads, and clones are the same clock. There is no jitter.
///
/// ```
/// use std::time::Duration;
/// use molecule_transport::Clock;
/// use molecule_transport::testing::ManualClock;
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(clock.now(), Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    time: Mutex<Time>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Time {
    now: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    /// The number of the next sleep.
    next: u64,
}

impl ManualClock {
    /// A clock at its start: 2026-01-01 at 00:00 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time, and wakes who slept long enough.
    pub fn advance(&self, duration: Duration) {
        let mut time = self.time();
        time.now += duration;
        let last = (time.now, u64::MAX);
        let asleep = time.sleepers.split_off(&last);
        let due = std::mem::replace(&mut time.sleepers, asleep);
        drop(time);
        self.0.moved.notify_all();
        due.into_values().for_each(Waker::wake);
    }

    /// Blocks the thread until somebody has moved the time that far, and returns the time then.
    #[must_use]
    pub fn wait_until(&self, due: Duration) -> Duration {
        let time = self.0.moved.wait_while(self.time(), |time| time.now < due);
        time.unwrap_or_else(PoisonError::into_inner).now
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.time().now
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600) + self.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut time = self.time();
        time.next += 1;
        let key = (time.now.saturating_add(duration), time.next);
        let clock = self.clone();
        Box::pin(Sleep { clock, key })
    }

    fn jitter(&self) -> f64 {
        0.0
    }
}

struct Sleep {
    clock: ManualClock,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut time = self.clock.time();
        if time.now >= self.key.0 {
            return Poll::Ready(());
        }
        time.sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.time().sleepers.remove(&self.key);
    }
}
