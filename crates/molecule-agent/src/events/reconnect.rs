//! When to connect again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use molecule_transport::{Clock, retry_after};

use crate::ErrorKind;
use crate::wake::Alarm;

/// The shortest wait.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest, unless the platform asks for more.
const LONGEST: Duration = Duration::from_secs(60);
/// The wait where there is no such stream: the platform may be a later one by then.
const UNSUPPORTED: Duration = Duration::from_secs(600);
/// A connection that lived for so long is no failure when it ends.
const LIVED: Duration = Duration::from_secs(30);

/// The waits between two connections: spread over all of a span that doubles with each failure, so that agents that were cut off together do not
/// come back together.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    failures: u32,
    due: Option<Duration>,
}

impl Reconnect {
    /// Completes when it is time, or when the alarm rings.
    pub(super) async fn wait(&mut self, clock: &dyn Clock, alarm: &mut Alarm) {
        if let Some(due) = self.due {
            tokio::select! {
                biased;
                () = alarm.rings() => {}
                () = clock.sleep(due.saturating_sub(clock.now())) => {}
            }
        }
        self.due = None;
    }

    /// The next try need not wait.
    pub(super) fn at_once(&mut self) {
        *self = Self::default();
    }

    /// There is no connection, for this reason; the platform may have `asked` for a wait.
    pub(super) fn failed(&mut self, clock: &dyn Clock, kind: ErrorKind, asked: Option<Duration>) {
        let wait = match (kind, asked) {
            (_, Some(asked)) => asked.saturating_add(self.spread(clock)),
            (ErrorKind::Unsupported, None) => UNSUPPORTED + self.spread(clock),
            (_, None) => self.spread(clock),
        };
        self.next(clock, wait);
    }

    /// A connection ended that has been alive since then; the stream may have `asked` for a wait, in milliseconds.
    pub(super) fn ended(
        &mut self,
        clock: &dyn Clock,
        alive_since: Option<Duration>,
        asked: Option<u64>,
    ) {
        let lived = alive_since.map(|since| clock.now().saturating_sub(since));
        if lived.is_some_and(|lived| lived >= LIVED) {
            self.failures = 0;
        }
        let asked = Duration::from_millis(asked.unwrap_or(0)).min(LONGEST);
        let wait = self.spread(clock).max(asked);
        self.next(clock, wait);
    }

    fn next(&mut self, clock: &dyn Clock, wait: Duration) {
        self.due = Some(clock.now().saturating_add(wait));
        self.failures = self.failures.saturating_add(1);
    }

    fn spread(&self, clock: &dyn Clock) -> Duration {
        let span = 2_u32.saturating_pow(self.failures.saturating_add(1));
        let longest = SHORTEST.saturating_mul(span).min(LONGEST);
        SHORTEST + (longest - SHORTEST).mul_f64(clock.jitter())
    }
}

/// The wait that a refusal asks for.
pub(super) fn asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    Some(retry_after(value)?.wait_from(now))
}

#[cfg(test)]
mod tests {
    use molecule_transport::testing::SimulatedClock;

    use super::*;
    use crate::wake::Wake;

    /// Seconds until the next try, for the highest jitter.
    fn due(reconnect: &Reconnect, clock: &SimulatedClock) -> u64 {
        let wait = reconnect.due.unwrap() - clock.now();
        wait.as_millis().div_ceil(1000) as u64
    }

    #[tokio::test(start_paused = true)]
    async fn the_span_doubles_up_to_a_minute() {
        let clock = SimulatedClock::new().with_jitter(0.999_999);
        let mut reconnect = Reconnect::default();
        for expect in [2, 4, 8, 16, 32, 60, 60] {
            reconnect.failed(&clock, ErrorKind::Unreachable, None);
            assert_eq!(due(&reconnect, &clock), expect);
        }
        for _ in 0..100 {
            reconnect.failed(&clock, ErrorKind::Unreachable, None);
        }
        assert_eq!(due(&reconnect, &clock), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_never_shorter_than_a_second() {
        let clock = SimulatedClock::new();
        let mut reconnect = Reconnect::default();
        for _ in 0..10 {
            reconnect.failed(&clock, ErrorKind::Unreachable, None);
            assert_eq!(due(&reconnect, &clock), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_platform_asks_for_is_waited_for_in_full() {
        let clock = SimulatedClock::new();
        let mut reconnect = Reconnect::default();
        let asked = Some(Duration::from_secs(300));
        reconnect.failed(&clock, ErrorKind::Temporary, asked);
        assert_eq!(due(&reconnect, &clock), 301);
        reconnect.failed(&clock, ErrorKind::Unsupported, None);
        assert_eq!(due(&reconnect, &clock), 601);
        reconnect.ended(&clock, Some(Duration::ZERO), Some(7000));
        assert_eq!(due(&reconnect, &clock), 7);
        reconnect.ended(&clock, Some(Duration::ZERO), Some(u64::MAX));
        assert_eq!(due(&reconnect, &clock), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_lived_starts_the_waits_anew() {
        let clock = SimulatedClock::new().with_jitter(0.999_999);
        let mut reconnect = Reconnect::default();
        for expect in [2, 4, 8] {
            reconnect.ended(&clock, Some(clock.now()), None);
            assert_eq!(due(&reconnect, &clock), expect);
        }
        let since = clock.now();
        clock.sleep(LIVED).await;
        reconnect.ended(&clock, Some(since), None);
        assert_eq!(due(&reconnect, &clock), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_ends_the_wait() {
        let (clock, wake) = (SimulatedClock::new(), Wake::default());
        let mut alarm = wake.alarm();
        let mut reconnect = Reconnect::default();
        reconnect.failed(&clock, ErrorKind::Unsupported, None);
        wake.trigger();
        reconnect.wait(&clock, &mut alarm).await;
        assert_eq!(clock.now(), Duration::ZERO);
        reconnect.failed(&clock, ErrorKind::Unsupported, None);
        reconnect.wait(&clock, &mut alarm).await;
        assert_eq!(clock.now(), Duration::from_secs(601));
    }

    #[test]
    fn a_refusal_says_how_long_to_wait_in_either_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            asked(&headers, now)
        };
        assert_eq!(headers("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            headers("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(headers("soon"), None);
        assert_eq!(asked(&HeaderMap::new(), now), None);
    }
}
