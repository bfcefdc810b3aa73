#![doc = include_str!("../README.md")]

#[cfg(not(unix))]
compile_error!(
    "molecule-safe-tar needs Unix directory handles; on Windows, build and run it inside WSL"
);

mod batch;
mod blocks;
mod claims;
mod dir;
mod disk;
mod error;
mod extensions;
mod gzip;
mod header;
mod inflated;
mod limits;
mod name;
mod number;
mod observer;
mod options;
mod path;
mod pax;
mod portable;
mod quarantine;
mod reader;
mod refusal;
mod relay;
mod sink;
mod summary;
pub mod tree;
mod unicode;
mod unpack;
mod watched;

pub use error::UnpackError;
pub use limits::Limits;
pub use name::EntryName;
pub use observer::{FileEntry, Observer};
pub use options::{LinkPolicy, NamePolicy, Options};
pub use quarantine::Quarantine;
pub use refusal::Refusal;
pub use summary::{SkipReason, Skipped, Summary};
pub use unpack::{check, check_tar, unpack};
