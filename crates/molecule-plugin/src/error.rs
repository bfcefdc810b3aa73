//! What can go wrong with a plugin, and what kind of trouble it is.

use std::io;
use std::path::PathBuf;

use molecule_safe_tar::UnpackError;

use crate::{InvalidDigest, InvalidPluginName, ManifestError, PluginName, Sha256Digest};

/// Why a plugin was not installed, verified, packed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The text is no plugin name.
    #[error(transparent)]
    Name(#[from] InvalidPluginName),
    /// The text is no digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// The archive was not unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// `plugin.yaml` cannot be trusted to say what it seems to say.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The content is not the one that was expected.
    #[error(
        "the content has the manifest hash {actual}, but the {expected_from} expects {expected}; it was changed, or is another version"
    )]
    Mismatch {
        /// Whose expectation it was: `caller` or `manifest`.
        expected_from: &'static str,
        /// What was expected.
        expected: Sha256Digest,
        /// What it is.
        actual: Sha256Digest,
    },
    /// `plugin.yaml` cannot be made to declare the hash by changing one line.
    #[error("cannot declare the hash in {path:?}: {reason}")]
    Undeclared {
        /// The `plugin.yaml`.
        path: PathBuf,
        /// Why not, and what to do.
        reason: &'static str,
        /// What is wrong with the text as it would be.
        #[source]
        source: Option<ManifestError>,
    },
    /// Something in a plugin's directory has no place in a plugin.
    #[error("{path:?} is {what}; a plugin holds regular files and directories with UTF-8 names")]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What it is, such as `a symbolic link`.
        what: &'static str,
    },
    /// A plugin's directory holds more than is looked at.
    #[error(
        "{path:?} holds more than {limit}; remove what does not belong to the plugin, or install it again"
    )]
    TooLarge {
        /// Which directory.
        path: PathBuf,
        /// What is the most.
        limit: &'static str,
    },
    /// Another process works on the plugin.
    #[error(
        "plugin {0} is being installed or removed by another process; try again when it is done"
    )]
    Busy(PluginName),
    /// There is no such plugin.
    #[error("plugin {0} is not installed")]
    NotInstalled(PluginName),
    /// Another plugin has the same name but for upper and lower case.
    #[error(
        "plugin {name} would share its directory with {other} on some disks; remove {other} first"
    )]
    CaseClash {
        /// The new one.
        name: PluginName,
        /// The one that is there.
        other: String,
    },
    /// The directory for plugins, or a file of the store, is not safe to use.
    #[error("{} {reason}", path.display())]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// There is nothing to compare a plugin with.
    #[error("{} {reason}", path.display())]
    NothingToCompare {
        /// The plugin's directory.
        path: PathBuf,
        /// What is missing, and what to do.
        reason: &'static str,
    },
    /// The caller cancelled.
    #[error("the installation was cancelled; nothing was changed")]
    Cancelled,
    /// The disk or the system refused.
    #[error("cannot {action} {path:?}; check that it exists, who owns it, and the disk's space")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What kind of trouble it is: what callers branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PluginErrorKind {
    /// An argument or the configuration is wrong.
    Usage,
    /// The archive, the manifest or the content was refused: its integrity failed.
    Integrity,
    /// Another process works on the plugin.
    Busy,
    /// The archive could not be read, for reasons outside of it.
    Source,
    /// The disk or the system refused.
    Disk,
    /// The caller cancelled.
    Cancelled,
}

impl PluginError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> PluginErrorKind {
        self.classified().0
    }

    /// A stable word for it, for programs: the [rule](molecule_safe_tar::Refusal::kind) that an archive breaks, or one of those that
    /// the crate's front page lists.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.classified().1
    }

    fn classified(&self) -> (PluginErrorKind, &'static str) {
        use PluginErrorKind::{Busy, Cancelled, Disk, Integrity, Usage};
        match self {
            Self::Name(_) => (Usage, "plugin-name"),
            Self::Digest(_) => (Usage, "digest"),
            Self::Unpack(error) => classify_unpack(error),
            Self::Manifest(_) => (Integrity, "manifest"),
            Self::Mismatch { .. } => (Integrity, "mismatch"),
            Self::Undeclared { .. } => (Usage, "undeclared"),
            Self::Foreign { .. } => (Integrity, "foreign-file"),
            Self::TooLarge { .. } => (Integrity, "too-large"),
            Self::Busy(_) => (Busy, "busy"),
            Self::NotInstalled(_) => (Usage, "not-installed"),
            Self::CaseClash { .. } => (Usage, "case-clash"),
            Self::Unsafe { .. } => (Usage, "unsafe-directory"),
            Self::NothingToCompare { .. } => (Usage, "nothing-to-compare"),
            Self::Cancelled => (Cancelled, "cancelled"),
            Self::Io { .. } => (Disk, "disk"),
        }
    }
}

fn classify_unpack(error: &UnpackError) -> (PluginErrorKind, &'static str) {
    match error {
        UnpackError::Refused(refusal) => (PluginErrorKind::Integrity, refusal.kind()),
        UnpackError::Source(_) => (PluginErrorKind::Source, "archive-unreadable"),
        UnpackError::Residue { .. } => (PluginErrorKind::Disk, "residue"),
        _ => (PluginErrorKind::Disk, "disk"),
    }
}
