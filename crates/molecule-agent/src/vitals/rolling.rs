//! How often something failed lately.

use std::collections::VecDeque;
use std::time::Duration;

/// What lies further back does not count.
const WINDOW: Duration = Duration::from_secs(60);
/// As many outcomes as are remembered of a minute in which more came.
const CAPACITY: usize = 1_000;

/// The outcomes of the last minute.
#[derive(Debug, Default)]
pub(super) struct Rolling {
    outcomes: VecDeque<(Duration, Option<String>)>,
}

impl Rolling {
    pub(super) fn record(&mut self, now: Duration, error: Option<String>) {
        self.forget(now);
        if self.outcomes.len() == CAPACITY {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, error));
    }

    pub(super) fn rate(&mut self, now: Duration) -> f64 {
        self.forget(now);
        let failed = self
            .outcomes
            .iter()
            .filter(|(_, error)| error.is_some())
            .count();
        if failed == 0 {
            0.0
        } else {
            failed as f64 / self.outcomes.len() as f64
        }
    }

    pub(super) fn sample(&self) -> String {
        self.outcomes
            .iter()
            .rev()
            .find_map(|(_, error)| error.clone())
            .unwrap_or_default()
    }

    fn forget(&mut self, now: Duration) {
        while self
            .outcomes
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW)
        {
            self.outcomes.pop_front();
        }
    }
}
