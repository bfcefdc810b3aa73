//! `GET /workspaces/:id`: the open look at a workspace.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::endpoint::{Answer, Auth, Call, Endpoint};
use crate::lenient::lenient;
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
    #[serde(default, deserialize_with = "lenient")]
    pub runtime: Option<String>,
    /// Its role, for people.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Option<String>,
    /// Its tier.
    #[serde(default, deserialize_with = "lenient")]
    pub tier: Option<i64>,
    /// The workspace above it.
    #[serde(default, deserialize_with = "lenient")]
    pub parent_id: Option<String>,
    /// Where the platform reaches the agent; empty if nowhere.
    #[serde(default, deserialize_with = "lenient")]
    pub url: Option<String>,
    /// The agent's card.
    #[serde(default)]
    pub agent_card: Option<Value>,
    /// How many messages it is handling.
    #[serde(default, deserialize_with = "lenient")]
    pub active_tasks: Option<i64>,
    /// Its last reported error rate.
    #[serde(default)]
    pub last_error_rate: Option<f64>,
    /// Its last reported uptime.
    #[serde(default, deserialize_with = "lenient")]
    pub uptime_seconds: Option<i64>,
}

/// Others than the platform answer 404 in JSON too, but not in its words.
fn says_unknown(answer: &Answer<'_>) -> bool {
    answer
        .object()
        .is_some_and(|body| body.get("error").is_some_and(Value::is_string))
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
            StatusCode::NOT_FOUND if says_unknown(answer) => Ok(Lookup::Unknown),
            _ => Ok(match answer.json::<WorkspaceInfo>(Self::NAME)? {
                info if info.status == WorkspaceStatus::Removed => Lookup::Removed,
                info => Lookup::Found(Box::new(info)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn read(status: u16, body: &str) -> Result<Lookup, ApiError> {
        let look = GetWorkspace::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap());
        let headers = HeaderMap::new();
        look.read(&Answer::new(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        ))
    }

    #[test]
    fn only_the_platforms_own_404_means_unknown() {
        assert_eq!(
            read(404, r#"{"error":"workspace not found"}"#).unwrap(),
            Lookup::Unknown
        );
        assert!(read(404, r#"{"message":"no Route matched with those values"}"#).is_err());
        assert!(read(404, "").is_err());
        assert_eq!(read(410, "").unwrap(), Lookup::Removed);
    }

    #[test]
    fn fields_of_another_kind_do_not_hide_the_status() {
        let body = r#"{"id":"9e453dad-99f0-4e01-8c72-0031bf974e26","status":"paused","tier":2.5,"role":7}"#;
        match read(200, body).unwrap() {
            Lookup::Found(info) => {
                assert_eq!((info.status, info.tier), (WorkspaceStatus::Paused, None));
            }
            other => panic!("{other:?}"),
        }
    }
}
