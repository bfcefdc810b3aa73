//! Events: heard by whoever listens, and those about workspaces kept.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::activity::Row;
use crate::tx::Tx;
use crate::workspace::Status;

/// Events that a listener may be behind. One that is further behind misses the oldest; it never holds up the platform.
const BACKLOG: usize = 256;

/// Events that are kept.
const KEPT: usize = 1000;

/// Something that happened at a workspace.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    pub(crate) workspace: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) payload: Value,
}

/// Where events go.
#[derive(Debug)]
pub(crate) struct Bus(broadcast::Sender<Arc<Event>>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Bus {
    /// Everything from now on.
    pub(crate) fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }

    fn send(&self, event: Event) {
        // Nobody listening is no error.
        let _ = self.0.send(Arc::new(event));
    }
}

/// One who listens.
#[derive(Debug)]
pub(crate) struct Listener(broadcast::Receiver<Arc<Event>>);

impl Listener {
    /// The next event; what was missed is left out. Nothing once the platform is gone.
    pub(crate) async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a slow listener missed events");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// An event as it is kept and listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) created_at: Timestamp,
    pub(crate) event_type: String,
    pub(crate) id: Uuid,
    pub(crate) payload: Value,
    pub(crate) workspace_id: Uuid,
}

/// The last events, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct History(VecDeque<Kept>);

impl History {
    fn push(&mut self, event: Kept) {
        self.0.push_back(event);
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// The newest hundred that fit, newest first.
    pub(crate) fn newest(&self, fits: impl Fn(&Kept) -> bool) -> Vec<&Kept> {
        self.0
            .iter()
            .rev()
            .filter(|event| fits(event))
            .take(100)
            .collect()
    }
}

impl Tx<'_> {
    /// Tells the listeners. A workspace that something happens at counts as heard of.
    pub(crate) fn emit(&mut self, kind: &'static str, workspace: Uuid, payload: Value) {
        let at = self.now;
        if let Some(row) = self.state.get_mut(workspace) {
            row.last_event_at = Some(at);
        }
        self.bus.send(Event {
            kind,
            workspace,
            at,
            payload,
        });
    }

    /// Tells the listeners and keeps the event.
    pub(crate) fn record(&mut self, kind: &'static str, workspace: Uuid, payload: Value) {
        self.state.events.push(Kept {
            created_at: self.now,
            event_type: kind.to_owned(),
            id: Uuid::new_v4(),
            payload: payload.clone(),
            workspace_id: workspace,
        });
        self.emit(kind, workspace, payload);
    }

    /// Records the status that a workspace has now.
    pub(crate) fn record_status(&mut self, workspace: Uuid) {
        let Some(row) = self.state.get(workspace) else {
            return;
        };
        let payload = match row.status {
            Status::Online => json!({ "agent_card": row.agent_card, "url": row.url }),
            Status::Provisioning | Status::AwaitingAgent => {
                json!({ "name": row.name, "runtime": row.runtime, "tier": row.tier })
            }
            Status::Failed => json!({ "error": row.report.sample_error }),
            _ => json!({ "name": row.name }),
        };
        self.record(row.status.event(), workspace, payload);
    }

    /// Adds a row to its workspace's log and tells the listeners.
    pub(crate) fn log(&mut self, row: Row) {
        self.emit("ACTIVITY_LOGGED", row.workspace_id, row.notice());
        self.state.log(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64) -> Event {
        Event {
            kind: "WORKSPACE_HEARTBEAT",
            workspace: Uuid::nil(),
            at: Timestamp::from_second(second).unwrap(),
            payload: Value::Null,
        }
    }

    #[tokio::test]
    async fn a_slow_listener_misses_the_oldest_events_and_holds_up_nobody() {
        let bus = Bus::default();
        let mut slow = bus.listen();
        let sent = i64::try_from(BACKLOG).unwrap() + 10;
        (0..sent).for_each(|second| bus.send(event(second)));
        assert_eq!(slow.next().await.unwrap().at.as_second(), 10);
        drop(bus);
        while slow.next().await.is_some() {}
    }

    #[test]
    fn the_oldest_events_are_forgotten_and_the_newest_listed_first() {
        let mut history = History::default();
        for second in 0..=KEPT {
            history.push(Kept {
                created_at: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
                event_type: "WORKSPACE_ONLINE".to_owned(),
                id: Uuid::nil(),
                payload: Value::Null,
                workspace_id: Uuid::nil(),
            });
        }
        let newest = history.newest(|_| true);
        assert_eq!((newest.len(), history.0.len()), (100, KEPT));
        assert_eq!(newest[0].created_at.as_second(), 1000);
    }
}
