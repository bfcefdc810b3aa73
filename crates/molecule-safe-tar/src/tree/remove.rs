//! Removing a tree.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, fchmod, fstat, renameat, unlinkat};
use rustix::io::Errno;

use super::walk::known;
use crate::dir::{
    ACCESSIBLE, failed, join, make_accessible, open_any, open_or_make_accessible, shown, split,
};

/// How often a directory is emptied before it counts as one that somebody else fills. Some file systems leave out entries when
/// others are removed while they list.
const ATTEMPTS: usize = 8;

/// Directories that are held open at once.
const HELD: usize = 32;

/// Removes `root` and everything below it, read-only and unreadable directories included. A link is removed, never followed. What is
/// not there is no error.
///
/// Directories below a certain depth are moved up to `root`, so that any depth takes a few dozen descriptors.
///
/// # Errors
/// When something cannot be removed.
pub fn remove(root: &Path) -> io::Result<()> {
    let (parent, _) = split(root)?;
    match open_any(parent) {
        Ok(parent) => remove_in(&parent, root),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed("open", parent, error)),
    }
}

/// Removes the tree of that file name from `parent`.
pub(crate) fn remove_in(parent: &OwnedFd, root: &Path) -> io::Result<()> {
    let (_, name) = split(root)?;
    let name = name.as_bytes();
    let removed = match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTDIR) => unlinkat(parent, name, AtFlags::empty()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => return remove_full(parent, name, root),
        result => result,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed("remove", root, error)),
    }
}

fn remove_full(parent: &OwnedFd, name: &[u8], root: &Path) -> io::Result<()> {
    let mut removal = Removal {
        root,
        parent,
        way: Vec::new(),
        moved: 0,
    };
    removal.enter(name.to_owned())?;
    while !removal.way.is_empty() {
        removal.step()?;
    }
    Ok(())
}

/// A tree that is being removed, depth first.
struct Removal<'a> {
    /// For errors only.
    root: &'a Path,
    parent: &'a OwnedFd,
    /// The root, and from there to the directory that is being emptied.
    way: Vec<Level>,
    moved: u64,
}

/// A directory whose files are gone.
struct Level {
    name: Vec<u8>,
    handle: OwnedFd,
    /// The directories in it that are left.
    left: Vec<Vec<u8>>,
    attempts: usize,
}

impl Removal<'_> {
    fn step(&mut self) -> io::Result<()> {
        let held = self.way.len();
        match self.way.last_mut().and_then(|level| level.left.pop()) {
            Some(name) if held < HELD => self.enter(name),
            Some(name) => self.move_up(&name),
            None => self.leave(),
        }
    }

    fn enter(&mut self, name: Vec<u8>) -> io::Result<()> {
        match self.open(&name) {
            Ok((handle, left)) => self.way.push(Level {
                name,
                handle,
                left,
                attempts: 1,
            }),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(self.failed("empty", &name, error)),
        }
        Ok(())
    }

    fn open(&self, name: &[u8]) -> Result<(OwnedFd, Vec<Vec<u8>>), Errno> {
        let handle = open_or_make_accessible(self.here(), name)?;
        let stat = fstat(&handle)?;
        if let Some(root) = self.way.first()
            && fstat(&root.handle)?.st_dev != stat.st_dev
        {
            // Something is mounted there, and what it holds is not ours.
            return Err(Errno::XDEV);
        }
        if !Mode::from_raw_mode(stat.st_mode).contains(ACCESSIBLE) {
            fchmod(&handle, ACCESSIBLE)?;
        }
        let left = unlink_files(&handle)?;
        Ok((handle, left))
    }

    /// Removes the directory that was emptied.
    fn leave(&mut self) -> io::Result<()> {
        let Some(mut level) = self.way.pop() else {
            return Ok(());
        };
        match unlinkat(self.here(), &level.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) if level.attempts < ATTEMPTS => {
                level.attempts += 1;
                level.left = unlink_files(&level.handle)
                    .map_err(|error| self.failed("empty", &level.name, error))?;
                self.way.push(level);
                Ok(())
            }
            Err(error) => Err(self.failed("remove", &level.name, error)),
        }
    }

    /// Moves a directory that is too deep to hold the way to it into the root.
    fn move_up(&mut self, name: &[u8]) -> io::Result<()> {
        let mut accessible = false;
        loop {
            let to = format!(".removing-{}", self.moved).into_bytes();
            self.moved += 1;
            match renameat(self.here(), name, &self.way[0].handle, &to) {
                Ok(()) => {
                    self.way[0].left.push(to);
                    return Ok(());
                }
                Err(Errno::NOENT) => return Ok(()),
                // The name is taken.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                // Its entry for the parent changes, so it has to be writable.
                Err(Errno::ACCESS) if !accessible => {
                    accessible = true;
                    make_accessible(self.here(), name)
                        .map_err(|error| self.failed("change the mode of", name, error))?;
                }
                Err(error) => return Err(self.failed("move", name, error)),
            }
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        match self.way.last() {
            Some(level) => level.handle.as_fd(),
            None => self.parent.as_fd(),
        }
    }

    fn failed(&self, action: &'static str, name: &[u8], error: Errno) -> io::Error {
        let names = self.way.iter().map(|level| level.name.as_slice());
        // The first is the root's own.
        let path = names
            .chain([name])
            .skip(1)
            .fold(Vec::new(), |path, name| join(&path, name));
        failed(action, &shown(self.root, &path), error)
    }
}

/// Unlinks everything but directories, and returns those.
fn unlink_files(handle: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut directories = Vec::new();
    for entry in Dir::read_from(handle)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if known(handle.as_fd(), name, entry.file_type())? == FileType::Directory {
            directories.push(name.to_owned());
        } else {
            unlinkat(handle, name, AtFlags::empty())?;
        }
    }
    Ok(directories)
}
