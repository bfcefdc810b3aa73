//! Waits that can be cut short.

use std::time::Duration;

use molecule_transport::Clock;
use tokio::sync::watch;

use crate::life::pause;

/// Cuts waits short. Clones cut the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(watch::Sender<()>);

impl Wake {
    /// Ends the waits of now. Who does not wait now does not wait the next time.
    pub(crate) fn trigger(&self) {
        self.0.send_replace(());
    }

    /// For somebody who waits. What was triggered before does not count.
    pub(crate) fn alarm(&self) -> Alarm {
        Alarm(self.0.subscribe())
    }
}

/// Where one task hears a [`Wake`]. However often that was triggered meanwhile, it rings once.
#[derive(Debug)]
pub(crate) struct Alarm(watch::Receiver<()>);

impl Alarm {
    /// Completes once it rings, or has rung since this completed the last time. It may be dropped, and rings again.
    pub(crate) async fn rings(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could trigger it.
            std::future::pending::<()>().await;
        }
    }

    /// Waits as [`pause`] does, unless it rings; whether it did.
    pub(crate) async fn pause(&mut self, clock: &dyn Clock, interval: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.rings() => true,
            () = pause(clock, interval) => false,
        }
    }
}

/// All that waits in an agent.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    /// The next heartbeat.
    pub(crate) beat: Wake,
    /// The next question for the workspace's state.
    pub(crate) state: Wake,
    /// The next question for messages.
    pub(crate) poll: Wake,
    /// The stream of events, which is opened anew.
    pub(crate) events: Wake,
}

impl Wakes {
    pub(crate) fn all(&self) {
        for wake in [&self.beat, &self.state, &self.poll, &self.events] {
            wake.trigger();
        }
    }
}

#[cfg(test)]
mod tests {
    use molecule_transport::testing::SimulatedClock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_early_once_for_all_that_happened_meanwhile() {
        let (clock, wake) = (SimulatedClock::new(), Wake::default());
        wake.trigger();
        let mut alarm = wake.alarm();
        assert!(!alarm.pause(&clock, MINUTE).await);
        assert_eq!(clock.now(), MINUTE);
        wake.trigger();
        wake.clone().trigger();
        assert!(alarm.pause(&clock, MINUTE).await);
        assert_eq!(clock.now(), MINUTE);
        assert!(!alarm.pause(&clock, MINUTE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_who_waits_is_woken() {
        let (clock, wake) = (SimulatedClock::new(), Wake::default());
        let (mut one, mut other) = (wake.alarm(), wake.alarm());
        let later = async {
            clock.sleep(Duration::from_secs(1)).await;
            wake.trigger();
        };
        let woken = tokio::join!(
            one.pause(&clock, MINUTE),
            other.pause(&clock, MINUTE),
            later
        );
        assert_eq!((woken.0, woken.1), (true, true));
        assert_eq!(clock.now(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_that_nobody_can_trigger_waits_as_ever() {
        let clock = SimulatedClock::new();
        let mut alarm = Wake::default().alarm();
        assert!(!alarm.pause(&clock, MINUTE).await);
    }
}
