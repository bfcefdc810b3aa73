//! What a test or a demo can do to a platform besides sending it requests.

use molecule_protocol::{WorkspaceId, WorkspaceStatus};
use serde_json::json;

use crate::error::EmulatorError;
use crate::platform::Platform;
use crate::provisioner::{self, ContainerSpec};
use crate::tx::Tx;
use crate::workspace::{Status, Workspace};

impl Platform {
    /// Runs one liveness sweep now, besides the periodic ones.
    pub fn sweep(&self) {
        self.write(|tx| tx.sweep(tx.now));
    }

    /// Revokes all tokens of a workspace and mints a new one, as every (re)provision does.
    ///
    /// # Errors
    ///
    /// There is no such workspace.
    pub fn rotate_tokens(&self, workspace: WorkspaceId) -> Result<String, EmulatorError> {
        self.write(|tx| {
            tx.known(workspace)?;
            tx.state.tokens.revoke_all(*workspace.as_uuid());
            Ok(tx.state.tokens.issue(*workspace.as_uuid(), tx.now))
        })
    }

    /// Plays the container provisioner: a row in `provisioning` whose url is the container's port on this host, and a
    /// token for its config volume. The container registers itself.
    ///
    /// # Errors
    ///
    /// The token cannot be written to the volume.
    pub fn provision(&self, spec: &ContainerSpec) -> Result<(WorkspaceId, String), EmulatorError> {
        let (id, token) = self.write(|tx| provisioner::provision(tx, spec));
        provisioner::deliver(spec.volume.as_deref(), &token)?;
        Ok((WorkspaceId::from(id), token))
    }

    /// Restarts a provisioned container: back to `provisioning`, all tokens revoked, a new one in the volume.
    ///
    /// # Errors
    ///
    /// There is no such workspace, or the token cannot be written to the volume.
    pub fn restart(&self, workspace: WorkspaceId) -> Result<String, EmulatorError> {
        let id = *workspace.as_uuid();
        let (volume, token) = self.write(|tx| {
            tx.known(workspace)?;
            Ok(provisioner::reprovision(tx, id))
        })?;
        provisioner::deliver(volume.as_deref(), &token)?;
        Ok(token)
    }

    /// Sets a status as an operator would in the database; the rest of the row stays as it is.
    ///
    /// # Errors
    ///
    /// There is no such workspace, or the platform has no such status.
    pub fn set_status(
        &self,
        workspace: WorkspaceId,
        status: &WorkspaceStatus,
    ) -> Result<(), EmulatorError> {
        let unknown = |_| EmulatorError::UnknownStatus {
            status: status.as_str().to_owned(),
        };
        let status: Status = serde_json::from_value(json!(status.as_str())).map_err(unknown)?;
        self.write(|tx| {
            let now = tx.now;
            tx.known(workspace)?.set_status(status, now);
            Ok(())
        })
    }

    /// Revokes all tokens of a workspace, so that anyone may register its id.
    ///
    /// # Errors
    ///
    /// There is no such workspace.
    pub fn revoke_tokens(&self, workspace: WorkspaceId) -> Result<(), EmulatorError> {
        self.write(|tx| {
            tx.known(workspace)?;
            tx.state.tokens.revoke_all(*workspace.as_uuid());
            Ok(())
        })
    }

    /// Makes the stored secrets of a workspace unreadable, as after a change of the encryption key.
    ///
    /// # Errors
    ///
    /// There is no such workspace.
    pub fn corrupt_secret(&self, workspace: WorkspaceId, key: &str) -> Result<(), EmulatorError> {
        self.write(|tx| {
            if let Some(secret) = tx.known(workspace)?.secrets.get_mut(key) {
                secret.undecryptable = true;
            }
            Ok(())
        })
    }

    /// Forgets the url that a container registered, as happens five minutes later.
    ///
    /// # Errors
    ///
    /// There is no such workspace.
    pub fn expire_url_cache(&self, workspace: WorkspaceId) -> Result<(), EmulatorError> {
        self.write(|tx| {
            tx.known(workspace)?.url_cached_until = None;
            Ok(())
        })
    }
}

impl Tx<'_> {
    fn known(&mut self, workspace: WorkspaceId) -> Result<&mut Workspace, EmulatorError> {
        let unknown = || EmulatorError::UnknownWorkspace {
            id: workspace.to_string(),
        };
        self.state.get_mut(*workspace.as_uuid()).ok_or_else(unknown)
    }
}
