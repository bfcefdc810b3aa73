//! The dependency graph, reduced to what the rules ask.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata, Package};

use crate::process::Run;

pub(crate) type Names = BTreeSet<String>;

/// The crates of the workspace and what stands behind them.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) crates: BTreeMap<String, Crate>,
    /// Packages, of anybody, that link or build native code.
    pub(crate) native: Names,
}

/// What one crate of the workspace uses.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    /// Direct dependencies of its library or program and of its build script.
    pub(crate) direct: Names,
    /// Direct dependencies of its tests and examples.
    pub(crate) dev: Names,
    /// All that is behind `direct` with every feature on.
    pub(crate) reaches: Names,
    /// All that is behind `direct` without default features.
    pub(crate) reaches_bare: Names,
}

/// The targets on which the promises hold; others bring bindings of their own.
const TARGETS: &str = "--target x86_64-unknown-linux-gnu --target aarch64-apple-darwin";

pub(crate) fn read(metadata: &Metadata) -> Result<Graph> {
    let mut graph = Graph {
        native: native(metadata),
        ..Graph::default()
    };
    for package in metadata.workspace_packages() {
        graph
            .crates
            .insert(package.name.to_string(), read_crate(package)?);
    }
    Ok(graph)
}

fn read_crate(package: &Package) -> Result<Crate> {
    Ok(Crate {
        direct: direct(package, |kind| kind != DependencyKind::Development),
        dev: direct(package, |kind| kind == DependencyKind::Development),
        reaches: reaches(&package.name, "--all-features")?,
        reaches_bare: reaches(&package.name, "--no-default-features")?,
    })
}

fn direct(package: &Package, wanted: impl Fn(DependencyKind) -> bool) -> Names {
    package
        .dependencies
        .iter()
        .filter(|dependency| wanted(dependency.kind))
        .map(|dependency| dependency.name.clone())
        .collect()
}

/// `cargo tree` resolves the features of one crate alone, which `cargo metadata` cannot: there, a feature that one member
/// turns on is on for all.
fn reaches(name: &str, features: &str) -> Result<Names> {
    let tree = Run::new(&format!(
        "cargo tree -p {name} {features} --edges normal,build --prefix none --format {{p}} {TARGETS}"
    ))
    .read()?;
    Ok(package_names(&tree)
        .filter(|found| *found != name)
        .map(str::to_owned)
        .collect())
}

/// The first word of each line of `cargo tree --prefix none`.
fn package_names(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
}

/// Packages, of anybody, that link or build native code.
pub(crate) fn native(metadata: &Metadata) -> Names {
    let builders = builders_of_native_code(metadata);
    metadata
        .packages
        .iter()
        .filter(|package| package.links.is_some() || builders.contains(package.id.repr.as_str()))
        .map(|package| package.name.to_string())
        .collect()
}

/// The ids of packages whose build scripts use a C compiler.
fn builders_of_native_code(metadata: &Metadata) -> BTreeSet<&str> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .filter(|node| {
            node.deps.iter().any(|dep| {
                ["cc", "cmake"].contains(&dep.name.as_str())
                    && dep
                        .dep_kinds
                        .iter()
                        .any(|kind| kind.kind == DependencyKind::Build)
            })
        })
        .map(|node| node.id.repr.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_tree_are_its_first_words() {
        let tree = "a v0.1.0 (/some/path)\nserde v1.0.0\nserde_derive v1.0.0 (proc-macro)\n\nserde v1.0.0 (*)\n";
        let names: Vec<_> = package_names(tree).collect();
        assert_eq!(names, ["a", "serde", "serde_derive", "serde"]);
    }
}
