//! One rate limit for all the clients of a process.

mod heard;
mod queue;
mod schedule;
mod shared;

pub use shared::{RateBudget, Share, Turn};

/// How many kinds of requests there are.
const PRIORITIES: usize = 4;

/// Which requests go first when the rate limit makes them wait.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Without it the platform takes the agent for dead: heartbeats and registrations.
    Heartbeat,
    /// Somebody waits for it: answers, messages, and every call that is not said to be another kind.
    #[default]
    Message,
    /// Routine: asking for messages.
    Poll,
    /// Routine that can wait longest: asking whether to go on.
    State,
}

impl Priority {
    const fn index(self) -> usize {
        self as usize
    }

    /// What leaves the last tenth of the limit to the others.
    const fn is_routine(self) -> bool {
        matches!(self, Self::Poll | Self::State)
    }
}
