//! The files of the repository, and what none of them may name.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::process::Run;

/// A text file of the repository.
pub(crate) struct File {
    /// Relative to the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Paths that exist on one machine only, and hosts that `cargo`, `pip` or `npm` know without being told. They are put
/// together here, so that this file does not name them either.
const UNNAMEABLE: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("../sha", "red"), "a path outside the repository"),
    (concat!("index.cra", "tes.io"), "a registry's host"),
    (concat!("static.cra", "tes.io"), "a registry's host"),
    (concat!("pypi", ".org"), "a registry's host"),
    (concat!("registry.npm", "js.org"), "a registry's host"),
    (concat!("deb.deb", "ian.org"), "a registry's host"),
];

/// Every text file that is, or is about to be, part of the repository.
pub(crate) fn tracked(root: &Path) -> Result<Vec<File>> {
    let list = Run::new("git ls-files -z --cached --others --exclude-standard")
        .hint("this check needs git and a clone of the repository")
        .read()?;
    // What cannot be read is a deleted file not yet committed, or not text.
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    Ok(list
        .split_terminator('\0')
        .filter_map(|path| {
            read(path).map(|text| File {
                path: path.to_owned(),
                text,
            })
        })
        .collect())
}

/// Names in files that mean nothing to anybody else.
pub(crate) fn violations(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.path != ".ci/run")
        .flat_map(names_in)
        .collect()
}

fn names_in(file: &File) -> Vec<String> {
    let mut all = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (name, why) in UNNAMEABLE.iter().filter(|(name, _)| line.contains(name)) {
            all.push(format!(
                "{}:{}: names `{name}`, {why}",
                file.path,
                index + 1
            ));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> File {
        File {
            path: path.to_owned(),
            text,
        }
    }

    #[test]
    fn a_path_of_one_machine_is_found_with_its_line() {
        let found = violations(&[file("README.md", format!("# a\nsee {}x", UNNAMEABLE[0].0))]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("README.md:2: names"), "{found:?}");
    }

    #[test]
    fn the_entry_point_of_continuous_integration_is_exempt() {
        let text = || UNNAMEABLE[1].0.to_owned();
        assert_eq!(violations(&[file(".ci/run", text())]).len(), 0);
        assert_eq!(violations(&[file("xtask/src/ci.rs", text())]).len(), 1);
    }
}
