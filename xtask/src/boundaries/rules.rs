//! The rules of the crate table, as a pure function of the dependency graph.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Crate, Graph, Names};
use super::table::{
    EMULATOR_AVOIDS, FOR_PROGRAMS, FOR_TESTS, POLL_ONLY_AVOIDS, PROGRAMS, Row, TABLE, TESTS,
    TOO_HEAVY, row,
};

/// Everything in the graph that the table does not allow, as sentences.
pub(crate) fn violations(graph: &Graph) -> Vec<String> {
    let mut all = Vec::new();
    for (name, krate) in &graph.crates {
        match row(name) {
            Some(row) => all.extend(check_crate(graph, krate, row)),
            None => all.push(format!(
                "{name} is not in the crate table: describe it there and in ARCHITECTURE.md"
            )),
        }
    }
    all.extend(dev_cycle(graph));
    all
}

fn check_crate(graph: &Graph, krate: &Crate, row: &Row) -> Vec<String> {
    let mut all = internal_edges(krate, row);
    all.extend(for_programs(krate, row));
    all.extend(for_tests(krate, row));
    if let Some(allowed) = row.third_party {
        all.extend(third_party(krate, row, allowed));
        all.extend(weight(graph, krate, row));
    }
    if row.name == "molecule-emulator" {
        all.extend(avoids(
            &krate.reaches,
            EMULATOR_AVOIDS,
            "molecule-emulator",
            "it must not share the client's mistakes",
        ));
    }
    if row.name == "molecule-agent" {
        let bare = "molecule-agent without default features";
        all.extend(avoids(
            &krate.reaches_bare,
            POLL_ONLY_AVOIDS,
            bare,
            "a user who only polls needs neither",
        ));
    }
    all
}

fn internal_edges(krate: &Crate, row: &Row) -> Vec<String> {
    members(&krate.direct)
        .filter(|used| !row.internal.contains(used))
        .map(|used| format!("{} may not depend on {used}", row.name))
        .collect()
}

fn third_party(krate: &Crate, row: &Row, allowed: &[&str]) -> Vec<String> {
    krate
        .direct
        .iter()
        .filter(|used| !is_member(used) && !allowed.contains(&used.as_str()))
        .map(|used| {
            format!(
                "{} may not depend on {used}: its list is complete",
                row.name
            )
        })
        .collect()
}

fn weight(graph: &Graph, krate: &Crate, row: &Row) -> Vec<String> {
    let mut all = avoids(
        &krate.reaches,
        TOO_HEAVY,
        row.name,
        "the lowest crates know no runtime and no HTTP client",
    );
    for native in krate.reaches.intersection(&graph.native) {
        all.push(format!(
            "{} reaches {native}, which links native code (`cargo tree -p {} -i {native}`)",
            row.name, row.name
        ));
    }
    all
}

fn avoids(reached: &Names, avoided: &[&str], who: &str, why: &str) -> Vec<String> {
    avoided
        .iter()
        .filter(|name| reached.contains(**name))
        .map(|name| format!("{who} reaches {name}: {why}"))
        .collect()
}

fn for_programs(krate: &Crate, row: &Row) -> Vec<String> {
    if PROGRAMS.contains(&row.name) {
        return Vec::new();
    }
    FOR_PROGRAMS
        .iter()
        .filter(|name| krate.direct.contains(**name))
        .map(|name| format!("{} may not depend on {name}: only programs do", row.name))
        .collect()
}

fn for_tests(krate: &Crate, row: &Row) -> Vec<String> {
    if TESTS.contains(&row.name) {
        return Vec::new();
    }
    FOR_TESTS
        .iter()
        .filter(|(name, _)| krate.direct.contains(*name))
        .map(|(name, why)| format!("{} may use {name} in tests only: {why}", row.name))
        .collect()
}

/// Tests may use more than the table allows, but no crate may be needed to test what it is built on.
fn dev_cycle(graph: &Graph) -> Option<String> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = graph
        .crates
        .iter()
        .map(|(name, krate)| (name.as_str(), neighbours(graph, name, krate)))
        .collect();
    loop {
        let done: Vec<&str> = left
            .iter()
            .filter(|(_, uses)| uses.is_empty())
            .map(|(name, _)| *name)
            .collect();
        if done.is_empty() {
            break;
        }
        left.retain(|name, _| !done.contains(name));
        left.values_mut()
            .for_each(|uses| uses.retain(|name| !done.contains(name)));
    }
    let names: Vec<_> = left.keys().copied().collect();
    (!names.is_empty()).then(|| {
        format!(
            "dependencies, with those of tests, go round in a circle among {}",
            names.join(", ")
        )
    })
}

/// Itself is not one: that is how a crate turns on a feature for its own tests.
fn neighbours<'graph>(
    graph: &'graph Graph,
    name: &str,
    krate: &'graph Crate,
) -> BTreeSet<&'graph str> {
    krate
        .direct
        .union(&krate.dev)
        .map(String::as_str)
        .filter(|used| *used != name && graph.crates.contains_key(*used))
        .collect()
}

fn members(names: &Names) -> impl Iterator<Item = &str> {
    names
        .iter()
        .map(String::as_str)
        .filter(|name| is_member(name))
}

fn is_member(name: &str) -> bool {
    TABLE.iter().any(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Names {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// A crate that uses these directly, and nothing behind them.
    fn using(direct: &[&str]) -> Crate {
        Crate {
            direct: names(direct),
            reaches: names(direct),
            ..Crate::default()
        }
    }

    fn graph<const N: usize>(crates: [(&str, Crate); N]) -> Graph {
        Graph {
            crates: crates.map(|(name, krate)| (name.to_owned(), krate)).into(),
            native: Names::new(),
        }
    }

    /// `graph` breaks exactly one rule, and the message has all of `words`.
    fn breaks(graph: &Graph, words: &[&str]) {
        let found = violations(graph);
        assert_eq!(found.len(), 1, "{found:#?}");
        for word in words {
            assert!(
                found[0].contains(word),
                "`{word}` is missing in: {}",
                found[0]
            );
        }
    }

    #[test]
    fn a_workspace_as_in_the_table_breaks_nothing() {
        let found = violations(&graph([
            ("molecule-protocol", using(&["serde", "url"])),
            (
                "molecule-agent",
                using(&["molecule-protocol", "tokio", "tracing"]),
            ),
            (
                "molecule-agent-cli",
                using(&["molecule-agent", "molecule-emulator", "clap", "anyhow"]),
            ),
            (
                "molecule-emulator",
                using(&["molecule-protocol", "axum", "hyper"]),
            ),
            ("xtask", using(&["clap"])),
        ]));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_crate_must_be_in_the_table() {
        breaks(
            &graph([("molecule-surprise", using(&[]))]),
            &["molecule-surprise", "not in the crate table"],
        );
    }

    #[test]
    fn an_internal_edge_must_be_in_the_table() {
        let graph = graph([("molecule-transport", using(&["molecule-protocol"]))]);
        breaks(
            &graph,
            &["molecule-transport may not depend on molecule-protocol"],
        );
    }

    #[test]
    fn a_lowest_crate_keeps_to_its_list() {
        let graph = graph([("molecule-token-store", using(&["fs4", "serde"]))]);
        breaks(&graph, &["molecule-token-store may not depend on serde"]);
    }

    #[test]
    fn a_lowest_crate_never_reaches_a_runtime() {
        let mut krate = using(&["sha2"]);
        krate.reaches.insert("tokio".to_owned());
        breaks(
            &graph([("molecule-plugin", krate)]),
            &["molecule-plugin reaches tokio"],
        );
    }

    #[test]
    fn a_lowest_crate_never_links_native_code() {
        let mut krate = using(&["flate2"]);
        krate.reaches.insert("libz-sys".to_owned());
        let mut graph = graph([("molecule-safe-tar", krate)]);
        graph.native = names(&["libz-sys", "ring"]);
        breaks(
            &graph,
            &["molecule-safe-tar reaches libz-sys", "native code"],
        );
    }

    #[test]
    fn the_emulator_never_reaches_the_client_even_through_others() {
        let mut krate = using(&["axum"]);
        krate.reaches.insert("molecule-transport".to_owned());
        breaks(
            &graph([("molecule-emulator", krate)]),
            &["molecule-emulator reaches molecule-transport"],
        );
    }

    #[test]
    fn a_user_who_only_polls_builds_neither_server_nor_store() {
        let mut krate = using(&["redb", "axum"]);
        krate.reaches_bare = names(&["redb"]);
        breaks(
            &graph([("molecule-agent", krate)]),
            &["without default features reaches redb"],
        );
    }

    #[test]
    fn only_programs_parse_arguments() {
        breaks(
            &graph([("molecule-agent", using(&["clap"]))]),
            &["molecule-agent may not depend on clap"],
        );
    }

    #[test]
    fn a_test_oracle_stays_in_tests_and_fuzz_targets() {
        breaks(
            &graph([("molecule-agent", using(&["serde_yaml"]))]),
            &["serde_yaml in tests only"],
        );
        let tested = Crate {
            dev: names(&["serde_yaml"]),
            ..Crate::default()
        };
        assert!(violations(&graph([("molecule-plugin", tested)])).is_empty());
        let fuzzed = using(&["serde_yaml"]);
        assert!(violations(&graph([("molecule-fuzz-bodies", fuzzed)])).is_empty());
    }

    #[test]
    fn tests_may_use_more_but_not_in_a_circle() {
        let tested = || Crate {
            dev: names(&["molecule-emulator"]),
            ..using(&["molecule-protocol"])
        };
        let emulator = |dev| Crate {
            dev: names(dev),
            ..using(&["molecule-protocol"])
        };
        let protocol = || using(&["serde"]);

        let straight = graph([
            ("molecule-agent", tested()),
            ("molecule-emulator", emulator(&[])),
            ("molecule-protocol", protocol()),
        ]);
        assert!(violations(&straight).is_empty());

        let itself = Crate {
            dev: names(&["molecule-protocol"]),
            ..protocol()
        };
        assert!(violations(&graph([("molecule-protocol", itself)])).is_empty());

        let circle = graph([
            ("molecule-agent", tested()),
            ("molecule-emulator", emulator(&["molecule-agent"])),
            ("molecule-protocol", protocol()),
        ]);
        breaks(&circle, &["circle among molecule-agent, molecule-emulator"]);
    }

    #[test]
    fn the_table_itself_has_no_circle_and_names_only_its_own_crates() {
        let whole = Graph {
            crates: TABLE
                .iter()
                .map(|row| (row.name.to_owned(), using(row.internal)))
                .collect(),
            native: Names::new(),
        };
        assert_eq!(violations(&whole), Vec::<String>::new());
        assert!(
            TABLE
                .iter()
                .flat_map(|row| row.internal)
                .all(|name| is_member(name))
        );
    }
}
