//! What events do for an agent: they wake it.

use std::fmt;

use serde::Serialize;
use tokio_util::task::AbortOnDropHandle;

use super::EventNotice;
use crate::life::describe;
use crate::{AgentError, ErrorKind, RemoteAgentClient};

/// Whether an agent that polls listens to the platform's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventsMode {
    /// Where the platform has them: a message is asked for when it comes, and less often without.
    #[default]
    Auto,
    /// It does not.
    Off,
}

/// How an agent stands with the platform's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventsState {
    /// It does not listen.
    #[default]
    Off,
    /// It has no connection now, and tries to.
    Connecting,
    /// They come.
    Flowing,
    /// The platform has none.
    Unsupported,
}

impl EventsState {
    /// The word for it: `off`, `connecting`, `flowing` or `unsupported`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Connecting => "connecting",
            Self::Flowing => "flowing",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for EventsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RemoteAgentClient {
    /// How the agent stands with the platform's events. They are listened to while a [`PollDelivery`](crate::PollDelivery) is open.
    #[must_use]
    pub fn events_state(&self) -> EventsState {
        self.vitals().events_state()
    }
}

/// Listens to the platform's events on a task of its own, and wakes what should not wait then. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Listener {
    client: RemoteAgentClient,
    task: AbortOnDropHandle<()>,
}

impl Listener {
    pub(crate) fn start(client: RemoteAgentClient) -> Self {
        let task = AbortOnDropHandle::new(tokio::spawn(listen(client.clone())));
        Self { client, task }
    }

    /// Whether a message would be heard of.
    pub(crate) fn hears(&self) -> bool {
        self.client.events_state() == EventsState::Flowing
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // First, so that it does not say anything else after this.
        self.task.abort();
        self.client.vitals().events(EventsState::Off);
    }
}

async fn listen(client: RemoteAgentClient) {
    let mut events = client.events();
    let mut ear = Ear::new(client);
    ear.turn(EventsState::Connecting);
    loop {
        match events.next().await {
            Ok(notice) => ear.hear(&notice),
            Err(error) => ear.fail(&error),
        }
    }
}

struct Ear {
    client: RemoteAgentClient,
    /// What the log was told last.
    told: EventsState,
    /// There was a stream before, after which something may have been missed.
    has_heard: bool,
}

impl Ear {
    const fn new(client: RemoteAgentClient) -> Self {
        let told = EventsState::Off;
        Self {
            client,
            told,
            has_heard: false,
        }
    }

    fn turn(&self, state: EventsState) {
        self.client.vitals().events(state);
    }

    /// The state is turned before anybody is woken, who then looks at it.
    fn hear(&mut self, notice: &EventNotice) {
        let wakes = self.client.wakes();
        match notice {
            EventNotice::Connected => {
                self.turn(EventsState::Flowing);
                wakes.poll.trigger();
                // The first time it was just asked for.
                if std::mem::replace(&mut self.has_heard, true) {
                    wakes.state.trigger();
                }
                self.tell(EventsState::Flowing, None);
            }
            EventNotice::Disconnected => {
                self.turn(EventsState::Connecting);
                wakes.poll.trigger();
            }
            EventNotice::Event(event) if event.may_be_message() => wakes.poll.trigger(),
            EventNotice::Event(event) if event.may_change_state() => wakes.state.trigger(),
            EventNotice::Event(_) => {}
            EventNotice::Unreadable => wakes.poll.trigger(),
        }
    }

    fn fail(&mut self, error: &AgentError) {
        let state = match error.kind() {
            ErrorKind::Unsupported => EventsState::Unsupported,
            _ => EventsState::Connecting,
        };
        self.turn(state);
        if error.kind() == ErrorKind::Deleted {
            self.client.wakes().state.trigger();
        }
        self.tell(state, Some(error));
    }

    /// One line for each change, however often it is tried meanwhile.
    fn tell(&mut self, state: EventsState, error: Option<&AgentError>) {
        if std::mem::replace(&mut self.told, state) == state {
            return;
        }
        let error = error.map(describe).unwrap_or_default();
        match state {
            EventsState::Flowing => tracing::info!("events come: messages are heard of at once"),
            EventsState::Unsupported => {
                tracing::debug!(error, "the platform has no events; messages are polled for");
            }
            _ => tracing::info!(error, "no events for now; messages are polled for"),
        }
    }
}
