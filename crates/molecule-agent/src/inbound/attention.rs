//! When to ask for messages: when one is heard of, and now and then.

use std::time::Duration;

use molecule_transport::Clock;

use crate::events::Listener;
use crate::wake::Alarm;
use crate::{DEFAULT_POLL_INTERVAL, EventsMode, RemoteAgentClient};

/// How often to ask while messages are heard of: an event can be missed.
const HEARING: Duration = Duration::from_secs(60);

/// Waits for the next poll.
#[derive(Debug)]
pub(super) struct Attention {
    alarm: Alarm,
    listener: Option<Listener>,
    /// It rang, and the poll that it rang for has not been done.
    rung: bool,
    /// There was no message when it rang, so that it may be on its way into the log.
    unmet: bool,
    tempo: Tempo,
}

impl Attention {
    pub(super) fn start(client: &RemoteAgentClient, events: EventsMode) -> Self {
        let alarm = client.wakes().poll.alarm();
        let listener = match events {
            EventsMode::Auto => Some(Listener::start(client.clone())),
            EventsMode::Off => None,
        };
        Self {
            alarm,
            listener,
            rung: false,
            unmet: false,
            tempo: Tempo::new(client.clock().now()),
        }
    }

    /// Waits for an interval, or until a message may be there. It may be dropped while it waits.
    pub(super) async fn pause(&mut self, clock: &dyn Clock, interval: Duration) {
        if !self.rung {
            let interval = self.interval(interval);
            self.rung = self.alarm.pause(clock, interval).await;
        }
        if self.rung {
            self.tempo.wait(clock).await;
        }
    }

    /// Waits until a message may be there. It may be dropped while it waits.
    pub(super) async fn rings(&mut self) {
        self.alarm.rings().await;
        self.rung = true;
    }

    fn interval(&self, usual: Duration) -> Duration {
        let hears = self.listener.as_ref().is_some_and(Listener::hears);
        match (self.unmet, hears) {
            // It is there soon, however rarely this agent asks.
            (true, _) => usual.min(DEFAULT_POLL_INTERVAL),
            (false, true) => usual.max(HEARING),
            (false, false) => usual,
        }
    }

    /// Whether a message was heard of, which should not wait behind routine.
    pub(super) const fn has_rung(&self) -> bool {
        self.rung
    }

    /// A poll is done. Whether it heeds what was heard of, and has found a message.
    pub(super) const fn polled(&mut self, heeds: bool, found: bool) {
        self.unmet = heeds && !found;
        self.rung &= !heeds;
    }
}

/// How many polls may follow each other at once.
const BURST: f64 = 30.0;
/// How many may do so every second for a long time: less than half of what the platform allows an address.
const PER_SECOND: f64 = 4.0;

/// Keeps a flood of events from becoming a flood of polls, each of which fetches all that there is.
#[derive(Debug)]
struct Tempo {
    left: f64,
    at: Duration,
}

impl Tempo {
    const fn new(now: Duration) -> Self {
        Self {
            left: BURST,
            at: now,
        }
    }

    async fn wait(&mut self, clock: &dyn Clock) {
        let wait = self.wait_from(clock.now());
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        self.refill(clock.now());
        self.left -= 1.0;
    }

    fn wait_from(&mut self, now: Duration) -> Duration {
        self.refill(now);
        Duration::from_secs_f64((1.0 - self.left).max(0.0) / PER_SECOND)
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use molecule_transport::testing::SimulatedClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_events_is_no_flood_of_polls() {
        let clock = SimulatedClock::new();
        let mut tempo = Tempo::new(clock.now());
        for _ in 0..30 {
            tempo.wait(&clock).await;
        }
        assert_eq!(clock.now(), Duration::ZERO);
        for _ in 0..240 {
            tempo.wait(&clock).await;
        }
        assert!(
            clock.now().abs_diff(Duration::from_secs(60)) < Duration::from_secs(1),
            "{:?}",
            clock.now()
        );
        clock.sleep(Duration::from_secs(3600)).await;
        let rested = clock.now();
        for _ in 0..30 {
            tempo.wait(&clock).await;
        }
        assert_eq!(clock.now(), rested);
    }
}
