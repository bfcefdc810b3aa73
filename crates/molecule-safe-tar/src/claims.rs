//! Which path is taken by what, so that no two entries are the same file, on whatever disk.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::header::Member;
use crate::path::EntryPath;
use crate::unicode::collision_key;
use crate::{EntryName, Refusal};

/// The paths seen so far, as a tree of components: each is looked up below its parent by its collision key.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    nodes: HashMap<(NodeId, Box<str>), Node>,
}

/// The top is 0, the others count from 1.
type NodeId = usize;
const TOP: NodeId = 0;

#[derive(Debug)]
struct Node {
    id: NodeId,
    spelling: Box<str>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A directory that only links which were left out imply. It is not made.
    Imagined,
    Directory,
    File,
    Link,
}

/// What a claim adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Directories that have to be made, parents first.
    pub(crate) directories: Vec<String>,
    /// How many directories are new without being the entry itself.
    pub(crate) implied: u32,
}

impl Claims {
    /// Claims a path for an entry, and the directories that lead to it.
    pub(crate) fn claim(
        &mut self,
        path: &EntryPath,
        member: Member,
        entry: &EntryName,
    ) -> Result<Added, Refusal> {
        let mut added = Added::default();
        let mut parent = TOP;
        for (here, component) in path.prefixes() {
            let last = here == path.as_str();
            let wanted = wanted(member, last);
            let (node, was) = self.node(parent, component, wanted);
            check_spelling(node, component, entry)?;
            node.state = merge(was, wanted, entry)?;
            parent = node.id;
            added.implied += u32::from(was.is_none() && !last);
            if node.state == State::Directory && was != Some(State::Directory) {
                added.directories.push(here.to_owned());
            }
        }
        Ok(added)
    }

    /// The node of a component, and what it was before, if it was there.
    fn node(
        &mut self,
        parent: NodeId,
        component: &str,
        wanted: State,
    ) -> (&mut Node, Option<State>) {
        let id = self.nodes.len() + 1;
        match self.nodes.entry((parent, collision_key(component).into())) {
            Entry::Occupied(node) => {
                let node = node.into_mut();
                let was = node.state;
                (node, Some(was))
            }
            Entry::Vacant(place) => {
                let node = Node {
                    id,
                    spelling: component.into(),
                    state: wanted,
                };
                (place.insert(node), None)
            }
        }
    }
}

fn check_spelling(node: &Node, component: &str, entry: &EntryName) -> Result<(), Refusal> {
    if *node.spelling == *component {
        return Ok(());
    }
    let entry = entry.clone();
    let other = EntryName::new(node.spelling.as_bytes());
    Err(Refusal::NameCollision { entry, other })
}

/// What a component has to be: the entry itself if it is the last one, and else a directory.
fn wanted(member: Member, last: bool) -> State {
    match (member, last) {
        (Member::SymbolicLink | Member::HardLink, true) => State::Link,
        (Member::SymbolicLink | Member::HardLink, false) => State::Imagined,
        (Member::File, true) => State::File,
        _ => State::Directory,
    }
}

/// What a component becomes that was one thing and has to be another.
fn merge(was: Option<State>, wanted: State, entry: &EntryName) -> Result<State, Refusal> {
    use State::{Directory, File, Imagined, Link};
    let entry = entry.clone();
    match (was, wanted) {
        (None, _) => Ok(wanted),
        (Some(Imagined | Directory), Directory) => Ok(Directory),
        (Some(was @ (Imagined | Directory)), Imagined) => Ok(was),
        (Some(_), Link) => Err(Refusal::LinkRepeatsPath { entry }),
        (Some(Link), _) => Err(Refusal::ThroughLink { entry }),
        (Some(File), File) => Err(Refusal::Duplicate { entry }),
        (Some(File), _) | (Some(_), File) => Err(Refusal::FileAndDirectory { entry }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Added, Claims};
    use crate::header::Member;
    use crate::path::EntryPath;
    use crate::{EntryName, Options};

    fn check(claims: &mut Claims, path: &str, member: Member, directories: &[&str], implied: u32) {
        let entry = EntryName::new(path.as_bytes());
        let path = EntryPath::parse(path.as_bytes(), member, &Options::new(), &entry).unwrap();
        let directories = directories.iter().map(ToString::to_string).collect();
        let expected = Added {
            directories,
            implied,
        };
        assert_eq!(
            claims.claim(&path, member, &entry).unwrap(),
            expected,
            "{entry}"
        );
    }

    #[test]
    fn directories_are_made_once_and_parents_first() {
        let mut claims = Claims::default();
        check(
            &mut claims,
            "a/b/c/f",
            Member::File,
            &["a", "a/b", "a/b/c"],
            3,
        );
        check(&mut claims, "a/b/g", Member::File, &[], 0);
        check(&mut claims, "a/b/", Member::Directory, &[], 0);
        check(&mut claims, "d", Member::Directory, &["d"], 0);
        check(&mut claims, "a/e", Member::Directory, &["a/e"], 0);
        check(&mut claims, ".", Member::Directory, &[], 0);
    }

    #[test]
    fn a_link_implies_directories_that_are_made_only_when_something_is_kept_there() {
        let mut claims = Claims::default();
        check(&mut claims, "a/b/s", Member::SymbolicLink, &[], 2);
        check(&mut claims, "a/f", Member::File, &["a"], 0);
        check(&mut claims, "a/t", Member::HardLink, &[], 0);
        check(&mut claims, "a/b", Member::Directory, &["a/b"], 0);
    }
}
