//! `cargo xtask audit`: the page a reviewer starts from.

mod reasons;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, Package, TargetKind};

use crate::boundaries::{graph, table};
use crate::process::root;
use crate::rust;
use crate::workspace::metadata;
use reasons::Reasons;
use tree::{Key, Tree};

/// Prints both tables, and what their columns count.
pub(crate) fn print() -> Result<()> {
    let metadata = metadata()?;
    let members: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut trees = BTreeMap::new();
    for name in &members {
        trees.insert(name.as_str(), Tree::read(name)?.without(&members));
    }
    crates(&metadata, &trees)?;
    third_party(&metadata, &trees)
}

fn crates(metadata: &Metadata, trees: &BTreeMap<&str, Tree>) -> Result<()> {
    println!(
        "The workspace. Lines: of src/, without tests, comments and blank ones. Third-party crates: with all features on \
         Linux;\nnormal ones end up in the program, the others run while it is built.\n"
    );
    println!(
        "{:<26}{:>8}{:>8}{:>8}{:>8}",
        "crate", "lines", "direct", "normal", "build"
    );
    for package in metadata.workspace_packages() {
        let tree = &trees[package.name.as_str()];
        println!(
            "{:<26}{:>8}{:>8}{:>8}{:>8}",
            package.name.as_str(),
            own_lines(package)?,
            tree.direct.len(),
            tree.normal.len(),
            tree.all().len() - tree.normal.len()
        );
    }
    Ok(())
}

/// Lines of the library or program itself.
fn own_lines(package: &Package) -> Result<usize> {
    let mut lines = 0;
    for path in rust_files(&folder(package).join("src"))? {
        if !path.ends_with("tests.rs") {
            lines += rust::lines_outside_tests(&read(&path)?);
        }
    }
    Ok(lines)
}

fn third_party(metadata: &Metadata, trees: &BTreeMap<&str, Tree>) -> Result<()> {
    let lowest: Vec<_> = table::TABLE
        .iter()
        .filter(|row| row.third_party.is_some() && trees.contains_key(row.name))
        .map(|row| row.name)
        .collect();
    let mut whole = Tree::default();
    for name in &lowest {
        whole.merge(&trees[name]);
    }
    print_head(&lowest, &whole);
    let reasons = Reasons::read(root())?;
    let native = graph::native(metadata);
    for key in whole.all() {
        let package = find(metadata, &key)?;
        let source = Source::read(package)?;
        println!(
            "{:<24}{:<10}{:>7}{:>10}  {:<8}{:<8}{:<12}{}",
            key.name,
            key.version,
            source.lines,
            source.shown_unsafe(),
            mark(has(package, &TargetKind::CustomBuild), "script"),
            mark(native.contains(&key.name), "native"),
            kind(package, &whole, &key),
            reasons.of(&key.name, &whole.parents(&key)),
        );
    }
    Ok(())
}

fn print_head(lowest: &[&str], whole: &Tree) {
    println!(
        "\nWhat {} use of others: {} crates in the program, {} more while it is built.\n",
        lowest.join(", "),
        whole.normal.len(),
        whole.all().len() - whole.normal.len()
    );
    println!(
        "lines   of Rust, without tests/, benches/, examples/, comments and blank ones, for all targets and features\n\
         unsafe  the keyword, outside comments and literals, in the same files; forbidden: none, and the crate's root forbids it\n\
         script  has a build script\n\
         native  links native code, or compiles it\n\
         why     the comment in a Cargo.toml of ours, or the crates that need it (`cargo tree -i CRATE` shows the paths)\n"
    );
    println!(
        "{:<24}{:<10}{:>7}{:>10}  {:<8}{:<8}{:<12}why",
        "crate", "version", "lines", "unsafe", "script", "native", "kind"
    );
}

fn mark(yes: bool, word: &'static str) -> &'static str {
    if yes { word } else { "-" }
}

fn kind(package: &Package, whole: &Tree, key: &Key) -> &'static str {
    if has(package, &TargetKind::ProcMacro) {
        "proc macro"
    } else if whole.normal.contains(key) {
        "library"
    } else {
        "build only"
    }
}

fn has(package: &Package, kind: &TargetKind) -> bool {
    package
        .targets
        .iter()
        .any(|target| target.kind.contains(kind))
}

fn find<'a>(metadata: &'a Metadata, key: &Key) -> Result<&'a Package> {
    metadata
        .packages
        .iter()
        .find(|package| *package.name == key.name && package.version.to_string() == key.version)
        .with_context(|| {
            format!(
                "`cargo metadata` does not know {} {}",
                key.name, key.version
            )
        })
}

/// What the source of a package amounts to.
struct Source {
    lines: usize,
    unsafes: usize,
    forbidden: bool,
}

impl Source {
    fn read(package: &Package) -> Result<Self> {
        let mut source = Self {
            lines: 0,
            unsafes: 0,
            forbidden: forbids_unsafe(package)?,
        };
        for path in rust_files(folder(package))? {
            let text = rust::code(&read(&path)?);
            source.lines += rust::lines(&text);
            source.unsafes += rust::count_word(&text, "unsafe");
        }
        Ok(source)
    }

    fn shown_unsafe(&self) -> String {
        match (self.unsafes, self.forbidden) {
            (0, true) => "forbidden".to_owned(),
            (count, _) => count.to_string(),
        }
    }
}

fn forbids_unsafe(package: &Package) -> Result<bool> {
    let is_root = |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::ProcMacro);
    let root = package
        .targets
        .iter()
        .find(|target| target.kind.iter().any(is_root));
    let Some(root) = root else { return Ok(false) };
    Ok(rust::forbids_unsafe(&read(root.src_path.as_std_path())?))
}

fn folder(package: &Package) -> &Path {
    package
        .manifest_path
        .parent()
        .map_or(Path::new("."), |folder| folder.as_std_path())
}

/// Every `.rs` file below a folder that is part of what is built for others.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !["tests", "benches", "examples", "target", "fuzz"].contains(&&*name) {
                found.extend(rust_files(&path)?);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tests_are_not_part_of_what_is_built() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "src/lib.rs",
            "src/a/b.rs",
            "build.rs",
            "tests/it.rs",
            "README.md",
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = rust_files(root.path()).unwrap();
        found.sort();
        let expected = ["build.rs", "src/a/b.rs", "src/lib.rs"];
        assert_eq!(found, expected.map(|name| root.path().join(name)));
    }
}
