//! Waiting for other processes, the only place of this crate that reads a clock or sleeps.

use std::time::{Duration, Instant};

/// How long to wait while another process holds the token file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: a held file is an error at once.
    No,
    /// Up to this long, sleeping on the calling thread; a file that is held for longer is an error.
    For(Duration),
}

impl Wait {
    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::No => Deadline::after(Duration::ZERO),
            Self::For(limit) => Deadline::after(limit),
        }
    }
}

/// A point in time with pauses on the way to it that grow, because `flock` has no timeout and must
/// be polled.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    /// `None` is later than the clock can say.
    end: Option<Instant>,
    pause: Duration,
}

impl Deadline {
    const FIRST_PAUSE: Duration = Duration::from_micros(100);
    const LONGEST_PAUSE: Duration = Duration::from_millis(10);

    fn after(limit: Duration) -> Self {
        Self {
            end: now().checked_add(limit),
            pause: Self::FIRST_PAUSE,
        }
    }

    /// The earlier of this deadline and `limit` from now.
    pub(crate) fn or_after(&self, limit: Duration) -> Self {
        let short = Self::after(limit);
        Self {
            end: [self.end, short.end].into_iter().flatten().min(),
            ..short
        }
    }

    /// Sleeps a little and says `true`, or says `false` at once when the time is up.
    pub(crate) fn pause(&mut self) -> bool {
        let left = self
            .end
            .map_or(Duration::MAX, |end| end.saturating_duration_since(now()));
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
    fn not_waiting_never_pauses() {
        assert!(!Wait::No.deadline().pause());
        assert!(!Wait::For(Duration::ZERO).deadline().pause());
    }

    #[test]
    fn the_pauses_end_with_the_deadline() {
        let mut deadline = Wait::For(Duration::from_millis(2)).deadline();
        let pauses = std::iter::repeat_with(|| deadline.pause())
            .take_while(|&more| more)
            .count();
        assert!((1..=5).contains(&pauses), "{pauses} pauses");
    }

    #[test]
    fn the_longest_wait_has_no_end() {
        let forever = Wait::For(Duration::MAX).deadline();
        assert_eq!(forever.end, None);
        assert!(forever.or_after(Duration::from_millis(1)).end.is_some());
        assert!(!Wait::No.deadline().or_after(Duration::from_secs(1)).pause());
    }
}
