//! What is decided by the caller.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molecule_plugin::{CancelFlag, InstallOptions, SetupPolicy, Sha256Digest};
use molecule_protocol::endpoints::DownloadPlugin;
use molecule_transport::Timeouts;

/// The platform itself gives up after five minutes.
const FETCHED_FIRST: Timeouts = Timeouts::new(Duration::from_secs(60), Duration::from_secs(330));

/// How a plugin is installed from the platform.
#[derive(Clone)]
#[non_exhaustive]
pub struct PluginOptions {
    /// How it is installed once it arrives: what is expected of it, limits, patience, `setup.sh`. Limits on the compressed
    /// archive hold for the download, and the flag stops the download and the record as well.
    pub install: InstallOptions,
    /// Whether the platform is told afterwards. Default: true.
    pub report: bool,
    /// The directory for plugins. Default: the client's [`plugins_dir`](crate::RemoteAgentClient::plugins_dir).
    pub plugins_dir: Option<PathBuf>,
    /// How long the platform may be silent before and during the download. Default: [`Timeouts::DOWNLOAD`], and five minutes and a
    /// half for a source that the platform fetches from elsewhere first.
    pub timeouts: Option<Timeouts>,
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the archive that arrived and were handed on.
    pub bytes: u64,
    /// Bytes of the archive altogether, if the platform says.
    pub total: Option<u64>,
}

impl Default for PluginOptions {
    fn default() -> Self {
        Self {
            install: InstallOptions::default(),
            report: true,
            plugins_dir: None,
            timeouts: None,
            progress: None,
        }
    }
}

impl fmt::Debug for PluginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginOptions")
            .field("install", &self.install)
            .field("report", &self.report)
            .field("plugins_dir", &self.plugins_dir)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl PluginOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Installed in another way.
    #[must_use]
    pub fn with_install(mut self, install: InstallOptions) -> Self {
        self.install = install;
        self
    }

    /// With a manifest hash to insist on, known from elsewhere.
    #[must_use]
    pub fn with_expected(mut self, expected: Sha256Digest) -> Self {
        self.install.expected = Some(expected);
        self
    }

    /// With another rule for `setup.sh`.
    #[must_use]
    pub fn with_setup(mut self, setup: SetupPolicy) -> Self {
        self.install.setup = setup;
        self
    }

    /// With a flag that stops it. Nothing here resets the flag.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelFlag) -> Self {
        self.install.cancel = cancel;
        self
    }

    /// Whether the platform is told.
    #[must_use]
    pub fn with_report(mut self, report: bool) -> Self {
        self.report = report;
        self
    }

    /// Into another directory.
    #[must_use]
    pub fn with_plugins_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugins_dir = Some(dir.into());
        self
    }

    /// With other patience for the platform.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }

    /// With a callback that hears how far the download is: once when it begins, and after every piece. It is called between
    /// reads of the socket and should return at once.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    pub(super) fn timeouts(&self, plugin: &DownloadPlugin) -> Timeouts {
        let usual = match plugin.is_fetched_first() {
            true => FETCHED_FIRST,
            false => Timeouts::DOWNLOAD,
        };
        self.timeouts.unwrap_or(usual)
    }

    pub(super) fn tell(&self, bytes: u64, total: Option<u64>) {
        if let Some(progress) = &self.progress {
            progress(Progress { bytes, total });
        }
    }
}
