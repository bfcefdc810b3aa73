//! `cargo xtask package`: every crate builds from its packaged tarball, as a user gets it.

use anyhow::Result;

use crate::process::Run;

/// Packages every crate and builds each from what was packed.
pub(crate) fn build() -> Result<()> {
    Run::new(
        "cargo package --workspace --exclude xtask --exclude molecule-contract --exclude molecule-fleet-bench --exclude molecule-a2a-bench --exclude molecule-interop --exclude molecule-fuzz-bodies --allow-dirty",
    )
    .show()
}
