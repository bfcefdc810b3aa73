//! Everything below a directory as it is right now, whatever it is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use molecule_safe_tar::tree::{self, Node};

use super::folder::io_error;
use crate::{PluginError, Sha256Digest};

/// What is found under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A regular file, by its content.
    File(Sha256Digest),
    /// A symbolic link, by the text that it points to.
    Link(Sha256Digest),
    /// A device, a pipe or a socket.
    Special,
}

/// What is found under each path, directories aside.
pub(super) type Snapshot = BTreeMap<Vec<u8>, State>;

/// Takes in everything below `root`. `setup.sh` may have left anything there, so nothing is refused.
pub(super) fn snapshot(root: &Path) -> Result<Snapshot, PluginError> {
    let mut states = Snapshot::new();
    let walked = tree::walk(root, &mut |path, node| {
        if let Some(state) = state(root, path, node)? {
            states.insert(path.to_vec(), state);
        }
        Ok(())
    });
    walked.map_err(io_error("read", root))?;
    Ok(states)
}

fn state(root: &Path, path: &[u8], node: Node) -> io::Result<Option<State>> {
    Ok(match node {
        Node::File(file) => Some(State::File(Sha256Digest::of_reader(file)?)),
        Node::Directory => None,
        Node::SymbolicLink => {
            let target = std::fs::read_link(root.join(OsStr::from_bytes(path)))?;
            let target = target.as_os_str().as_bytes();
            Some(State::Link(Sha256Digest::of(target)))
        }
        _ => Some(State::Special),
    })
}

/// A path for people and programs to read: what cannot be printed is escaped.
pub(super) fn printable(path: &[u8]) -> String {
    let Ok(path) = std::str::from_utf8(path) else {
        return path.escape_ascii().to_string();
    };
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '"' | '\'' => text.push(character),
            _ => text.extend(character.escape_debug()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_escaped() {
        let check = |path: &[u8], expect: &str| assert_eq!(printable(path), expect);
        check(b"skills/it's.md", "skills/it's.md");
        check("é/日本".as_bytes(), "é/日本");
        check(b"a\nb\x1b[31m", r"a\nb\u{1b}[31m");
        check("\u{202e}gpj".as_bytes(), r"\u{202e}gpj");
        check(b"a\xffb", r"a\xffb");
        check(br"a\b", r"a\\b");
    }
}
