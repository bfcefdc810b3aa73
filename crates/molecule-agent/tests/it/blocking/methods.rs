//! The blocking client has the methods of the async one, as their sources say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the blocking client has for itself: ways to make one, and back to the async one.
const OWN: &[&str] = &["as_async", "builder", "new", "new_default"];

/// What only the async client has: ways to make one.
const ASYNC: &[&str] = &["builder", "new_default"];

/// Methods by name, each as it is written in the table of the blocking client.
type Methods = BTreeMap<String, String>;

#[test]
fn the_blocking_client_has_every_method_of_the_async_one_with_the_same_arguments() {
    let mut expect = Methods::new();
    let mut found = Methods::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        if path.components().any(|part| part.as_os_str() == "blocking") {
            found.extend(table(&text));
            found.extend(methods(&text));
        } else {
            expect.extend(methods(&text));
        }
    }
    expect.retain(|name, _| !ASYNC.contains(&name.as_str()));
    found.retain(|name, _| !OWN.contains(&name.as_str()));
    assert!(expect.len() > 20, "the sources are not read: {expect:?}");
    let missing: Vec<_> = expect
        .values()
        .filter(|line| !is_in(line, &found))
        .collect();
    assert!(
        missing.is_empty(),
        "add to src/blocking/methods.rs:\n{missing:#?}"
    );
    let unknown: Vec<_> = found
        .values()
        .filter(|line| !is_in(line, &expect))
        .collect();
    assert!(
        unknown.is_empty(),
        "not methods of the async client:\n{unknown:#?}"
    );
}

fn is_in(line: &str, methods: &Methods) -> bool {
    methods.values().any(|other| other == line)
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}

/// The public methods in the blocks `impl RemoteAgentClient`, as rustfmt lays them out.
fn methods(text: &str) -> Methods {
    let mut all = Methods::new();
    for block in text.split("\nimpl RemoteAgentClient {\n").skip(1) {
        let block = block.split("\n}\n").next().unwrap();
        for item in block.split("\n    pub ").skip(1) {
            let head = item.split(" {\n").next().unwrap();
            if head.contains("fn ") {
                all.extend([named(head)]);
            }
        }
    }
    all
}

/// The lines of the table.
fn table(text: &str) -> Methods {
    let Some((_, block)) = text.split_once("    mirror! {\n") else {
        return Methods::new();
    };
    let block = block.split("\n    }\n").next().unwrap();
    let is_method = |line: &&str| line.starts_with("fn ") || line.starts_with("async fn ");
    let lines = block.lines().map(str::trim).filter(is_method);
    lines
        .map(|line| named(line.trim_end_matches(';')))
        .collect()
}

/// A method on one line. The handlers of the blocking client are functions, so that their type may differ.
fn named(head: &str) -> (String, String) {
    let words: Vec<_> = head.split_whitespace().collect();
    let line = words.join(" ").replace("( ", "(").replace(", )", ")");
    let line = line.replace("const fn ", "fn ");
    let (_, rest) = line.split_once("fn ").unwrap();
    let name = rest.split(['(', '<']).next().unwrap().to_owned();
    match line.split_once("handler: ") {
        None => (name, line),
        Some((_, rest)) => {
            let rest = &rest[rest.find(", ").unwrap()..];
            let method = format!("async fn {name}(&self, handler{rest}");
            (name, method)
        }
    }
}

#[test]
fn methods_are_read_as_they_are_written() {
    let text = "\nimpl RemoteAgentClient {\n    /// Docs.\n    pub async fn one(\n        &self,\n        a: &str,\n    ) -> Result<(), E> {\n        x()\n    }\n\n    pub(crate) fn two(&self) {\n    }\n}\n";
    let expect = "async fn one(&self, a: &str) -> Result<(), E>";
    assert_eq!(Vec::from_iter(methods(text).into_values()), [expect]);
    let text = format!("    mirror! {{\n        #[cfg(x)]\n        {expect};\n    }}\n");
    assert_eq!(Vec::from_iter(table(&text).into_values()), [expect]);
}
