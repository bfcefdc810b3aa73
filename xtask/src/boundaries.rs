//! `cargo xtask boundaries`: what the crates promise not to do, proven.

mod api;
mod files;
pub(crate) mod graph;
mod manifests;
mod rules;
mod sources;
pub(crate) mod table;

use anyhow::{Result, bail};

use crate::process::root;
use crate::workspace::metadata;

/// Fails with a list of everything that breaks the table or one of the absences.
pub(crate) fn check() -> Result<()> {
    let metadata = metadata()?;
    let graph = graph::read(&metadata)?;
    let files = files::tracked(root())?;

    let mut violations = rules::violations(&graph);
    violations.extend(manifests::violations(&metadata)?);
    violations.extend(sources::violations(&files));
    violations.extend(files::violations(&files));
    violations.extend(api::violations(&files)?);

    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!(
                "{} crates and {} files keep their boundaries",
                graph.crates.len(),
                files.len()
            );
            Ok(())
        }
        count => bail!("{count} boundaries broken; ARCHITECTURE.md says why they are there"),
    }
}
