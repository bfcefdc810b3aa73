//! The files of a plugin's directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use molecule_safe_tar::tree::{self, Node};

use crate::PluginError;

/// What a plugin may hold.
pub(crate) enum Found {
    File(File),
    Directory,
}

type Visit<'a> = &'a mut dyn FnMut(&str, Found) -> io::Result<()>;

/// Visits everything below `dir`, in the disk's order. Paths are relative and joined by `/`.
pub(crate) fn visit(dir: &Path, visit: Visit<'_>) -> Result<(), PluginError> {
    let mut trouble = None;
    let walked = tree::walk(dir, &mut |path, node| {
        visit_node(dir, path, node, visit).map_err(|error| {
            trouble = Some(error);
            io::Error::other("the visit ended early")
        })
    });
    match (trouble, walked) {
        (Some(error), _) => Err(error),
        (None, walked) => walked.map_err(|source| unreadable(dir.to_owned(), source)),
    }
}

pub(crate) fn unreadable(path: PathBuf, source: io::Error) -> PluginError {
    PluginError::Io {
        action: "read",
        path,
        source,
    }
}

fn visit_node(dir: &Path, path: &[u8], node: Node, visit: Visit<'_>) -> Result<(), PluginError> {
    let absolute = || dir.join(OsStr::from_bytes(path));
    let foreign = |what| PluginError::Foreign {
        path: absolute(),
        what,
    };
    let name = str::from_utf8(path).map_err(|_| foreign("a name that is not UTF-8"))?;
    let found = match node {
        Node::File(file) => Found::File(file),
        Node::Directory => Found::Directory,
        Node::SymbolicLink => return Err(foreign("a symbolic link")),
        _ => return Err(foreign("a device, a pipe or a socket")),
    };
    visit(name, found).map_err(|source| unreadable(absolute(), source))
}
