//! `plugin hash --declare`: the hash, written into the `plugin.yaml` of a directory that is served as it is.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use molecule_plugin::{Manifest, Sha256Digest, declare_hash};
use tempfile::NamedTempFile;

use crate::exit::Problem;

const FILE: &str = "plugin.yaml";

/// Makes the manifest declare the hash, and leaves it alone if it does. Whoever reads it meanwhile reads the old text or
/// the new one.
///
/// # Errors
/// When there is no manifest, it cannot declare the hash by a change of one line, or cannot be written.
pub(super) fn in_place(dir: &Path, digest: Sha256Digest) -> anyhow::Result<()> {
    let path = dir.join(FILE);
    let unwritten = || {
        Problem::usage(format!(
            "cannot declare the hash in {}; make it a valid manifest that you may write",
            path.display()
        ))
    };
    let text = File::open(&path)
        .and_then(Manifest::read_text)
        .with_context(unwritten)?;
    let declaring = declare_hash(&text, digest).with_context(unwritten)?;
    if declaring != text {
        replace(dir, &path, &declaring).with_context(unwritten)?;
    }
    Ok(())
}

fn replace(dir: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut beside = NamedTempFile::with_prefix_in(".molecule-declare-", dir)?;
    beside.write_all(text)?;
    beside
        .as_file()
        .set_permissions(fs::metadata(path)?.permissions())?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}
