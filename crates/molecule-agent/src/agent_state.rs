//! How the agent is, for those who watch it.

use std::fmt;

use molecule_protocol::Timestamp;
use serde::Serialize;

use crate::{EventsState, StopReason};

/// What the agent is doing, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentState {
    /// No heartbeat has arrived yet.
    Starting,
    /// Heartbeats arrive and messages come.
    Online,
    /// It is online, but something fails: [`AgentStatus::problem`] says what.
    Degraded,
    /// Its user paused the workspace, and it waits to be resumed.
    Paused,
    /// The platform gives no answer.
    Disconnected,
    /// It takes no more messages and waits for running handlers.
    Draining,
    /// It has ended.
    Stopped(StopReason),
}

impl AgentState {
    /// The word for it, such as `online`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
            Self::Disconnected => "disconnected",
            Self::Draining => "draining",
            Self::Stopped(_) => "stopped",
        }
    }
}

impl fmt::Display for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Stopped(reason) => write!(f, " ({reason})"),
            _ => Ok(()),
        }
    }
}

/// How the agent is: what [`watch_status`](crate::RemoteAgentClient::watch_status) shows. It holds no secrets. Counts are since the client
/// was built.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AgentStatus {
    /// What it is doing.
    #[serde(flatten)]
    pub state: AgentState,
    /// Since when.
    pub since: Timestamp,
    /// What fails at present.
    pub problem: Option<String>,
    /// When the platform last took a heartbeat.
    pub last_heartbeat: Option<Timestamp>,
    /// When messages were last asked for with success, or an agent that is called last saw that nothing is lost.
    pub last_poll: Option<Timestamp>,
    /// Whether messages can come: neither the last poll failed, nor the last use of the journal; and calls arrive.
    pub receiving: bool,
    /// Whether the platform's events arrive, so that messages need not wait for the next poll.
    pub events: EventsState,
    /// Messages that were accepted and are not done with.
    pub pending: usize,
    /// Messages that a handler works on.
    pub handling: usize,
    /// Messages that were given up and wait for somebody to look at them.
    pub dead: usize,
    /// Heartbeats that the platform took.
    pub heartbeats: u64,
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that were handled without an error.
    pub handled: u64,
    /// Handlers that failed.
    pub failed: u64,
    /// Answers that were taken, and those that calls were given.
    pub answered: u64,
}

impl AgentStatus {
    pub(crate) const fn new(since: Timestamp) -> Self {
        Self {
            state: AgentState::Starting,
            since,
            problem: None,
            last_heartbeat: None,
            last_poll: None,
            receiving: true,
            events: EventsState::Off,
            pending: 0,
            handling: 0,
            dead: 0,
            heartbeats: 0,
            accepted: 0,
            handled: 0,
            failed: 0,
            answered: 0,
        }
    }
}
