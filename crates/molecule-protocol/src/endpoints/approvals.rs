//! `/workspaces/:id/approvals`: asking a person before doing something.

use serde::{Deserialize, Serialize};

use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::{lenient, readable};
use crate::{ApiError, Timestamp, WorkspaceId};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ApprovalStatus {
    /// Nobody decided yet.
    Pending,
    /// Go on.
    Approved,
    /// Do not; also what becomes of a request that nobody looked at in time.
    Denied,
    /// Something that we do not know, which is no permission.
    Other(String),
}

impl ApprovalStatus {
    /// The platform's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for ApprovalStatus {
    fn from(word: String) -> Self {
        [Self::Pending, Self::Approved, Self::Denied]
            .into_iter()
            .find(|status| status.as_str() == word)
            .unwrap_or(Self::Other(word))
    }
}

impl From<ApprovalStatus> for String {
    fn from(status: ApprovalStatus) -> Self {
        status.as_str().to_owned()
    }
}

/// `POST /workspaces/:id/approvals`. Sent twice, it asks twice.
#[derive(Debug, Clone, Serialize)]
pub struct RequestApproval {
    #[serde(skip)]
    workspace_id: WorkspaceId,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A request that the platform took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestedApproval {
    /// By what its decision is found.
    pub approval_id: String,
    /// What became of it: nothing yet.
    pub status: ApprovalStatus,
}

impl RequestApproval {
    /// May `workspace_id` do `action`? The platform refuses an empty one.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, action: impl Into<String>) -> Self {
        Self {
            workspace_id,
            action: action.into(),
            reason: None,
        }
    }

    /// Why it wants to.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

impl Endpoint for RequestApproval {
    type Output = RequestedApproval;
    const NAME: &'static str = "approval request";

    fn call(&self) -> Call {
        Call::post(format!("/workspaces/{}/approvals", self.workspace_id)).json(self)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<RequestedApproval, ApiError> {
        answer.json_if_known(Self::NAME)
    }
}

/// `GET /workspaces/:id/approvals`: the newest requests, which are 50 at the most, and what became of them.
#[derive(Debug, Clone)]
pub struct ListApprovals {
    workspace_id: WorkspaceId,
}

/// A request, and what became of it. The recorded platforms had none to list: all but the id and the status may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// By what it was requested.
    #[serde(alias = "approval_id")]
    pub id: String,
    /// What became of it.
    pub status: ApprovalStatus,
    /// What is to be done.
    #[serde(default, deserialize_with = "lenient")]
    pub action: String,
    /// Why.
    #[serde(default, deserialize_with = "lenient")]
    pub reason: Option<String>,
    /// Who decided.
    #[serde(default, deserialize_with = "lenient")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "lenient")]
    pub decided_at: Option<Timestamp>,
    /// When it was requested.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
}

impl ListApprovals {
    /// What `workspace_id` asked for.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

impl Endpoint for ListApprovals {
    type Output = Vec<Approval>;
    const NAME: &'static str = "approval list";

    fn call(&self) -> Call {
        Call::get(format!("/workspaces/{}/approvals", self.workspace_id))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<Approval>, ApiError> {
        let list: Option<Vec<_>> = answer.json_if_known(Self::NAME)?;
        Ok(readable(list.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

    fn list(status: u16, body: &str) -> Result<Vec<Approval>, ApiError> {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        ListApprovals::new(ID.parse().unwrap()).read(&Answer::new(
            status,
            &headers,
            body.as_bytes(),
        ))
    }

    #[test]
    fn only_the_known_word_is_a_permission() {
        let body = r#"[{"id":"a","status":"approved","action":"deploy","reason":null,"decided_by":"human"},
            {"id":"b","status":"Approved"}, {"id":"c"}, {"approval_id":"d","status":"denied"}]"#;
        let list = list(200, body).unwrap();
        let read: Vec<_> = list
            .iter()
            .map(|approval| {
                (
                    approval.id.as_str(),
                    approval.status == ApprovalStatus::Approved,
                )
            })
            .collect();
        assert_eq!(read, [("a", true), ("b", false), ("d", false)]);
        assert_eq!(list[1].status, ApprovalStatus::Other("Approved".to_owned()));
    }

    #[test]
    fn a_platform_without_approvals_is_told_from_one_that_is_not_there() {
        let refused = |body| list(404, body).unwrap_err();
        assert!(matches!(
            refused("404 page not found"),
            ApiError::Unsupported(_)
        ));
        assert!(matches!(refused(""), ApiError::NoSuchRoute(_)));
        assert!(list(200, "{}").is_err());
        assert!(list(200, "null").unwrap().is_empty());
    }
}
