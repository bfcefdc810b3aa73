//! What an administrator of the platform does.

use molecule_protocol::endpoints::{
    CreateWorkspace, CreatedWorkspace, DeleteWorkspace, GetWorkspace, ListWorkspaces, Lookup,
    PauseWorkspace, ResumeWorkspace, WorkspaceInfo,
};
use molecule_protocol::{PlatformUrl, WorkspaceId};
use molecule_token_store::Token;

use crate::caller::Caller;
use crate::{AgentError, ClientBuilder};

/// A connection under the platform's admin token.
#[derive(Debug, Clone)]
pub struct AdminClient {
    caller: Caller,
}

impl AdminClient {
    pub(crate) const fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// A connection to `platform`; `configure` sets what a client of it needs besides, such as the organisation.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub fn connect(
        platform: PlatformUrl,
        token: Token,
        configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, AgentError> {
        let nobody = WorkspaceId::from(uuid::Uuid::nil());
        configure(ClientBuilder::new(nobody, platform)).build_admin(token)
    }

    /// Creates a workspace for a remote agent.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn create(&self, workspace: CreateWorkspace) -> Result<CreatedWorkspace, AgentError> {
        self.caller.call(&workspace).await
    }

    /// All workspaces that were not deleted.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn list(&self) -> Result<Vec<WorkspaceInfo>, AgentError> {
        self.caller.call(&ListWorkspaces::new()).await
    }

    /// One workspace.
    ///
    /// # Errors
    /// When the platform gives no usable answer.
    pub async fn show(&self, id: WorkspaceId) -> Result<Lookup, AgentError> {
        self.caller.call(&GetWorkspace::new(id)).await
    }

    /// Stops a workspace and those below it.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn pause(&self, id: WorkspaceId) -> Result<(), AgentError> {
        self.caller.call(&PauseWorkspace::new(id)).await
    }

    /// Lets a paused workspace run again.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn resume(&self, id: WorkspaceId) -> Result<(), AgentError> {
        self.caller.call(&ResumeWorkspace::new(id)).await
    }

    /// Deletes a workspace and those below it.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn delete(&self, id: WorkspaceId) -> Result<(), AgentError> {
        self.caller.call(&DeleteWorkspace::new(id)).await
    }
}
