//! The thread that installs what it reads from a pipe.

use std::path::PathBuf;

use molecule_plugin::{
    CancelFlag, InstallOptions, InstallReport, PluginError, PluginName, PluginStore, install,
};
use molecule_transport::Clock;
use tokio::task::{JoinHandle, spawn_blocking};

use super::cancelling::cancelled;
use super::pipe::Outlet;
use crate::files::finished;

/// An installation on a thread of its own. Dropping it cancels the installation, which then removes what it left. So does the
/// caller's flag, for as long as somebody waits here.
#[must_use]
#[derive(Debug)]
pub(super) struct Extraction {
    thread: JoinHandle<Result<InstallReport, PluginError>>,
    cancel: CancelFlag,
    caller: CancelFlag,
}

impl Extraction {
    /// Opens the directory and locks the plugin first, and only then reads.
    pub(super) fn start(
        dir: PathBuf,
        name: PluginName,
        archive: Outlet,
        mut options: InstallOptions,
    ) -> Self {
        // A flag of its own, so that dropping one installation does not cancel the next one with the same options.
        let cancel = CancelFlag::default();
        let caller = std::mem::replace(&mut options.cancel, cancel.clone());
        let thread = spawn_blocking(move || {
            let store = PluginStore::open(dir)?;
            install(&store, &name, archive, &options)
        });
        Self {
            thread,
            cancel,
            caller,
        }
    }

    /// Waits until the caller cancels. The thread has been told then, so that it knows why its archive breaks off.
    pub(super) async fn cancelled(&self, clock: &dyn Clock) {
        pass_on(&self.caller, &self.cancel, clock).await;
    }

    /// What became of it. The thread has ended then.
    pub(super) async fn end(mut self, clock: &dyn Clock) -> Result<InstallReport, PluginError> {
        let joined = tokio::select! {
            joined = &mut self.thread => joined,
            () = pass_on(&self.caller, &self.cancel, clock) => (&mut self.thread).await,
        };
        finished(joined)
    }
}

async fn pass_on(caller: &CancelFlag, cancel: &CancelFlag, clock: &dyn Clock) {
    cancelled(caller, clock).await;
    cancel.cancel();
}

impl Drop for Extraction {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
