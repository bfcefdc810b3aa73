//! How many retries the requests of the last minute pay for.

use std::collections::VecDeque;
use std::time::Duration;

const WINDOW_SECS: u64 = 60;

/// Keeps retries from multiplying the load on a platform that is already in trouble: over a
/// sliding minute there are at most `fraction` retries for each request, but never fewer than
/// `floor`, so that a quiet agent can retry at all.
///
/// Time is an argument, counted from any fixed moment. The minute is kept in seconds, so the
/// memory is bounded.
#[derive(Debug)]
pub struct Budget {
    fraction: f64,
    floor: u32,
    seconds: VecDeque<Second>,
}

#[derive(Debug)]
struct Second {
    at: u64,
    requests: u32,
    retries: u32,
}

impl Budget {
    /// A budget without requests yet.
    #[must_use]
    pub fn new(fraction: f64, floor: u32) -> Self {
        Self {
            fraction,
            floor,
            seconds: VecDeque::new(),
        }
    }

    /// Counts a first try.
    pub fn request(&mut self, now: Duration) {
        self.second(now).requests += 1;
    }

    /// Counts a retry and returns true, if the budget has one left.
    pub fn try_retry(&mut self, now: Duration) -> bool {
        self.forget_before(now);
        let (requests, retries) = self.totals();
        let allowed = (f64::from(requests) * self.fraction).max(f64::from(self.floor));
        let granted = f64::from(retries) + 1.0 <= allowed;
        if granted {
            self.second(now).retries += 1;
        }
        granted
    }

    fn totals(&self) -> (u32, u32) {
        let requests = self.seconds.iter().map(|second| second.requests).sum();
        let retries = self.seconds.iter().map(|second| second.retries).sum();
        (requests, retries)
    }

    fn forget_before(&mut self, now: Duration) {
        while self
            .seconds
            .front()
            .is_some_and(|first| first.at + WINDOW_SECS <= now.as_secs())
        {
            self.seconds.pop_front();
        }
    }

    /// The counts of the current second. A `now` from before the newest one counts there.
    fn second(&mut self, now: Duration) -> &mut Second {
        self.forget_before(now);
        let at = now.as_secs();
        if self.seconds.back().is_none_or(|last| last.at < at) {
            self.seconds.push_back(Second {
                at,
                requests: 0,
                retries: 0,
            });
        }
        let newest = self.seconds.len() - 1;
        &mut self.seconds[newest]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn retries_left(budget: &mut Budget, now: Duration) -> usize {
        (0..1000).take_while(|_| budget.try_retry(now)).count()
    }

    fn busy(requests: u32, now: Duration) -> Budget {
        let mut budget = Budget::new(0.2, 10);
        (0..requests).for_each(|_| budget.request(now));
        budget
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_retried() {
        assert_eq!(retries_left(&mut busy(100, SECOND), SECOND), 20);
    }

    #[test]
    fn a_quiet_agent_has_the_floor() {
        assert_eq!(retries_left(&mut busy(0, SECOND), SECOND), 10);
        assert_eq!(retries_left(&mut busy(1, SECOND), SECOND), 10);
    }

    #[test]
    fn requests_and_retries_are_forgotten_after_a_minute() {
        let mut budget = busy(100, SECOND);
        assert_eq!(retries_left(&mut budget, SECOND * 30), 20);
        assert_eq!(
            retries_left(&mut budget, SECOND * 60),
            0,
            "both are within the minute"
        );
        assert_eq!(
            retries_left(&mut budget, SECOND * 61),
            0,
            "the requests are gone"
        );
        assert_eq!(
            retries_left(&mut budget, SECOND * 90),
            10,
            "the retries are gone too"
        );
    }

    #[test]
    fn the_memory_is_bounded_by_the_minute() {
        let mut budget = Budget::new(0.2, 10);
        for tenth in 0..36_000_u32 {
            budget.request(Duration::from_millis(100) * tenth);
        }
        assert!(budget.seconds.len() <= 60, "{}", budget.seconds.len());
        assert_eq!(retries_left(&mut budget, Duration::from_secs(3600)), 118);
    }
}
