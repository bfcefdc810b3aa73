//! What every crate's manifest and README have to say.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, Package};
use toml::Table;

use crate::process::root;

const PREFIX: &str = "Molecule AI remote agents:";

pub(crate) fn violations(metadata: &Metadata) -> Result<Vec<String>> {
    let map = read(&root().join("ARCHITECTURE.md"))?;
    let mut all = Vec::new();
    all.extend(forbids_unsafe(&parse(&root().join("Cargo.toml"))?));
    for package in metadata.workspace_packages() {
        let manifest = parse(package.manifest_path.as_std_path())?;
        all.extend(inherits_lints(&package.name, &manifest));
        if is_published(package) {
            all.extend(introduces_itself(package, &map));
        }
    }
    Ok(all)
}

fn forbids_unsafe(workspace: &Table) -> Option<String> {
    let level = lookup(workspace, &["workspace", "lints", "rust", "unsafe_code"])
        .and_then(toml::Value::as_str);
    (level != Some("forbid"))
        .then(|| "Cargo.toml: unsafe_code must be forbidden for the whole workspace".to_owned())
}

fn inherits_lints(name: &str, manifest: &Table) -> Option<String> {
    let inherits = lookup(manifest, &["lints", "workspace"]).and_then(toml::Value::as_bool);
    (inherits != Some(true))
        .then(|| format!("{name}: Cargo.toml must have `[lints] workspace = true`"))
}

/// What nobody can depend on needs no introduction.
fn is_published(package: &Package) -> bool {
    package.publish.as_deref() != Some(&[])
}

fn introduces_itself(package: &Package, map: &str) -> Vec<String> {
    let name = &package.name;
    let folder = format!("crates/{name}");
    let readme = fs::read_to_string(root().join(&folder).join("README.md")).ok();
    let mut all: Vec<_> = described(name, package.description.as_deref(), readme.as_deref())
        .into_iter()
        .collect();
    if !map.contains(&folder) {
        all.push(format!(
            "{name}: the code map of ARCHITECTURE.md does not link to {folder}"
        ));
    }
    all
}

fn described(name: &str, description: Option<&str>, readme: Option<&str>) -> Vec<String> {
    let mut all = Vec::new();
    if !description.is_some_and(|text| text.starts_with(PREFIX)) {
        all.push(format!(
            "{name}: the description must start with \"{PREFIX}\""
        ));
    }
    match readme {
        None => all.push(format!("{name}: there is no README.md")),
        Some(text) if !text.contains("Nervos") => {
            all.push(format!(
                "{name}: README.md must say that it is unrelated to Nervos's serialization"
            ));
        }
        Some(_) => {}
    }
    all
}

fn lookup<'table>(table: &'table Table, path: &[&str]) -> Option<&'table toml::Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(table.get(*first)?, |value, key| value.get(key))
}

fn parse(path: &Path) -> Result<Table> {
    read(path)?
        .parse()
        .with_context(|| format!("cannot parse {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn unsafe_code_must_be_forbidden_and_not_merely_denied() {
        let forbidden = table("[workspace.lints.rust]\nunsafe_code = \"forbid\"");
        let denied = table("[workspace.lints.rust]\nunsafe_code = \"deny\"");
        assert_eq!(forbids_unsafe(&forbidden), None);
        assert!(forbids_unsafe(&denied).is_some());
        assert!(forbids_unsafe(&Table::new()).is_some());
    }

    #[test]
    fn lints_must_be_inherited() {
        assert_eq!(
            inherits_lints("a", &table("[lints]\nworkspace = true")),
            None
        );
        assert!(inherits_lints("a", &table("[lints.rust]\nunsafe_code = \"allow\"")).is_some());
    }

    #[test]
    fn a_crate_says_what_it_is_and_what_it_is_not() {
        let good = "It is unrelated to Nervos's `molecule` serialization crates.";
        assert!(described("a", Some("Molecule AI remote agents: a."), Some(good)).is_empty());
        assert_eq!(described("a", Some("A crate."), Some(good)).len(), 1);
        assert_eq!(described("a", None, Some("# a")).len(), 2);
        assert_eq!(
            described("a", Some("Molecule AI remote agents: a."), None).len(),
            1
        );
    }
}
