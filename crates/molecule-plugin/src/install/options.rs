//! What is decided by the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{Sha256Digest, Wait};

/// How a plugin is installed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InstallOptions {
    /// The manifest hash that the caller knows from elsewhere. It is checked first.
    pub expected: Option<Sha256Digest>,
    /// When `setup.sh` runs.
    pub setup: SetupPolicy,
    /// What `setup.sh` may use.
    pub setup_limits: SetupLimits,
    /// How long to wait for another process that works on the plugin.
    pub wait: Wait,
    /// Whether the new version is on the disk before it is live.
    pub durability: Durability,
    /// Limits and rules for the archive.
    pub unpack: molecule_safe_tar::Options,
    /// Stops the installation.
    pub cancel: CancelFlag,
}

impl Default for InstallOptions {
    fn default() -> Self {
        Self {
            expected: None,
            setup: SetupPolicy::default(),
            setup_limits: SetupLimits::default(),
            wait: Wait::For(Duration::from_secs(30)),
            durability: Durability::default(),
            unpack: molecule_safe_tar::Options::default(),
            cancel: CancelFlag::default(),
        }
    }
}

impl InstallOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a hash to insist on.
    #[must_use]
    pub fn with_expected(mut self, expected: Sha256Digest) -> Self {
        self.expected = Some(expected);
        self
    }

    /// With another rule for `setup.sh`.
    #[must_use]
    pub fn with_setup(mut self, setup: SetupPolicy) -> Self {
        self.setup = setup;
        self
    }

    /// With other limits for `setup.sh`.
    #[must_use]
    pub fn with_setup_limits(mut self, limits: SetupLimits) -> Self {
        self.setup_limits = limits;
        self
    }

    /// With another patience.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// With or without the sync.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// With other rules for the archive.
    #[must_use]
    pub fn with_unpack(mut self, unpack: molecule_safe_tar::Options) -> Self {
        self.unpack = unpack;
        self
    }

    /// With a flag that stops it.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelFlag) -> Self {
        self.cancel = cancel;
        self
    }
}

/// When `setup.sh` runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SetupPolicy {
    /// Only when a hash vouches for the plugin.
    #[default]
    Verified,
    /// Even when nothing vouches for it.
    Always,
    /// Not at all.
    Never,
}

/// What `setup.sh` may use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupLimits {
    /// How long it may run. Then its process group is killed.
    pub time: Duration,
    /// Bytes that are kept of each of its two output streams. The rest is read and dropped.
    pub output_bytes: usize,
    /// Its environment, whole: nothing else is passed on.
    pub environment: Vec<(String, String)>,
}

impl Default for SetupLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(120),
            output_bytes: 64 << 10,
            environment: Vec::new(),
        }
    }
}

impl SetupLimits {
    /// With another time limit.
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// With these environment variables and no others. `PATH` falls back to the system's directories.
    #[must_use]
    pub fn with_environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.environment = environment;
        self
    }
}

/// Whether the new version is on the disk before it is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every file and directory is synced before the swap, and the swap itself afterwards: a loss of power leaves the old
    /// version or the new one, complete.
    #[default]
    Sync,
    /// The system writes when it likes. A crash of the process is harmless all the same.
    Unsynced,
}

/// Stops an installation from elsewhere. Clones are one flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the installation to stop. Before the swap nothing remains of it; a running `setup.sh` is killed.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
