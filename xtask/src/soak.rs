//! `cargo xtask soak`: a simulated day of faults and crashes, which is too long for every run of the tests.

use anyhow::Result;

use crate::process::Run;

/// Lives through the day of this seed, or of the usual one.
pub(crate) fn run(seed: Option<u64>) -> Result<()> {
    // The same build as the tests have, so that nothing is compiled for it.
    let day = Run::new("cargo test --workspace --test it -- --ignored a_day_of_faults --nocapture");
    match seed {
        Some(seed) => day.env("MOLECULE_SOAK_SEED", seed.to_string()),
        None => day,
    }
    .show()
}
