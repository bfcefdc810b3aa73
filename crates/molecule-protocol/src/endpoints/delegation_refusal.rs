//! Why the platform does not take a delegation.

use std::fmt;

use http::StatusCode;

use crate::ApiError;
use crate::endpoint::Answer;

/// Why the platform does not take a delegation, and what to do. It looks at the target's address and rights later: what is
/// wrong with those fails the delegation, not the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationRefusal {
    /// There is no target or no task.
    Incomplete,
    /// The target is no workspace id.
    InvalidTarget,
    /// The target is the workspace itself.
    ToItself,
    /// A delegation cannot be updated to that status.
    InvalidStatus,
}

impl fmt::Display for DelegationRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "a delegation needs a target and a task that is not empty",
            Self::InvalidTarget => "the target has to be the id of a workspace",
            Self::ToItself => "a workspace cannot delegate to itself; name another one",
            Self::InvalidStatus => "a delegation ends as completed or failed, and as nothing else",
        })
    }
}

impl DelegationRefusal {
    fn of(answer: &Answer<'_>) -> Option<Self> {
        if answer.status() != StatusCode::BAD_REQUEST {
            return None;
        }
        let words = answer.message()?;
        Some(match words.as_str() {
            "invalid delegation request" => Self::Incomplete,
            "target_id must be a valid UUID" => Self::InvalidTarget,
            "self-delegation not permitted" => Self::ToItself,
            words if words.starts_with("status must be") => Self::InvalidStatus,
            _ => return None,
        })
    }
}

/// The typed error of an answer that is not good, from an endpoint that deals with a delegation.
pub(super) fn refused(answer: &Answer<'_>, endpoint: &'static str) -> ApiError {
    match DelegationRefusal::of(answer) {
        Some(reason) => ApiError::Delegation(answer.refused(endpoint), reason),
        None => answer.refusal(endpoint),
    }
}
