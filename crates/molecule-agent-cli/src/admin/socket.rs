//! `agent.sock`: where a running agent is asked.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio_util::task::AbortOnDropHandle;

use super::Watched;
use super::router::private;
use crate::agent_lock::AgentLock;
use crate::output::Output;

/// Its name in the agent's directory.
pub(super) const NAME: &str = "agent.sock";

/// An agent that can be asked. The socket goes away with it.
#[derive(Debug)]
#[must_use = "the socket is removed when this is dropped"]
pub(crate) struct AgentSocket {
    path: PathBuf,
    _server: AbortOnDropHandle<()>,
}

impl AgentSocket {
    /// Answers in the agent's directory, which is this process's own because it has the lock. Where that cannot be, the user is told, and
    /// the agent runs all the same.
    pub(crate) fn open(dir: &Path, agent: Watched, _lock: &AgentLock, io: &Output) -> Option<Self> {
        let path = dir.join(NAME);
        let listener = bind(&path)
            .inspect_err(|error| io.note(&without(&path, error)))
            .ok()?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, private(agent)).await {
                tracing::warn!(%error, "agent.sock answers no more");
            }
        });
        Some(Self {
            path,
            _server: AbortOnDropHandle::new(server),
        })
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Until the mode is set it is the directory that keeps others out.
fn bind(path: &Path) -> io::Result<UnixListener> {
    // An agent that was killed left its own.
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn without(path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::InvalidInput => {
            "it is too long for a socket; --state-dir names a shorter directory"
        }
        io::ErrorKind::AddrInUse => "another file is there; move it away",
        _ => "does the disk take sockets?",
    };
    format!(
        "without {} the agent runs, but `status` and `inbox dead` cannot ask it: {hint} ({error})",
        path.display()
    )
}
