//! Visiting a tree.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use crate::dir::{Cursor, failed, join, open_unlinked, shown};

/// Bytes of the longest path that is walked, as the system has it for paths in use.
const PATH_BYTES: usize = 4096;

/// What [`walk`] meets.
#[derive(Debug)]
#[non_exhaustive]
pub enum Node {
    /// A regular file, open for reading.
    File(File),
    /// A directory; what it holds comes later.
    Directory,
    /// A symbolic link. It is not followed.
    SymbolicLink,
    /// A device, a pipe or a socket.
    Special,
}

/// Visits everything below `root`, which itself may not be a link. Paths are relative to it: bytes, joined by `/`. The order is the
/// disk's, but a directory comes before what it holds.
///
/// # Errors
/// When anything cannot be read or has a path of more than 4096 bytes, and whatever `visit` returns.
pub fn walk(root: &Path, visit: &mut dyn FnMut(&[u8], Node) -> io::Result<()>) -> io::Result<()> {
    let handle = open_unlinked(root).map_err(|error| failed("open", root, error))?;
    walk_from(handle, root, visit).map(drop)
}

/// Walks from an open root, and returns the way back to each directory. `shown_root` is for errors only.
pub(super) fn walk_from(
    root: OwnedFd,
    shown_root: &Path,
    visit: &mut dyn FnMut(&[u8], Node) -> io::Result<()>,
) -> io::Result<Cursor> {
    let mut cursor = Cursor::new(root);
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let at = cursor
            .enter(&path)
            .map_err(|error| failed("open", &shown(shown_root, &path), error))?;
        list(at, &path, shown_root, visit, &mut pending)?;
    }
    Ok(cursor)
}

fn list(
    at: BorrowedFd<'_>,
    path: &[u8],
    shown_root: &Path,
    visit: &mut dyn FnMut(&[u8], Node) -> io::Result<()>,
    pending: &mut Vec<Vec<u8>>,
) -> io::Result<()> {
    let unlisted = |error: Errno| failed("list", &shown(shown_root, path), error);
    for entry in Dir::read_from(at).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let path = join(path, name);
        let unopened = |error| failed("open", &shown(shown_root, &path), error);
        let node = look(at, name, entry.file_type(), path.len()).map_err(unopened)?;
        let is_directory = matches!(node, Node::Directory);
        // Before it is kept, so that the visitor can bound how many are.
        visit(&path, node)?;
        if is_directory {
            pending.push(path);
        }
    }
    Ok(())
}

fn look(
    at: BorrowedFd<'_>,
    name: &[u8],
    listed: FileType,
    path_bytes: usize,
) -> Result<Node, Errno> {
    if path_bytes > PATH_BYTES {
        return Err(Errno::NAMETOOLONG);
    }
    match known(at, name, listed)? {
        FileType::RegularFile => open_file(at, name).map(Node::File),
        FileType::Directory => Ok(Node::Directory),
        FileType::Symlink => Ok(Node::SymbolicLink),
        _ => Ok(Node::Special),
    }
}

/// Not every file system lists the types.
pub(super) fn known(at: BorrowedFd<'_>, name: &[u8], listed: FileType) -> Result<FileType, Errno> {
    match listed {
        FileType::Unknown => statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode)),
        listed => Ok(listed),
    }
}

/// Without blocking, because a pipe may have taken the file's place since it was listed.
fn open_file(at: BorrowedFd<'_>, name: &[u8]) -> Result<File, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(at, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file.into()),
        _ => Err(Errno::AGAIN),
    }
}
