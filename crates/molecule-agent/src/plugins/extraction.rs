//! The thread that installs what it reads from a pipe.

use std::path::PathBuf;

use molecule_plugin::{
    CancelFlag, InstallOptions, InstallReport, PluginError, PluginName, PluginStore, install,
};
use tokio::task::{JoinHandle, spawn_blocking};

use super::pipe::Outlet;
use crate::tokens::finished;

/// An installation on a thread of its own. Dropping it cancels the installation, which then removes what it left.
#[must_use]
#[derive(Debug)]
pub(super) struct Extraction {
    thread: JoinHandle<Result<InstallReport, PluginError>>,
    cancel: CancelFlag,
}

impl Extraction {
    /// Opens the directory and locks the plugin first, and only then reads.
    pub(super) fn start(
        dir: PathBuf,
        name: PluginName,
        archive: Outlet,
        mut options: InstallOptions,
    ) -> Self {
        // A flag of its own, so that cancelling one installation does not cancel the next one with the same options.
        let cancel = CancelFlag::default();
        options.cancel = cancel.clone();
        let thread = spawn_blocking(move || {
            let store = PluginStore::open(dir)?;
            install(&store, &name, archive, &options)
        });
        Self { thread, cancel }
    }

    /// What became of it. The thread has ended then.
    pub(super) async fn end(mut self) -> Result<InstallReport, PluginError> {
        finished((&mut self.thread).await)
    }
}

impl Drop for Extraction {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
