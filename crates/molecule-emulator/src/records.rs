//! What a workspace keeps on the platform besides its log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The records of one workspace.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Records {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Oldest first, like the lists below.
    pub(crate) memories: Vec<Memory>,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// A value under a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) version: i64,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
}

impl Entry {
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// Who sees a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Scope {
    /// The workspace itself.
    Local,
    /// Its parent and siblings too.
    Team,
    /// Everyone.
    Global,
}

/// Something an agent wants to remember.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) content: String,
    pub(crate) created_at: Timestamp,
    pub(crate) id: Uuid,
    pub(crate) namespace: String,
    pub(crate) scope: Scope,
    pub(crate) workspace_id: Uuid,
}

/// Something an agent asks its user to allow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub(crate) action: String,
    pub(crate) created_at: Timestamp,
    pub(crate) decided_at: Option<Timestamp>,
    pub(crate) decided_by: Option<String>,
    pub(crate) id: Uuid,
    pub(crate) reason: String,
    pub(crate) status: String,
    pub(crate) task_id: String,
}

/// How far a workflow got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) completed_at: Timestamp,
    pub(crate) id: Uuid,
    pub(crate) payload: Value,
    pub(crate) step_index: i64,
    pub(crate) step_name: String,
    pub(crate) workflow_id: String,
    pub(crate) workspace_id: Uuid,
}
