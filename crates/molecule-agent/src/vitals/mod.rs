//! How the agent is: facts that its tasks report, and what follows from them for its heartbeats and its status.

mod rolling;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_protocol::endpoints::Heartbeat;
use molecule_protocol::{ApiError, Timestamp};
use molecule_transport::Clock;
use tokio::sync::watch;

use crate::journal::Counts;
use crate::life::describe;
use crate::{AgentError, AgentState, AgentStatus, ErrorKind, EventsState, StopReason};
use rolling::Rolling;

/// How much of an error is told on, in characters.
const LONGEST_SAMPLE: usize = 200;
/// The share of failures in the last minute from which on the platform counts an agent as degraded.
const DEGRADED: f64 = 0.5;

/// What is wrong with an agent that comes back, as long as it is not known to fail.
const LOST: &str = "the platform lost the agent, which registers again";

/// Shared by everything that works and those who report it.
#[derive(Debug)]
pub(crate) struct Vitals {
    clock: Arc<dyn Clock>,
    facts: Mutex<Facts>,
    status: watch::Sender<AgentStatus>,
}

/// What the tasks said.
#[derive(Debug, Default)]
struct Facts {
    phase: Phase,
    handling: Rolling,
    delivery: Rolling,
    /// Of each kind of work the error of the last try, if that failed.
    failing: [Option<String>; Work::COUNT],
    /// The last answer that the platform owed did not come, and why.
    away: Option<String>,
    current: Vec<String>,
    heartbeat_arrived: bool,
    /// The platform does not count the agent as registered.
    is_lost: bool,
}

/// What the agent is about, apart from how well it does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    #[default]
    Running,
    Paused,
    Draining,
    Stopped(StopReason),
}

/// A kind of work that succeeds or fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Journal,
    Delivery,
    Heartbeat,
    State,
    Answering,
    Handling,
    /// Finding room for a message in the journal.
    Taking,
}

impl Work {
    const COUNT: usize = 7;
}

impl Vitals {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let now = Timestamp::from(clock.wall());
        Self {
            clock,
            facts: Mutex::default(),
            status: watch::Sender::new(AgentStatus::new(now)),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<AgentStatus> {
        self.status.subscribe()
    }

    /// The agent begins, and is taken for stopped when the guard is dropped.
    pub(crate) fn begin(&self) -> Run<'_> {
        self.start();
        Run { vitals: self }
    }

    /// What was known before, in an earlier run or before a pause, says nothing any more.
    pub(crate) fn start(&self) {
        self.change(|facts, status| {
            facts.heartbeat_arrived = false;
            facts.is_lost = false;
            facts.away = None;
            facts.failing = Default::default();
            facts.phase = Phase::Running;
            status.last_poll = None;
        });
    }

    /// The platform answers, and says that it does not count the agent as registered.
    pub(crate) fn lost(&self) {
        self.change(|facts, _| {
            facts.is_lost = true;
            facts.away = None;
        });
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.change(|facts, _| facts.phase = phase);
    }

    pub(crate) fn succeeded(&self, work: Work) {
        let (now, wall) = (self.clock.now(), Timestamp::from(self.clock.wall()));
        self.change(|facts, status| {
            facts.failing[work as usize] = None;
            match work {
                Work::Heartbeat => {
                    facts.heartbeat_arrived = true;
                    status.heartbeats += 1;
                    status.last_heartbeat = Some(wall);
                }
                Work::Delivery => {
                    facts.delivery.record(now, None);
                    status.last_poll = Some(wall);
                }
                Work::Handling => {
                    facts.handling.record(now, None);
                    status.handled += 1;
                }
                Work::Answering => status.answered += 1,
                Work::State => facts.is_lost = false,
                Work::Journal | Work::Taking => {}
            }
            if matches!(work, Work::Heartbeat | Work::Delivery | Work::State) {
                facts.away = None;
            }
        });
    }

    pub(crate) fn failed(&self, work: Work, error: &AgentError) {
        let text = describe(error);
        let calls = matches!(work, Work::Heartbeat | Work::Delivery | Work::State);
        if calls && is_away(error) {
            self.change(|facts, _| facts.away = Some(sample(&text)));
        }
        self.failed_with(work, &text);
    }

    pub(crate) fn failed_with(&self, work: Work, error: &str) {
        let (now, error) = (self.clock.now(), sample(error));
        self.change(|facts, status| {
            match work {
                Work::Delivery => facts.delivery.record(now, Some(error.clone())),
                Work::Handling => {
                    status.failed += 1;
                    facts.handling.record(now, Some(error.clone()));
                }
                Work::Answering => facts.handling.record(now, Some(error.clone())),
                Work::Journal | Work::Heartbeat | Work::State | Work::Taking => {}
            }
            facts.failing[work as usize] = Some(error);
        });
    }

    pub(crate) fn accepted(&self) {
        self.change(|_, status| status.accepted += 1);
    }

    /// The journal works, and holds so many.
    pub(crate) fn journaled(&self, counts: Counts) {
        self.change(|facts, status| {
            facts.failing[Work::Journal as usize] = None;
            (status.pending, status.dead) = (counts.pending, counts.dead);
        });
    }

    /// How the agent stands with the platform's events.
    pub(crate) fn events(&self, events: EventsState) {
        self.change(|_, status| status.events = events);
    }

    pub(crate) fn events_state(&self) -> EventsState {
        self.status.borrow().events
    }

    /// Whether the platform is out of reach, as far as heartbeats and questions tell.
    pub(crate) fn is_away(&self) -> bool {
        self.facts().away.is_some()
    }

    /// A message is being handled until the guard is dropped.
    pub(crate) fn busy(&self, task: String) -> Busy<'_> {
        self.change(|facts, _| facts.current.push(task.clone()));
        Busy { vitals: self, task }
    }

    /// Puts everything into a beat. While the journal fails or is full nothing else counts: no message is taken.
    pub(crate) fn report(&self, beat: Heartbeat) -> Heartbeat {
        let now = self.clock.now();
        let mut facts = self.facts();
        let (rate, error) = match facts.takes_nothing() {
            Some(error) => (1.0, error),
            None => facts.worst(now),
        };
        let active = u32::try_from(facts.current.len()).unwrap_or(u32::MAX);
        beat.with_errors(rate, error)
            .with_work(active, facts.current.first().cloned().unwrap_or_default())
    }

    /// Forgets what failed how often until now.
    pub(crate) fn count_anew(&self) {
        let mut facts = self.facts();
        facts.handling = Rolling::default();
        facts.delivery = Rolling::default();
    }

    /// Changes what is known, and tells those who watch if that changes how the agent is.
    fn change(&self, change: impl FnOnce(&mut Facts, &mut AgentStatus)) {
        let mut facts = self.facts();
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(&mut facts, status);
            status.handling = facts.current.len();
            status.receiving = facts.receiving();
            status.registered = facts.heartbeat_arrived && !facts.is_lost;
            let (state, problem) = facts.state(self.clock.now());
            if state != status.state {
                status.since = Timestamp::from(self.clock.wall());
            }
            (status.state, status.problem) = (state, problem);
            *status != before
        });
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// The kind of work that fails most, and how.
    fn worst(&mut self, now: std::time::Duration) -> (f64, String) {
        let (handling, delivery) = (self.handling.rate(now), self.delivery.rate(now));
        let worse = if delivery > handling {
            &self.delivery
        } else {
            &self.handling
        };
        (handling.max(delivery), worse.sample())
    }

    fn state(&mut self, now: std::time::Duration) -> (AgentState, Option<String>) {
        let (rate, error) = self.worst(now);
        let problem = self.problem().or((rate >= DEGRADED).then_some(error));
        let state = match self.phase {
            Phase::Stopped(reason) => AgentState::Stopped(reason),
            Phase::Paused => AgentState::Paused,
            Phase::Draining => AgentState::Draining,
            Phase::Running if self.away.is_some() => AgentState::Disconnected,
            Phase::Running if !self.heartbeat_arrived => AgentState::Starting,
            Phase::Running if problem.is_some() => AgentState::Degraded,
            Phase::Running => AgentState::Online,
        };
        (state, problem)
    }

    fn receiving(&self) -> bool {
        self.failing[Work::Delivery as usize].is_none() && self.takes_nothing().is_none()
    }

    /// Why no message is taken, however many come.
    fn takes_nothing(&self) -> Option<String> {
        let failing = |work: Work| self.failing[work as usize].clone();
        failing(Work::Journal).or_else(|| failing(Work::Taking))
    }

    /// What fails now: the worst first. A handler or an answer that failed once is no problem of the agent's.
    fn problem(&self) -> Option<String> {
        let failing = |work: Work| self.failing[work as usize].clone();
        self.takes_nothing()
            .or_else(|| self.away.clone())
            .or_else(|| failing(Work::Delivery))
            .or_else(|| failing(Work::Heartbeat))
            .or_else(|| failing(Work::State))
            .or_else(|| self.is_lost.then(|| LOST.to_owned()))
    }
}

/// Whether the platform is out of reach, or something in front of it says that it is.
fn is_away(error: &AgentError) -> bool {
    error.kind() == ErrorKind::Unreachable
        || matches!(error, AgentError::Api(ApiError::Unavailable(_)))
}

fn sample(error: &str) -> String {
    error.chars().take(LONGEST_SAMPLE).collect()
}

/// While it lives, the agent runs.
#[derive(Debug)]
#[must_use]
pub(crate) struct Run<'a> {
    vitals: &'a Vitals,
}

impl Run<'_> {
    /// It ended by itself, which is not what happens to a task that is aborted.
    pub(crate) fn ended(self, result: &Result<StopReason, AgentError>) {
        let reason = match result {
            Ok(reason) => *reason,
            Err(error) => {
                self.vitals.failed(Work::State, error);
                StopReason::Failed
            }
        };
        self.vitals.phase(Phase::Stopped(reason));
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let ended = matches!(self.vitals.facts().phase, Phase::Stopped(_));
        if !ended {
            self.vitals.phase(Phase::Stopped(StopReason::Cancelled));
        }
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
        self.vitals.change(|facts, _| {
            if let Some(index) = facts.current.iter().position(|task| *task == self.task) {
                facts.current.remove(index);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use molecule_transport::testing::ManualClock;

    use super::*;

    fn vitals() -> (Vitals, ManualClock) {
        let clock = ManualClock::new();
        (Vitals::new(Arc::new(clock.clone())), clock)
    }

    fn beat(vitals: &Vitals) -> Heartbeat {
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        vitals.report(Heartbeat::new(id))
    }

    fn state(vitals: &Vitals) -> AgentState {
        vitals.watch().borrow().state
    }

    fn full_disk() -> AgentError {
        AgentError::Journal {
            action: "write",
            path: "journal".into(),
            source: io::ErrorKind::StorageFull.into(),
        }
    }

    #[test]
    fn the_error_rate_is_that_of_the_last_minute() {
        let (vitals, clock) = vitals();
        vitals.failed_with(Work::Handling, "exit 1");
        clock.advance(Duration::from_secs(30));
        vitals.succeeded(Work::Handling);
        clock.advance(Duration::from_secs(29));
        assert_eq!(beat(&vitals).error_rate, 0.5);
        assert_eq!(beat(&vitals).sample_error, "exit 1");
        clock.advance(Duration::from_secs(1));
        assert_eq!(beat(&vitals).error_rate, 0.0);
        assert_eq!(beat(&vitals).sample_error, "");
    }

    #[test]
    fn counting_anew_leaves_nothing_of_before() {
        let (vitals, _) = vitals();
        vitals.failed_with(Work::Handling, "exit 1");
        vitals.failed_with(Work::Delivery, "gone");
        assert_eq!(beat(&vitals).error_rate, 1.0);
        vitals.count_anew();
        vitals.succeeded(Work::Handling);
        let beat = beat(&vitals);
        assert_eq!((beat.error_rate, beat.sample_error.as_str()), (0.0, ""));
    }

    #[test]
    fn good_polls_do_not_hide_a_failing_handler() {
        let (vitals, _) = vitals();
        for _ in 0..50 {
            vitals.succeeded(Work::Delivery);
        }
        vitals.failed_with(Work::Handling, "boom");
        assert_eq!(beat(&vitals).error_rate, 1.0);
    }

    #[test]
    fn a_beat_names_what_is_being_handled() {
        let (vitals, _) = vitals();
        let check = |tasks, task: &str| {
            let beat = beat(&vitals);
            assert_eq!(
                (beat.active_tasks, beat.current_task.as_str()),
                (tasks, task)
            );
            assert_eq!(vitals.watch().borrow().handling, tasks as usize);
        };
        let first = vitals.busy("a".to_owned());
        let second = vitals.busy("b".to_owned());
        check(2, "a");
        drop(first);
        check(1, "b");
        drop(second);
        check(0, "");
    }

    #[test]
    fn an_agent_is_online_once_a_heartbeat_arrived_and_stopped_when_it_is_dropped() {
        let (vitals, _) = vitals();
        let run = vitals.begin();
        assert_eq!(state(&vitals), AgentState::Starting);
        vitals.succeeded(Work::Heartbeat);
        assert_eq!(state(&vitals), AgentState::Online);
        vitals.phase(Phase::Draining);
        assert_eq!(state(&vitals), AgentState::Draining);
        drop(run);
        assert_eq!(state(&vitals), AgentState::Stopped(StopReason::Cancelled));
        vitals.begin().ended(&Ok(StopReason::Paused));
        assert_eq!(state(&vitals), AgentState::Stopped(StopReason::Paused));
        vitals.begin().ended(&Err(full_disk()));
        assert_eq!(state(&vitals), AgentState::Stopped(StopReason::Failed));
        assert!(vitals.watch().borrow().problem.is_some());
    }

    #[test]
    fn a_platform_without_an_answer_disconnects_whoever_asked_and_the_next_answer_ends_that() {
        let (vitals, clock) = vitals();
        let _run = vitals.begin();
        vitals.succeeded(Work::Heartbeat);
        let away = AgentError::Api(ApiError::Unavailable(molecule_protocol::Refusal {
            endpoint: "activity",
            status: http::StatusCode::BAD_GATEWAY,
            message: None,
        }));
        vitals.failed(Work::Delivery, &away);
        assert_eq!(state(&vitals), AgentState::Disconnected);
        clock.advance(Duration::from_secs(90));
        vitals.succeeded(Work::State);
        assert_eq!(state(&vitals), AgentState::Degraded, "polls fail still");
        assert!(!vitals.watch().borrow().receiving);
        vitals.succeeded(Work::Delivery);
        assert!(vitals.watch().borrow().receiving);
        assert_eq!(state(&vitals), AgentState::Online);
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_all_that_counts() {
        let (vitals, _) = vitals();
        let _run = vitals.begin();
        vitals.succeeded(Work::Heartbeat);
        (0..50).for_each(|_| vitals.succeeded(Work::Handling));
        vitals.failed(Work::Journal, &full_disk());
        assert_eq!(beat(&vitals).error_rate, 1.0);
        assert!(beat(&vitals).sample_error.contains("journal"));
        assert_eq!(state(&vitals), AgentState::Degraded);
        assert!(!vitals.watch().borrow().receiving);
        vitals.journaled(Counts::default());
        assert_eq!(beat(&vitals).error_rate, 0.0);
        assert_eq!(state(&vitals), AgentState::Online);
    }

    #[test]
    fn a_status_is_json_without_surprises() {
        let (vitals, _) = vitals();
        vitals.begin().ended(&Ok(StopReason::MaxIterations));
        let status = serde_json::to_value(&*vitals.watch().borrow()).unwrap();
        assert_eq!(status["state"], "stopped");
        assert_eq!(status["reason"], "max_iterations");
        assert_eq!(status["since"], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn who_watches_hears_of_changes_alone() {
        let (vitals, _) = vitals();
        let mut watch = vitals.watch();
        vitals.events(EventsState::Off);
        assert!(!watch.has_changed().unwrap());
        vitals.events(EventsState::Flowing);
        assert!(watch.has_changed().unwrap());
        assert_eq!(watch.borrow_and_update().events, EventsState::Flowing);
    }
}
