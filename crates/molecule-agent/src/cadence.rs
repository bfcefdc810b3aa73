//! How often each of many agents may say and ask what.

use std::time::Duration;

use crate::{DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_POLL_INTERVAL, DEFAULT_STATE_POLL_INTERVAL};

/// The platform takes an agent for dead after 90 s: at this interval one beat may be lost.
const SLOWEST_HEARTBEAT: Duration = Duration::from_secs(45);
const SLOWEST_STATE: Duration = Duration::from_secs(120);
const SLOWEST_POLL: Duration = Duration::from_secs(600);

/// What the intervals plan with; the rest of the limit is for answers, registrations and everything else.
const PLANNED: f64 = 0.9;

/// Waits are up to a tenth shorter than the interval, at random.
const MEAN_WAIT: f64 = 0.95;

/// How finely heartbeats and state are stretched.
const STEPS: u32 = 20;

/// What an agent sends before it is online and beats: a look, a registration, a heartbeat.
const REQUESTS_TO_START: f64 = 3.0;

/// The intervals of each of many agents that share a rate limit.
///
/// ```
/// use molecule_agent::Cadence;
///
/// assert_eq!(Cadence::for_agents(30, 600), Cadence::usual());
/// let stretched = Cadence::for_agents(250, 600);
/// assert_eq!((stretched.heartbeat.as_secs(), stretched.state.as_secs()), (45, 120));
/// assert!(stretched.requests_per_minute(250) <= 600.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cadence {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two questions whether to go on.
    pub state: Duration,
    /// Between two questions for messages.
    pub poll: Duration,
}

impl Cadence {
    /// That of an agent by itself.
    #[must_use]
    pub const fn usual() -> Self {
        Self {
            heartbeat: DEFAULT_HEARTBEAT_INTERVAL,
            state: DEFAULT_STATE_POLL_INTERVAL,
            poll: DEFAULT_POLL_INTERVAL,
        }
    }

    /// The shortest intervals with which so many agents keep a limit of requests in a minute, a tenth of which is left for
    /// everything else.
    ///
    /// Heartbeats (30 s) and questions about the state (30 s) are stretched up to 45 s and 120 s to leave half of the limit
    /// to polls, which take all that is left: from every 5 s down to every 10 minutes. More agents than that allows are
    /// more than the limit can carry.
    #[must_use]
    pub fn for_agents(agents: usize, limit: u32) -> Self {
        let planned = f64::from(limit) * PLANNED;
        let mut cadence = (0..=STEPS)
            .map(Self::stretched)
            .find(|cadence| cadence.life(agents) <= planned / 2.0)
            .unwrap_or(Self::stretched(STEPS));
        let left = (planned - cadence.life(agents)).max(f64::MIN_POSITIVE);
        let poll = times_a_minute(agents, Duration::from_secs(1)) / left;
        cadence.poll = Duration::from_secs_f64(poll.clamp(
            DEFAULT_POLL_INTERVAL.as_secs_f64(),
            SLOWEST_POLL.as_secs_f64(),
        ));
        cadence
    }

    /// How many requests so many agents make in a minute, when nothing happens.
    #[must_use]
    pub fn requests_per_minute(&self, agents: usize) -> f64 {
        self.life(agents) + times_a_minute(agents, self.poll)
    }

    /// Whether the limit carries so many agents at this cadence.
    #[must_use]
    pub fn fits(&self, agents: usize, limit: u32) -> bool {
        self.requests_per_minute(agents) <= f64::from(limit) * PLANNED * 1.001
    }

    /// The time between the starts of two agents, so that registering many does not hold up the heartbeats of those that run.
    #[must_use]
    pub fn between_starts(limit: u32) -> Duration {
        Duration::from_secs_f64(REQUESTS_TO_START * 60.0 / (f64::from(limit.max(1)) * PLANNED))
    }

    fn stretched(step: u32) -> Self {
        let between = |usual: Duration, slowest: Duration| usual + (slowest - usual) * step / STEPS;
        Self {
            heartbeat: between(DEFAULT_HEARTBEAT_INTERVAL, SLOWEST_HEARTBEAT),
            state: between(DEFAULT_STATE_POLL_INTERVAL, SLOWEST_STATE),
            poll: DEFAULT_POLL_INTERVAL,
        }
    }

    /// What heartbeats and state take.
    fn life(&self, agents: usize) -> f64 {
        times_a_minute(agents, self.heartbeat) + times_a_minute(agents, self.state)
    }
}

impl Default for Cadence {
    fn default() -> Self {
        Self::usual()
    }
}

fn times_a_minute(agents: usize, interval: Duration) -> f64 {
    agents as f64 * 60.0 / (interval.as_secs_f64() * MEAN_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(agents: usize, limit: u32, expect: (u64, u64, u64)) {
        let cadence = Cadence::for_agents(agents, limit);
        let seconds = [cadence.heartbeat, cadence.state, cadence.poll].map(|i| i.as_secs());
        assert_eq!(seconds, <[u64; 3]>::from(expect), "{agents} at {limit}");
    }

    #[test]
    fn intervals_stretch_with_the_number_of_agents() {
        check(1, 600, (30, 30, 5));
        check(32, 600, (30, 30, 5));
        check(50, 600, (30, 30, 9));
        check(100, 600, (36, 70, 22));
        check(200, 600, (45, 120, 82));
        check(250, 600, (45, 120, 274));
        check(2_000, 10_000, (40, 93, 27));
        check(1_000_000, 600, (45, 120, 600));
        check(0, 600, (30, 30, 5));
        check(1, 0, (45, 120, 600));
    }

    #[test]
    fn what_fits_keeps_the_limit_and_leaves_a_tenth() {
        for limit in [60, 600, 10_000] {
            for agents in 1..(limit as usize * 2 / 5) {
                let cadence = Cadence::for_agents(agents, limit);
                let demand = cadence.requests_per_minute(agents);
                assert!(cadence.fits(agents, limit), "{agents} at {limit}: {demand}");
                assert!(
                    demand <= f64::from(limit) * 0.901,
                    "{agents} at {limit}: {demand}"
                );
            }
        }
    }

    #[test]
    fn what_is_too_much_is_said() {
        assert!(Cadence::for_agents(260, 600).fits(260, 600));
        assert!(!Cadence::for_agents(270, 600).fits(270, 600));
    }

    #[test]
    fn starts_are_spread_by_what_they_take() {
        let gap = Cadence::between_starts(600);
        assert!((0.33..0.34).contains(&gap.as_secs_f64()), "{gap:?}");
    }
}
