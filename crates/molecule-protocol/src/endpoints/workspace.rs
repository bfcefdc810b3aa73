//! `GET /workspaces/:id`: the open look at a workspace.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::endpoint::{Answer, Auth, Call, Endpoint};
use crate::{ApiError, WorkspaceId, WorkspaceStatus};

/// `GET /workspaces/:id`, which needs no token: how to tell a deleted workspace from a revoked token.
#[derive(Debug, Clone)]
pub struct GetWorkspace {
    workspace_id: WorkspaceId,
}

/// What the platform knows about an id.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Lookup {
    /// A workspace that exists.
    Found(Box<WorkspaceInfo>),
    /// A workspace that was deleted.
    Removed,
    /// The platform has no such workspace, or no trace of it any more.
    Unknown,
}

/// A workspace as the platform lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkspaceInfo {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its status.
    pub status: WorkspaceStatus,
    /// What runs it: `external` for remote agents.
    #[serde(default)]
    pub runtime: Option<String>,
    /// Its role, for people.
    #[serde(default)]
    pub role: Option<String>,
    /// Its tier.
    #[serde(default)]
    pub tier: Option<i64>,
    /// The workspace above it.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// Where the platform reaches the agent; empty if nowhere.
    #[serde(default)]
    pub url: Option<String>,
    /// The agent's card.
    #[serde(default)]
    pub agent_card: Option<Value>,
    /// How many messages it is handling.
    #[serde(default)]
    pub active_tasks: Option<i64>,
    /// Its last reported error rate.
    #[serde(default)]
    pub last_error_rate: Option<f64>,
    /// Its last reported uptime.
    #[serde(default)]
    pub uptime_seconds: Option<i64>,
}

impl GetWorkspace {
    /// A look at `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

impl Endpoint for GetWorkspace {
    type Output = Lookup;
    const NAME: &'static str = "workspace";

    fn call(&self) -> Call {
        Call::get(format!("/workspaces/{}", self.workspace_id)).auth(Auth::Open)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Lookup, ApiError> {
        match answer.status() {
            StatusCode::GONE => Ok(Lookup::Removed),
            StatusCode::NOT_FOUND if answer.object().is_some() => Ok(Lookup::Unknown),
            _ => Ok(match answer.json::<WorkspaceInfo>(Self::NAME)? {
                info if info.status == WorkspaceStatus::Removed => Lookup::Removed,
                info => Lookup::Found(Box::new(info)),
            }),
        }
    }
}
