//! `cargo xtask vectors`: the oracle vectors of the crates' tests, computed again by independent Python scripts.
//!
//! `crates/*/tests/vectors/some_oracle.py` prints the whole of `some-oracle.json` beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{Run, root};

/// Fails if a file of vectors is not what its script prints.
pub(crate) fn check() -> Result<()> {
    for oracle in oracles(root())? {
        let path = vectors_of(&oracle);
        let stored =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let computed = compute(&oracle)?;
        ensure!(
            stored == computed,
            "{} differs from what {} prints; write it again with `cargo xtask vectors` if the script is right",
            path.display(),
            oracle.display()
        );
        println!("{}: as computed", shown(&path).display());
    }
    Ok(())
}

/// Writes every file of vectors as its script prints it.
pub(crate) fn write() -> Result<()> {
    for oracle in oracles(root())? {
        let path = vectors_of(&oracle);
        fs::write(&path, compute(&oracle)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: written", shown(&path).display());
    }
    Ok(())
}

fn compute(oracle: &Path) -> Result<String> {
    Run::new("python3 -I -B")
        .arg(oracle.display().to_string())
        .hint("the oracles need python3, 3.8 or later, and nothing else")
        .read()
}

fn oracles(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for krate in children(&root.join("crates"))? {
        let folder = krate.join("tests/vectors");
        if folder.is_dir() {
            found.extend(
                children(&folder)?
                    .into_iter()
                    .filter(|path| is_python(path)),
            );
        }
    }
    if found.is_empty() {
        bail!("no oracle found: is there no crates/*/tests/vectors/*.py any more?");
    }
    Ok(found)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// `some_oracle.py` computes `some-oracle.json`.
fn vectors_of(oracle: &Path) -> PathBuf {
    let stem = oracle
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .replace('_', "-");
    oracle.with_file_name(format!("{stem}.json"))
}

fn shown(path: &Path) -> &Path {
    path.strip_prefix(root()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_computes_the_json_of_its_name() {
        assert_eq!(
            vectors_of(Path::new("crates/a/tests/vectors/manifest_hash.py")),
            Path::new("crates/a/tests/vectors/manifest-hash.json")
        );
    }

    #[test]
    fn a_workspace_without_oracles_is_an_error_not_a_pass() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("crates/a/src")).unwrap();
        assert!(oracles(root.path()).is_err());
    }

    #[test]
    fn scripts_are_found_in_every_crate() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "crates/b/tests/vectors/two.py",
            "crates/a/tests/vectors/one.py",
            "crates/a/tests/vectors/one.json",
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = oracles(root.path()).unwrap();
        let expected = [
            "crates/a/tests/vectors/one.py",
            "crates/b/tests/vectors/two.py",
        ];
        assert_eq!(found, expected.map(|name| root.path().join(name)));
    }
}
