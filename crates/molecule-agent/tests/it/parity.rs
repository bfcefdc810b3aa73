//! PARITY.md names tests. A test that was renamed or removed must not stay there.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../PARITY.md");
/// This crate's part of a test's name is left out.
const SELF: &str = env!("CARGO_PKG_NAME");

/// A row of the table of disagreements.
struct Row {
    number: u32,
    tests: Vec<Named>,
}

/// A test by the crate, module and function that the table names.
#[derive(Debug)]
struct Named {
    krate: String,
    module: String,
    function: String,
}

fn rows() -> Vec<Row> {
    let table = PAGE.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let number = cells.get(1)?.parse().ok()?;
        Some(Row {
            number,
            tests: names(cells[4]),
        })
    });
    table.collect()
}

/// The names between backticks.
fn names(cell: &str) -> Vec<Named> {
    cell.split('`').skip(1).step_by(2).map(named).collect()
}

fn named(text: &str) -> Named {
    let (krate, path) = text.split_once(": ").unwrap_or((SELF, text));
    let (module, function) = path.rsplit_once("::").expect("a module and a function");
    Named {
        krate: krate.to_owned(),
        module: module.replace("::", "/"),
        function: function.to_owned(),
    }
}

impl Named {
    /// Whether a file of that module has a test of that name. A packaged crate has no neighbours to look at.
    fn exists(&self) -> bool {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = own.with_file_name(&self.krate);
        let folder = if self.krate == SELF { own } else { &folder };
        if !folder.is_dir() {
            return true;
        }
        let mut files = rust_files(&folder.join("src"));
        files.extend(rust_files(&folder.join("tests")));
        let is_module = |file: &&PathBuf| file.with_extension("").ends_with(&self.module);
        let function = format!("fn {}(", self.function);
        files
            .iter()
            .filter(is_module)
            .any(|file| fs::read_to_string(file).unwrap().contains(&function))
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.extend(folders.iter().flat_map(|folder| rust_files(folder)));
    files
}

#[test]
fn every_disagreement_is_listed_once_in_order() {
    let numbers: Vec<_> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=22).collect::<Vec<_>>());
}

#[test]
fn every_disagreement_has_a_test() {
    let without = rows().into_iter().filter(|row| row.tests.is_empty());
    let without: Vec<_> = without.map(|row| row.number).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let rows = rows();
    let tests = rows.iter().flat_map(|row| &row.tests);
    let missing: Vec<_> = tests.filter(|test| !test.exists()).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_test_that_does_not_exist_would_be_noticed() {
    assert!(named("parity::every_test_that_is_named_exists").exists());
    assert!(!named("parity::every_test_that_is_not_named").exists());
    assert!(!named("agent::every_test_that_is_named_exists").exists());
}
