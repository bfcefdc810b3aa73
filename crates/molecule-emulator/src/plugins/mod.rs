//! The plugins of the platform's registry: a directory with one folder for each, read anew for every request.

mod archive;
mod fault;
mod listing;
mod source;
mod stage;

use std::path::Path;

use crate::error::EmulatorError;

pub(crate) use archive::pack;
pub use fault::DownloadFault;
pub(crate) use fault::send;
pub(crate) use listing::list;
pub(crate) use source::{SCHEMES, check_name};
pub(crate) use stage::{Staged, stage};

/// A directory that is missing now is a mistake; one that goes missing later is an empty registry.
pub(crate) fn check_dir(dir: Option<&Path>) -> Result<(), EmulatorError> {
    let Some(path) = dir else { return Ok(()) };
    std::fs::read_dir(path)
        .map(drop)
        .map_err(|source| EmulatorError::ReadPlugins {
            path: path.to_owned(),
            source,
        })
}
