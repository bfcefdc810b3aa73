//! The table of faults in the README says what is tested, and all of it.

use molecule_emulator::Fault;

const README: &str = include_str!("../../../README.md");
const TESTS: [&str; 4] = [
    include_str!("injected.rs"),
    include_str!("hostile.rs"),
    include_str!("../faults.rs"),
    include_str!("../events.rs"),
];

/// Fault and tests of each row.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let section = README.split("# When the platform fails").nth(1).unwrap();
    let table = section.split("\n# ").next().unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| fault "));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let tests = cells[2]
            .split(',')
            .map(|test| test.trim().trim_matches('`'));
        (cells[0].trim().trim_matches('`'), tests.collect())
    })
    .collect()
}

#[test]
fn every_kind_of_fault_has_a_row() {
    let rows = rows();
    for kind in Fault::KINDS.iter().chain(&["restart", "hostile"]) {
        assert!(
            rows.iter().any(|(fault, _)| fault == kind),
            "{kind} has no row"
        );
    }
    // The last two are about the stream of events.
    assert_eq!(rows.len(), Fault::KINDS.len() + 2 + 2);
}

#[test]
fn every_test_of_the_table_exists() {
    for (fault, tests) in rows() {
        assert!(!tests.is_empty(), "{fault} has no test");
        for test in tests {
            let name = format!("async fn {test}()");
            let exists = TESTS.iter().any(|source| source.contains(&name));
            assert!(exists, "there is no test {test}");
        }
    }
}
