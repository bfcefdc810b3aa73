//! How the agent is: what its heartbeats report.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_protocol::endpoints::Heartbeat;

/// What lies further back does not count.
const WINDOW: Duration = Duration::from_secs(60);

/// How much of an error a heartbeat carries, in characters.
const LONGEST_SAMPLE: usize = 200;

/// Shared by everything that works and the task that reports it.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    handling: Rolling,
    delivery: Rolling,
    current: Vec<String>,
}

/// Which kind of work succeeded or failed. Each has a rate of its own, so that many good polls
/// do not hide a handler that always fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    Handling,
    Delivery,
}

impl Vitals {
    /// Records how a piece of work ended.
    pub(crate) fn record(&self, work: Work, now: Duration, error: Option<String>) {
        let error = error.map(|error| error.chars().take(LONGEST_SAMPLE).collect());
        let mut inner = self.inner();
        match work {
            Work::Handling => inner.handling.record(now, error),
            Work::Delivery => inner.delivery.record(now, error),
        }
    }

    /// A message is being handled until the guard is dropped.
    pub(crate) fn busy(&self, task: String) -> Busy<'_> {
        self.inner().current.push(task.clone());
        Busy { vitals: self, task }
    }

    /// Puts everything into a beat.
    pub(crate) fn report(&self, beat: Heartbeat, now: Duration) -> Heartbeat {
        let mut inner = self.inner();
        let (handling, delivery) = (inner.handling.rate(now), inner.delivery.rate(now));
        let worse = if delivery > handling {
            &inner.delivery
        } else {
            &inner.handling
        };
        let active = u32::try_from(inner.current.len()).unwrap_or(u32::MAX);
        beat.with_errors(handling.max(delivery), worse.sample())
            .with_work(active, inner.current.first().cloned().unwrap_or_default())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, a message is being handled.
#[derive(Debug)]
#[must_use]
pub(crate) struct Busy<'a> {
    vitals: &'a Vitals,
    task: String,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut inner = self.vitals.inner();
        if let Some(index) = inner.current.iter().position(|task| *task == self.task) {
            inner.current.remove(index);
        }
    }
}

/// The outcomes of the last minute.
#[derive(Debug, Default)]
struct Rolling {
    outcomes: VecDeque<(Duration, Option<String>)>,
}

impl Rolling {
    fn record(&mut self, now: Duration, error: Option<String>) {
        self.forget(now);
        self.outcomes.push_back((now, error));
    }

    fn rate(&mut self, now: Duration) -> f64 {
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

    fn sample(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(vitals: &Vitals, second: u64) -> Heartbeat {
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        vitals.report(Heartbeat::new(id), Duration::from_secs(second))
    }

    fn record(vitals: &Vitals, work: Work, second: u64, error: Option<&str>) {
        vitals.record(work, Duration::from_secs(second), error.map(str::to_owned));
    }

    #[test]
    fn the_error_rate_is_that_of_the_last_minute() {
        let vitals = Vitals::default();
        record(&vitals, Work::Handling, 0, Some("exit 1"));
        record(&vitals, Work::Handling, 30, None);
        assert_eq!(beat(&vitals, 59).error_rate, 0.5);
        assert_eq!(beat(&vitals, 59).sample_error, "exit 1");
        assert_eq!(beat(&vitals, 60).error_rate, 0.0);
        assert_eq!(beat(&vitals, 60).sample_error, "");
    }

    #[test]
    fn good_polls_do_not_hide_a_failing_handler() {
        let vitals = Vitals::default();
        for second in 0..50 {
            record(&vitals, Work::Delivery, second, None);
        }
        record(&vitals, Work::Handling, 50, Some("boom"));
        assert_eq!(beat(&vitals, 51).error_rate, 1.0);
    }

    #[test]
    fn a_beat_names_what_is_being_handled() {
        let vitals = Vitals::default();
        let first = vitals.busy("a".to_owned());
        let second = vitals.busy("b".to_owned());
        assert_eq!(
            (
                beat(&vitals, 0).active_tasks,
                beat(&vitals, 0).current_task.as_str()
            ),
            (2, "a")
        );
        drop(first);
        assert_eq!(
            (
                beat(&vitals, 0).active_tasks,
                beat(&vitals, 0).current_task.as_str()
            ),
            (1, "b")
        );
        drop(second);
        assert_eq!(beat(&vitals, 0).active_tasks, 0);
    }
}
