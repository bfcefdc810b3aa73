//! Everything the platform remembers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::activity::{Log, Row};
use crate::events::History;
use crate::proxy::queue::Queue;
use crate::records::Records;
use crate::token::{OrgToken, Tokens};
use crate::workspace::{Secrets, Workspace};

/// The tables of the platform.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) workspaces: BTreeMap<Uuid, Workspace>,
    pub(crate) tokens: Tokens,
    pub(crate) org_tokens: Vec<OrgToken>,
    pub(crate) global_secrets: Secrets,
    pub(crate) activity: BTreeMap<Uuid, Log>,
    pub(crate) queue: Queue,
    /// The first row of the delegation that a source's key stands for.
    pub(crate) delegation_keys: BTreeMap<Uuid, BTreeMap<String, Uuid>>,
    pub(crate) events: History,
    pub(crate) records: BTreeMap<Uuid, Records>,
    next_seq: u64,
}

impl State {
    pub(crate) fn insert(&mut self, mut row: Workspace) {
        row.seq = self.next_seq;
        self.next_seq += 1;
        self.workspaces.insert(row.id, row);
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Workspace> {
        self.workspaces.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: Uuid) -> Option<&mut Workspace> {
        self.workspaces.get_mut(&id)
    }

    pub(crate) fn log(&mut self, row: Row) {
        self.activity.entry(row.workspace_id).or_default().push(row);
    }

    /// Marks a row as removed and takes away its tokens.
    pub(crate) fn remove(&mut self, id: Uuid, now: Timestamp) {
        self.tokens.revoke_all(id);
        if let Some(row) = self.get_mut(id) {
            row.set_status(crate::workspace::Status::Removed, now);
            row.removed_at.get_or_insert(now);
            row.live_until = None;
        }
    }

    /// Forgets a row and all that belongs to it.
    pub(crate) fn purge(&mut self, id: Uuid) {
        self.tokens.revoke_all(id);
        self.workspaces.remove(&id);
        self.activity.remove(&id);
        self.delegation_keys.remove(&id);
        self.records.remove(&id);
        self.queue.forget(id);
    }
}
