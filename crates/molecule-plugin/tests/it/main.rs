//! What the crate promises, over real files and processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod digests;
mod errors;
mod hashes;
#[cfg(feature = "install")]
mod install;
mod manifests;
mod names;
mod oracle;
mod packing;
mod tree;
