//! `/workspaces/:id/secrets`: what the user entrusts to the agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::{Answer, Call, Endpoint};
use crate::{ApiError, Secret, WorkspaceId};

/// `GET /workspaces/:id/secrets/values`: global and workspace secrets merged, the workspace's winning.
///
/// Only the workspace's own token is accepted. The platform does not restrict the keys: check one
/// before it becomes the name of an environment variable.
#[derive(Debug, Clone)]
pub struct PullSecrets {
    workspace_id: WorkspaceId,
}

impl PullSecrets {
    /// The secrets of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

impl Endpoint for PullSecrets {
    type Output = BTreeMap<String, Secret>;
    const NAME: &'static str = "secrets";

    fn call(&self) -> Call {
        Call::get(format!("/workspaces/{}/secrets/values", self.workspace_id))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<BTreeMap<String, Secret>, ApiError> {
        Ok(answer.json::<Option<_>>(Self::NAME)?.unwrap_or_default())
    }
}

/// `GET /workspaces/:id/secrets`: which secrets there are, without their values.
#[derive(Debug, Clone)]
pub struct ListSecrets {
    workspace_id: WorkspaceId,
}

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SecretInfo {
    /// Its key.
    pub key: String,
    /// `workspace` or `global`.
    #[serde(default)]
    pub scope: String,
    /// When it was last changed.
    #[serde(default)]
    pub updated_at: Option<String>,
}

impl ListSecrets {
    /// The secrets of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

impl Endpoint for ListSecrets {
    type Output = Vec<SecretInfo>;
    const NAME: &'static str = "secrets";

    fn call(&self) -> Call {
        Call::get(format!("/workspaces/{}/secrets", self.workspace_id))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<SecretInfo>, ApiError> {
        Ok(answer.json::<Option<_>>(Self::NAME)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[test]
    fn values_are_read_and_never_shown() {
        let pull = PullSecrets::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap());
        let headers = HeaderMap::new();
        let secrets = pull
            .read(&Answer::new(
                StatusCode::OK,
                &headers,
                br#"{"API_KEY":"s3cr3t-2"}"#,
            ))
            .unwrap();
        assert_eq!(secrets["API_KEY"].expose(), "s3cr3t-2");
        assert!(!format!("{secrets:?}").contains("s3cr3t"));
        assert!(
            pull.read(&Answer::new(StatusCode::OK, &headers, b"null"))
                .unwrap()
                .is_empty()
        );
    }
}
