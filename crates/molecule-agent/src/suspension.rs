//! Notices that the machine, or the process, stood still.

use std::time::{Duration, SystemTime};

use molecule_transport::Clock;

use crate::{RemoteAgentClient, StopReason};

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(5);

/// How much later than expected it has to be. A busy machine is late as well, but not so late.
const TOLERANCE: Duration = Duration::from_secs(10);

/// Wakes everything in the agent when time went on without it: the platform may have taken it for dead, messages may wait, and connections may
/// have died unnoticed. It never ends.
pub(crate) async fn watch(client: RemoteAgentClient) -> StopReason {
    let clock = client.clock();
    loop {
        let before = Moment::of(clock.as_ref());
        clock.sleep(INTERVAL).await;
        let lost = before.lost(&Moment::of(clock.as_ref()));
        if lost > TOLERANCE {
            tracing::info!(
                seconds = lost.as_secs(),
                "stood still for a while; beating and asking for messages at once"
            );
            client.wake();
        }
    }
}

/// A moment on both clocks. Where a suspended machine stops the one that measures, the time of day goes on; a stopped process
/// is late on both.
struct Moment {
    now: Duration,
    wall: SystemTime,
}

impl Moment {
    fn of(clock: &dyn Clock) -> Self {
        Self {
            now: clock.now(),
            wall: clock.wall(),
        }
    }

    /// How much longer than the interval it took until `later`. A time of day that was set back says nothing.
    fn lost(&self, later: &Self) -> Duration {
        let measured = later.now.saturating_sub(self.now);
        let by_day = later.wall.duration_since(self.wall).unwrap_or_default();
        measured.max(by_day).saturating_sub(INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many seconds on each clock, so many are lost.
    fn check(measured: u64, by_day: i64, lost: u64) {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let before = Moment {
            now: Duration::from_secs(7),
            wall,
        };
        let shift = Duration::from_secs(by_day.unsigned_abs());
        let after = Moment {
            now: Duration::from_secs(7 + measured),
            wall: if by_day < 0 {
                wall - shift
            } else {
                wall + shift
            },
        };
        assert_eq!(before.lost(&after).as_secs(), lost, "{measured} {by_day}");
    }

    #[test]
    fn either_clock_says_that_time_was_lost() {
        check(5, 5, 0);
        check(5, 305, 300);
        check(305, 305, 300);
        check(305, 5, 300);
        check(5, -3600, 0);
    }
}
