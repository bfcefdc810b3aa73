//! How to delegate, and how to wait.

use std::time::Duration;

use molecule_protocol::Delegation;
use molecule_transport::Timeouts;

/// Under which key a task is delegated, so that one sent twice is done once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdempotencyKey {
    /// One that follows from target, task and minute, is kept on disk until the platform answers, and is used again until then.
    #[default]
    Automatic,
    /// This one. The platform knows it for seven days, whatever the target and the task.
    Explicit(String),
    /// None: sent twice, it is done twice, and so it is not repeated when it fails.
    None,
}

/// Options of [`RemoteAgentClient::delegate`](crate::RemoteAgentClient::delegate).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegateOptions {
    /// Under which key. Default: automatic.
    pub key: IdempotencyKey,
    /// How long the platform may take to accept it. Default: 300 s.
    pub timeout: Duration,
}

impl Default for DelegateOptions {
    fn default() -> Self {
        Self {
            key: IdempotencyKey::Automatic,
            timeout: Timeouts::DELEGATE.idle_read,
        }
    }
}

impl DelegateOptions {
    /// With an automatic key, and 300 s for the platform to accept it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Under this key. An empty one is none.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.key = if key.is_empty() {
            IdempotencyKey::None
        } else {
            IdempotencyKey::Explicit(key)
        };
        self
    }

    /// Without a key.
    #[must_use]
    pub fn without_key(self) -> Self {
        self.with_key("")
    }

    /// Gives the platform so long to accept it.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Options of [`RemoteAgentClient::wait_delegation`](crate::RemoteAgentClient::wait_delegation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegationWait {
    /// How long to wait; with none at all, the platform is asked once. Default: 300 s.
    pub timeout: Duration,
    /// How often to ask. Default: 2 s.
    pub interval: Duration,
}

impl Default for DelegationWait {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            interval: Duration::from_secs(2),
        }
    }
}

impl DelegationWait {
    /// For 300 s, asking every 2 s.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits so long.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Asks so often.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }
}

/// What came of waiting for a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationOutcome {
    /// Its target answered.
    Completed {
        /// The delegation.
        delegation: Delegation,
        /// The answer.
        text: String,
        /// Whether that is the whole answer, or what the platform's listing shows of it.
        whole: bool,
    },
    /// It could not be done; `error` says why, as far as the platform knows. A target that answered with an error, whose code and
    /// words `error` has then, failed too; the platform takes that for an answer, and goes on giving the same delegation for
    /// its key.
    Failed(Delegation),
    /// It goes on, but the time to wait is over. `None` if the platform has not listed it.
    TimedOut(Option<Delegation>),
    /// It goes on, but the caller cancelled the wait.
    Cancelled(Option<Delegation>),
}
