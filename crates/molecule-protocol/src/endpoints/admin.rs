//! What a platform's administrator does with workspaces.

use serde::{Deserialize, Serialize};

use crate::endpoint::{Answer, Auth, Call, Endpoint};
use crate::endpoints::WorkspaceInfo;
use crate::{ApiError, Secret, WorkspaceId};

/// `POST /workspaces`: a new workspace for a remote agent.
///
/// `runtime` is always sent: Gen A takes `external: true` alone for a container and declares it dead.
#[derive(Debug, Clone, Serialize)]
pub struct CreateWorkspace {
    name: String,
    runtime: &'static str,
    external: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<WorkspaceId>,
}

/// A workspace that was just created.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedWorkspace {
    /// Its id.
    pub id: WorkspaceId,
    /// What its agent needs to connect.
    #[serde(default)]
    connection: Option<Connection>,
}

#[derive(Debug, Clone, Deserialize)]
struct Connection {
    #[serde(default)]
    auth_token: Option<Secret>,
}

impl CreatedWorkspace {
    /// Its token, shown this once.
    #[must_use]
    pub fn auth_token(&self) -> Option<&Secret> {
        self.connection.as_ref()?.auth_token.as_ref()
    }
}

impl CreateWorkspace {
    /// A workspace of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            runtime: "external",
            external: true,
            role: None,
            parent_id: None,
        }
    }

    /// With a role, for people and for peers.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Below another workspace.
    #[must_use]
    pub const fn with_parent(mut self, parent: WorkspaceId) -> Self {
        self.parent_id = Some(parent);
        self
    }
}

impl Endpoint for CreateWorkspace {
    type Output = CreatedWorkspace;
    const NAME: &'static str = "create workspace";

    fn call(&self) -> Call {
        Call::post("/workspaces").json(self).auth(Auth::Admin)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<CreatedWorkspace, ApiError> {
        answer.json(Self::NAME)
    }
}

/// `GET /workspaces`: all workspaces that were not deleted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListWorkspaces;

impl ListWorkspaces {
    /// The listing.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Endpoint for ListWorkspaces {
    type Output = Vec<WorkspaceInfo>;
    const NAME: &'static str = "list workspaces";

    fn call(&self) -> Call {
        Call::get("/workspaces".to_owned()).auth(Auth::Admin)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<WorkspaceInfo>, ApiError> {
        Ok(answer.json::<Option<_>>(Self::NAME)?.unwrap_or_default())
    }
}

macro_rules! lifecycle {
    ($(#[$doc:meta])* $name:ident, $label:literal, $call:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            workspace_id: WorkspaceId,
        }

        impl $name {
            /// For this workspace.
            #[must_use]
            pub const fn new(workspace_id: WorkspaceId) -> Self {
                Self { workspace_id }
            }
        }

        impl Endpoint for $name {
            type Output = ();
            const NAME: &'static str = $label;

            fn call(&self) -> Call {
                let call: fn(&WorkspaceId) -> Call = $call;
                call(&self.workspace_id).auth(Auth::Admin)
            }

            fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
                answer.done(Self::NAME)
            }
        }
    };
}

lifecycle! {
    /// `POST /workspaces/:id/pause`: stops it, and those below it.
    PauseWorkspace, "pause", |id| Call::post(format!("/workspaces/{id}/pause"))
}

lifecycle! {
    /// `POST /workspaces/:id/resume`: lets it run again.
    ResumeWorkspace, "resume", |id| Call::post(format!("/workspaces/{id}/resume"))
}

lifecycle! {
    /// `DELETE /workspaces/:id?confirm=true`: deletes it and those below it.
    DeleteWorkspace, "delete", |id| Call::delete(format!("/workspaces/{id}?confirm=true")).repeatable()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode};

    use super::*;

    #[test]
    fn a_new_workspace_always_names_its_runtime() {
        let call = CreateWorkspace::new("alpha").with_role("tester").call();
        assert_eq!(
            String::from_utf8(call.body.unwrap()).unwrap(),
            r#"{"name":"alpha","runtime":"external","external":true,"role":"tester"}"#
        );
    }

    #[test]
    fn the_token_of_a_new_workspace_is_not_shown_by_debug() {
        let headers = HeaderMap::new();
        let body = br#"{"id":"9e453dad-99f0-4e01-8c72-0031bf974e26","connection":{"auth_token":"L5cKan"}}"#;
        let created = CreateWorkspace::new("a")
            .read(&Answer::new(StatusCode::CREATED, &headers, body))
            .unwrap();
        assert_eq!(created.auth_token().unwrap().expose(), "L5cKan");
        assert!(!format!("{created:?}").contains("L5cKan"));
    }

    #[test]
    fn deleting_confirms_the_cascade() {
        let call =
            DeleteWorkspace::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap()).call();
        assert_eq!(call.method, Method::DELETE);
        assert!(call.path.ends_with("?confirm=true"));
    }
}
