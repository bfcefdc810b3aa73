#![doc = include_str!("../README.md")]

#[cfg(not(unix))]
compile_error!(
    "molecule-plugin needs Unix directory handles; on Windows, build and run it inside WSL"
);

mod digest;
mod directory;
mod error;
#[cfg(feature = "install")]
mod install;
mod manifest;
mod manifest_hash;
mod name;
mod observer;
mod pack;
mod shorten;

pub use digest::{InvalidDigest, Sha256Digest};
pub use error::{PluginError, PluginErrorKind};
#[cfg(feature = "install")]
pub use install::{
    ByHash, ByNothing, CancelFlag, Checked, ComparedWith, Durability, ExpectedFrom, InstallOptions,
    InstallReport, Installed, InstalledPlugin, PluginLock, PluginStore, SetupLimits, SetupOutcome,
    SetupPolicy, SetupReport, SkippedEntry, Staged, Unverified, Verification, Verified, Wait,
    install, verify_installed,
};
pub use manifest::{Manifest, ManifestError};
pub use manifest_hash::{ManifestHash, manifest_digest, verify_plugin_sha256};
pub use molecule_safe_tar as safe_tar;
pub use name::{InvalidPluginName, PluginName};
pub use observer::HashObserver;
pub use pack::{PackOptions, Packed, declare_hash, pack};
