//! What stands behind a crate, from `cargo tree`.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::process::Run;

/// One version of a crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// Crates, and who needs whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// What the crate itself names.
    pub(crate) direct: BTreeSet<Key>,
    /// What ends up in the program.
    pub(crate) normal: BTreeSet<Key>,
    /// Who needs whom, at run time or while building.
    edges: BTreeSet<(Key, Key)>,
}

impl Tree {
    /// With all features, on Linux.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let mut tree = Self::parse(&cargo_tree(name, "normal,no-proc-macro")?);
        tree.normal = tree
            .edges
            .iter()
            .map(|(_, needed)| needed.clone())
            .collect();
        let whole = Self::parse(&cargo_tree(name, "normal,build")?);
        tree.direct = whole.direct;
        tree.edges = whole.edges;
        Ok(tree)
    }

    /// Lines of depth, name and version: `1serde v1.0.0 (*)`.
    fn parse(text: &str) -> Self {
        let mut tree = Self::default();
        let mut path: Vec<Key> = Vec::new();
        for (depth, key) in text.lines().filter_map(parse_line) {
            path.truncate(depth);
            if let Some(parent) = path.last() {
                tree.edges.insert((parent.clone(), key.clone()));
            }
            if depth == 1 {
                tree.direct.insert(key.clone());
            }
            path.push(key);
        }
        tree
    }

    /// Without the workspace's own crates.
    pub(crate) fn without(mut self, members: &BTreeSet<String>) -> Self {
        let foreign = |key: &Key| !members.contains(&key.name);
        self.direct.retain(foreign);
        self.normal.retain(foreign);
        self.edges.retain(|(_, needed)| foreign(needed));
        self
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.direct.extend(other.direct.iter().cloned());
        self.normal.extend(other.normal.iter().cloned());
        self.edges.extend(other.edges.iter().cloned());
    }

    /// Every crate.
    pub(crate) fn all(&self) -> BTreeSet<Key> {
        self.edges
            .iter()
            .map(|(_, needed)| needed.clone())
            .collect()
    }

    /// The names of those that need one.
    pub(crate) fn parents(&self, key: &Key) -> Vec<&str> {
        let mut names: Vec<_> = self
            .edges
            .iter()
            .filter(|(_, needed)| needed == key)
            .map(|(parent, _)| parent.name.as_str())
            .collect();
        names.dedup();
        names
    }
}

fn cargo_tree(name: &str, edges: &str) -> Result<String> {
    Run::new(&format!(
        "cargo tree -p {name} --all-features --edges {edges} --prefix depth --format {{p}} --target x86_64-unknown-linux-gnu"
    ))
    .read()
}

fn parse_line(line: &str) -> Option<(usize, Key)> {
    let digits = line.find(|c: char| !c.is_ascii_digit())?;
    let depth = line[..digits].parse().ok()?;
    let mut words = line[digits..].split_whitespace();
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((depth, Key { name, version }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0plugin v0.1.0 (/some/path)\n1serde v1.0.0\n2serde_core v1.0.0\n\
        2serde_derive v1.0.0 (proc-macro)\n3syn v2.0.0\n1tar v0.4.0\n2libc v0.2.0\n1own v0.1.0 (/path)\n2serde v1.0.0 (*)\n";

    fn names<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Vec<&'a str> {
        keys.into_iter().map(|key| key.name.as_str()).collect()
    }

    fn key(name: &str, version: &str) -> Key {
        Key {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn depth_tells_who_needs_whom() {
        let tree = Tree::parse(TREE);
        assert_eq!(names(&tree.direct), ["own", "serde", "tar"]);
        assert_eq!(tree.parents(&key("syn", "2.0.0")), ["serde_derive"]);
        assert_eq!(tree.parents(&key("serde", "1.0.0")), ["own", "plugin"]);
        assert_eq!(tree.all().len(), 7);
    }

    #[test]
    fn two_versions_are_two_crates() {
        let tree = Tree::parse("0a v1.0.0\n1b v1.0.0\n2c v1.0.0\n1c v2.0.0\n");
        assert_eq!(tree.all().len(), 3);
        assert_eq!(tree.parents(&key("c", "2.0.0")), ["a"]);
    }

    #[test]
    fn members_are_not_counted_and_what_they_need_is() {
        let members = BTreeSet::from(["plugin".to_owned(), "own".to_owned()]);
        let tree = Tree::parse(TREE).without(&members);
        assert_eq!(names(&tree.direct), ["serde", "tar"]);
        assert!(!names(&tree.all()).contains(&"own"));
        assert_eq!(tree.parents(&key("serde", "1.0.0")), ["own", "plugin"]);
    }
}
