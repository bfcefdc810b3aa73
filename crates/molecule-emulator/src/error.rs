//! What can go wrong before the platform answers requests.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the local platform could not start or keep its state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The listening address is taken or not ours.
    #[error(
        "cannot listen on {address}; is another platform running there? choose another port or 0"
    )]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// The state file exists and cannot be read.
    #[error("cannot read the state file {}; check its owner and mode, or name another file", path.display())]
    ReadState {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// The state file is not one of ours, or is damaged.
    #[error("the state file {} is damaged; move it away to start empty", path.display())]
    DamagedState {
        /// The state file.
        path: PathBuf,
        /// Where the file stops making sense.
        #[source]
        source: serde_json::Error,
    },

    /// The state file was written by a newer version of this crate.
    #[error("the state file {} has schema {found}, this version knows {known}; upgrade or name another file", path.display())]
    NewerState {
        /// The state file.
        path: PathBuf,
        /// The schema in the file.
        found: u32,
        /// The newest schema that this version reads.
        known: u32,
    },

    /// The state file cannot be written.
    #[error("cannot write the state file {}; is the disk full or the directory read-only?", path.display())]
    WriteState {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// The directory of plugins is missing or not a directory.
    #[error("cannot read the plugins directory {}; create it, or name another one", path.display())]
    ReadPlugins {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// A token cannot be written to a container's volume.
    #[error("cannot write the token of the container to {}", path.display())]
    WriteVolume {
        /// The token file of the volume.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// A control names a workspace that the platform does not have.
    #[error("the platform has no workspace {id}; create or provision it first")]
    UnknownWorkspace {
        /// The id that was asked for.
        id: String,
    },

    /// A rule for faults makes no sense.
    #[error("this fault cannot happen: {reason}")]
    BadFault {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A control names a status that the platform does not have.
    #[error("the platform has no status {status:?}; use one that it reports itself")]
    UnknownStatus {
        /// The status that was asked for.
        status: String,
    },
}
