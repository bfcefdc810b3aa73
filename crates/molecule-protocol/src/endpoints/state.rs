//! `GET /workspaces/:id/state`: whether to go on.

use serde::{Deserialize, Serialize};

use crate::endpoint::{Answer, Call, Endpoint};
use crate::{ApiError, WorkspaceId, WorkspaceStatus};

/// `GET /workspaces/:id/state`.
#[derive(Debug, Clone)]
pub struct PollState {
    workspace_id: WorkspaceId,
}

/// The platform's view of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkspaceState {
    /// Whose state it is.
    pub workspace_id: WorkspaceId,
    /// Its status.
    pub status: WorkspaceStatus,
    /// Whether its user paused it.
    pub paused: bool,
    /// Whether it was deleted.
    pub deleted: bool,
}

impl WorkspaceState {
    /// The state of a workspace that is no more.
    #[must_use]
    pub const fn removed(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            status: WorkspaceStatus::Removed,
            paused: false,
            deleted: true,
        }
    }

    /// Whether the agent should leave its loop: paused or deleted.
    #[must_use]
    pub const fn should_stop(&self) -> bool {
        self.paused || self.deleted
    }
}

impl PollState {
    /// A poll of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

#[derive(Deserialize)]
struct StateBody {
    #[serde(default)]
    status: Option<WorkspaceStatus>,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    deleted: bool,
}

impl Endpoint for PollState {
    type Output = WorkspaceState;
    const NAME: &'static str = "state";

    fn call(&self) -> Call {
        Call::get(format!("/workspaces/{}/state", self.workspace_id))
    }

    /// A 404 means deleted only if its body says so: proxies and tenant guards answer 404 too.
    fn read(&self, answer: &Answer<'_>) -> Result<WorkspaceState, ApiError> {
        let says_deleted = || {
            answer
                .object()
                .is_some_and(|body| body.get("deleted") == Some(&true.into()))
        };
        if answer.status() == http::StatusCode::NOT_FOUND && says_deleted() {
            return Ok(WorkspaceState::removed(self.workspace_id));
        }
        let body: StateBody = answer.json(Self::NAME)?;
        let status = body
            .status
            .unwrap_or_else(|| WorkspaceStatus::Other("unknown".to_owned()));
        Ok(WorkspaceState {
            workspace_id: self.workspace_id,
            paused: body.paused || status == WorkspaceStatus::Paused,
            deleted: body.deleted || status == WorkspaceStatus::Removed,
            status,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn check(status: u16, body: &str, expect: &str) {
        let poll = PollState::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap());
        let headers = HeaderMap::new();
        let answer = Answer::new(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        );
        let shown = match poll.read(&answer) {
            Ok(state) => format!(
                "{} paused={} deleted={}",
                state.status, state.paused, state.deleted
            ),
            Err(error) => format!("{error:?}").split('(').next().unwrap().to_owned(),
        };
        assert_eq!(shown, expect, "{status} {body}");
    }

    #[test]
    fn only_a_body_that_says_so_means_deleted() {
        check(
            200,
            r#"{"status":"online","paused":false,"deleted":false}"#,
            "online paused=false deleted=false",
        );
        check(
            200,
            r#"{"status":"paused","paused":true}"#,
            "paused paused=true deleted=false",
        );
        check(
            404,
            r#"{"deleted":true,"status":"removed"}"#,
            "removed paused=false deleted=true",
        );
        check(404, "", "NoSuchRoute");
        check(404, "404 page not found", "NoSuchRoute");
        check(404, r#"{"error":"workspace not found"}"#, "NotFound");
        check(
            401,
            r#"{"error":"invalid workspace auth token"}"#,
            "Unauthorized",
        );
        check(200, "{}", "unknown paused=false deleted=false");
    }
}
