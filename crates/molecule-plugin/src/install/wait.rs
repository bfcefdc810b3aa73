//! Waiting, for other processes and for `setup.sh`: the only place of this crate that reads a clock or sleeps.

use std::time::{Duration, Instant};

/// How long to wait while another process works on the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all, but for the few milliseconds in which a store that is being opened looks for leftovers.
    No,
    /// Up to this long, sleeping on the calling thread.
    For(Duration),
}

impl Wait {
    pub(super) fn deadline(self) -> Deadline {
        match self {
            Self::No => Deadline::after(GRACE),
            Self::For(limit) => Deadline::after(limit),
        }
    }
}

/// A store that is being opened holds each lock for a moment, to see whether a crash left something.
const GRACE: Duration = Duration::from_millis(20);

/// A point in time with pauses on the way to it that grow, because `flock` has no timeout and must be polled.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    start: Instant,
    /// `None` is later than the clock can say.
    end: Option<Instant>,
    pause: Duration,
}

impl Deadline {
    const FIRST_PAUSE: Duration = Duration::from_micros(200);
    const LONGEST_PAUSE: Duration = Duration::from_millis(20);

    pub(super) fn after(limit: Duration) -> Self {
        let start = now();
        Self {
            start,
            end: start.checked_add(limit),
            pause: Self::FIRST_PAUSE,
        }
    }

    /// How much of the time is left.
    pub(super) fn left(&self) -> Duration {
        self.end
            .map_or(Duration::MAX, |end| end.saturating_duration_since(now()))
    }

    /// How much of the time is over, and any time since.
    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.start)
    }

    /// Sleeps a little and says `true`, or says `false` at once when the time is up.
    pub(super) fn pause(&mut self) -> bool {
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        sleep(self.pause.min(left));
        self.pause = (self.pause * 2).min(Self::LONGEST_PAUSE);
        true
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wait is for another process, which no simulated clock moves"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wait is for another process, which no simulated clock moves"
)]
fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_waiting_is_over_in_a_moment() {
        assert!(Wait::No.deadline().left() <= GRACE);
        assert!(!Wait::For(Duration::ZERO).deadline().pause());
    }

    #[test]
    fn the_pauses_end_with_the_deadline() {
        let mut deadline = Wait::For(Duration::from_millis(2)).deadline();
        let pauses = std::iter::repeat_with(|| deadline.pause())
            .take_while(|&more| more)
            .count();
        assert!((1..=5).contains(&pauses), "{pauses} pauses");
        assert!(deadline.elapsed() >= Duration::from_millis(2));
    }

    #[test]
    fn the_longest_wait_has_no_end() {
        assert_eq!(Wait::For(Duration::MAX).deadline().left(), Duration::MAX);
    }
}
