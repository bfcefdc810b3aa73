//! The container provisioner, without containers: rows, urls and tokens move as if there were some.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::EmulatorError;
use crate::tx::Tx;
use crate::workspace::{Container, Status, Workspace};

/// A container to be provisioned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// Name of the workspace.
    pub name: String,
    /// Where the container's port appears on this host, such as `http://127.0.0.1:49153`.
    pub host_url: String,
    /// The config volume: a directory that gets the token as `.auth_token` on every (re)provision.
    pub volume: Option<PathBuf>,
}

impl ContainerSpec {
    /// A container without a volume; the caller hands the token on.
    #[must_use]
    pub fn new(name: impl Into<String>, host_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            host_url: host_url.into(),
            volume: None,
        }
    }

    /// Sets the config volume.
    #[must_use]
    pub fn with_volume(mut self, directory: impl Into<PathBuf>) -> Self {
        self.volume = Some(directory.into());
        self
    }
}

/// Creates the row of a container and mints its first token.
pub(crate) fn provision(tx: &mut Tx<'_>, spec: &ContainerSpec) -> (Uuid, String) {
    let id = Uuid::new_v4();
    let mut row = Workspace::new(id, spec.name.clone(), tx.now);
    row.container = Some(Container {
        host_url: spec.host_url.clone(),
        volume: spec.volume.clone(),
    });
    tx.state.insert(row);
    let (_, token) = reprovision(tx, id);
    (id, token)
}

/// Stops and starts the container of a row: a new token, the host's url, and `provisioning` again.
pub(crate) fn reprovision(tx: &mut Tx<'_>, id: Uuid) -> (Option<PathBuf>, String) {
    let now = tx.now;
    tx.state.tokens.revoke_all(id);
    let token = tx.state.tokens.issue(id, now);
    let Some(row) = tx.state.get_mut(id) else {
        return (None, token);
    };
    row.disconnect(Status::Provisioning, now);
    row.status_since = now;
    let container = row.container.clone();
    row.url = container
        .as_ref()
        .map(|c| c.host_url.clone())
        .unwrap_or_default();
    tx.record_status(id);
    (container.and_then(|c| c.volume), token)
}

/// A start that a route asked for, with the token that has to reach the volume.
pub(crate) type Start = Option<(Option<PathBuf>, String)>;

/// Starts whatever is behind a row; only rows that were provisioned here have something.
pub(crate) fn start(tx: &mut Tx<'_>, id: Uuid) -> Start {
    let now = tx.now;
    let row = tx.state.get_mut(id)?;
    if row.container.is_some() {
        return Some(reprovision(tx, id));
    }
    let fails = tx.config.quirks().failing_restart || !row.is_external();
    if fails {
        row.fail_to_start(now);
    } else if tx.config.has_new_statuses() {
        row.disconnect(Status::AwaitingAgent, now);
    } else {
        row.disconnect(Status::Provisioning, now);
    }
    tx.record_status(id);
    None
}

/// Finishes a start: the token goes into the volume before the container would run.
pub(crate) fn finish(start: Start) {
    let Some((volume, token)) = start else { return };
    if let Err(error) = deliver(volume.as_deref(), &token) {
        tracing::error!(%error, "the restarted container has no token");
    }
}

/// Writes the token file of a volume, as the provisioner does before a container starts.
pub(crate) fn deliver(volume: Option<&Path>, token: &str) -> Result<(), EmulatorError> {
    let Some(path) = volume.map(|directory| directory.join(".auth_token")) else {
        return Ok(());
    };
    write_private(&path, token.as_bytes())
        .map_err(|source| EmulatorError::WriteVolume { path, source })
}

/// Replaces a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, content).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
