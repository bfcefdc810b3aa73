//! How a running agent is observed and steered: over `agent.sock` in its directory by who owns that, and over the address that
//! `--admin-listen` names by who reaches it, who can change nothing.

mod client;
mod listen;
mod metrics;
mod ready;
mod router;
mod socket;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_agent::{AgentStatus, Journal, RemoteAgentClient, WorkspaceId};
use serde::Serialize;
use tokio::sync::watch;

pub(crate) use client::AgentClient;
pub(crate) use listen::listen;
pub(crate) use socket::AgentSocket;

/// The agents of this process, those too that have not started yet, or never could.
#[derive(Debug, Clone)]
pub(crate) struct Agents {
    all: Arc<Mutex<BTreeMap<WorkspaceId, Known>>>,
}

/// What is known of an agent.
#[derive(Debug, Clone)]
enum Known {
    /// It is to start.
    Expected,
    /// It started, and says itself how it is.
    Started(Watched),
    /// It ended before it started.
    Ended,
}

/// An agent that runs, or did.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    workspace_id: WorkspaceId,
    status: watch::Receiver<AgentStatus>,
    journal: Journal,
    /// Whether it asks for messages; else they are pushed elsewhere.
    polls: bool,
}

/// What `/status` says of an agent.
#[derive(Debug, Serialize)]
struct Row {
    workspace_id: WorkspaceId,
    /// The process that runs it.
    pid: u32,
    #[serde(flatten)]
    status: AgentStatus,
}

impl Agents {
    /// Agents that are to start.
    pub(crate) fn expected(ids: impl IntoIterator<Item = WorkspaceId>) -> Self {
        let all = ids.into_iter().map(|id| (id, Known::Expected)).collect();
        Self {
            all: Arc::new(Mutex::new(all)),
        }
    }

    /// Takes note of an agent that starts.
    pub(crate) fn add(&self, agent: Watched) {
        self.lock()
            .insert(agent.workspace_id, Known::Started(agent));
    }

    /// Takes note of the end of an agent; of one that started it shows already.
    pub(crate) fn ended(&self, id: WorkspaceId) {
        if let Some(known @ Known::Expected) = self.lock().get_mut(&id) {
            *known = Known::Ended;
        }
    }

    fn all(&self) -> BTreeMap<WorkspaceId, Known> {
        self.lock().clone()
    }

    fn rows(&self) -> Vec<Row> {
        let all = self.all().into_values();
        all.filter_map(Known::started).map(Row::of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkspaceId, Known>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn started(self) -> Option<Watched> {
        match self {
            Self::Started(agent) => Some(agent),
            Self::Expected | Self::Ended => None,
        }
    }

    /// What it is doing, in one word.
    fn state(&self) -> &'static str {
        match self {
            Self::Expected => "starting",
            Self::Started(agent) => agent.status.borrow().state.as_str(),
            Self::Ended => "stopped",
        }
    }
}

impl Watched {
    /// The agent of this client.
    pub(crate) fn new(client: &RemoteAgentClient, polls: bool) -> Self {
        Self {
            workspace_id: client.workspace_id(),
            status: client.watch_status(),
            journal: client.journal(),
            polls,
        }
    }
}

impl Row {
    fn of(agent: Watched) -> Self {
        Self {
            workspace_id: agent.workspace_id,
            pid: std::process::id(),
            status: agent.status.borrow().clone(),
        }
    }
}
