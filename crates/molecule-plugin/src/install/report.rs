//! What an installation did, for programs.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::{PluginName, Sha256Digest};

/// What was installed.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct InstallReport {
    /// Which plugin.
    pub name: PluginName,
    /// Its directory.
    pub root: PathBuf,
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the archive held and was left out.
    pub skipped: Vec<SkippedEntry>,
    /// The manifest hash.
    pub digest: Sha256Digest,
    /// Whether an expectation was there, and met.
    pub verified: bool,
    /// Where the expectation came from.
    pub expected_from: Option<ExpectedFrom>,
    /// What became of `setup.sh`, if there is one.
    pub setup: Option<SetupReport>,
}

/// An entry that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkippedEntry {
    /// Its name, escaped.
    pub name: String,
    /// Why: `symbolic-link` or `hard-link`.
    pub reason: &'static str,
}

/// Whose hash vouches for a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedFrom {
    /// The caller's, pinned outside the archive.
    Caller,
    /// The one that `plugin.yaml` declares.
    Manifest,
}

/// What became of `setup.sh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SetupReport {
    /// How it ended.
    #[serde(flatten)]
    pub outcome: SetupOutcome,
    /// What it printed, the beginning of it, decoded lossily.
    pub stdout: String,
    /// What it complained about, the beginning of it, decoded lossily.
    pub stderr: String,
    /// Whether there was more output than is kept.
    pub truncated: bool,
    /// Why what it left is not in the receipt, so that a verification takes it for somebody else's; `None` if it is, or if the script
    /// did not run.
    pub unrecorded: Option<String>,
    /// How long it ran.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub duration: Duration,
}

impl SetupReport {
    pub(super) fn not_run(reason: &str) -> Self {
        Self {
            outcome: SetupOutcome::NotRun {
                reason: reason.to_owned(),
            },
            stdout: String::new(),
            stderr: String::new(),
            truncated: false,
            unrecorded: None,
            duration: Duration::ZERO,
        }
    }
}

/// How `setup.sh` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SetupOutcome {
    /// With status 0.
    Succeeded,
    /// With another status.
    Failed {
        /// Which.
        exit_code: i32,
    },
    /// By a signal.
    Signalled {
        /// Which.
        signal: i32,
    },
    /// Killed at the time limit.
    TimedOut,
    /// Killed because the caller cancelled.
    Cancelled,
    /// It did not run.
    NotRun {
        /// Why, and what to do.
        reason: String,
    },
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
