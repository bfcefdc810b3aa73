//! `cargo xtask package`: every crate builds from its packaged tarball, as a user gets it.

use anyhow::Result;
use cargo_metadata::Metadata;

use crate::process::Run;
use crate::workspace::metadata;

/// Packages every crate and builds each from what was packed.
pub(crate) fn build() -> Result<()> {
    let metadata = metadata()?;
    let run = Run::new("cargo package --workspace --exclude xtask --allow-dirty");
    patches(&metadata)
        .into_iter()
        .fold(run, |run, patch| run.arg("--config").arg(patch))
        .show()
}

/// The crates name each other by version; since no registry has these versions, each stands in for itself.
fn patches(metadata: &Metadata) -> Vec<String> {
    metadata
        .workspace_packages()
        .iter()
        .filter(|package| package.name != "xtask")
        .map(|package| format!("patch.crates-io.{0}.path=\"crates/{0}\"", package.name))
        .collect()
}
