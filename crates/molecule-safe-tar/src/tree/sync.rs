//! Writing a tree to the disk for good.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::fsync;
use rustix::io::Errno;

use super::Node;
use super::walk::walk_from;
use crate::dir::{Cursor, failed, open_any, open_in, shown, split};

/// Files that are synced at once: the disk writes the journal once for all that wait together.
const THREADS: usize = 16;
/// Open files that wait for a thread.
const WAITING: usize = 4;

type Files = Mutex<Receiver<(Vec<u8>, File)>>;

/// Makes everything below `root`, and its own entry in its parent, outlive a loss of power.
///
/// # Errors
/// When the disk refuses.
pub fn sync(root: &Path) -> io::Result<()> {
    let (parent, _) = split(root)?;
    let parent = open_any(parent).map_err(|error| failed("open", parent, error))?;
    sync_in(&parent, root)
}

/// Syncs the tree of that file name in `parent`.
pub(crate) fn sync_in(parent: &OwnedFd, root: &Path) -> io::Result<()> {
    let (_, name) = split(root)?;
    let handle = open_in(parent, name.as_bytes()).map_err(|error| failed("open", root, error))?;
    sync_tree(handle, root)?;
    sync_directory(parent).map_err(|error| failed("sync the parent of", root, error))
}

/// The files first: an entry that is found after a crash then has its contents.
fn sync_tree(handle: OwnedFd, root: &Path) -> io::Result<()> {
    let mut directories = vec![Vec::new()];
    let mut cursor = sync_files(handle, root, &mut directories)?;
    for path in directories.iter().rev() {
        cursor
            .enter(path)
            .and_then(sync_directory)
            .map_err(|error| failed("sync", &shown(root, path), error))?;
    }
    Ok(())
}

/// Walks on this thread and syncs on others, which take the open files from a short queue.
fn sync_files(handle: OwnedFd, root: &Path, directories: &mut Vec<Vec<u8>>) -> io::Result<Cursor> {
    let (sender, receiver) = sync_channel(WAITING);
    let files = Arc::new(Mutex::new(receiver));
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..THREADS {
            let files = files.clone();
            workers
                .push(thread::Builder::new().spawn_scoped(scope, move || sync_each(&files, root))?);
        }
        // The workers alone have it now, so that the walk is told when all have failed.
        drop(files);
        let walked = walk_from(handle, root, &mut |path, node| match node {
            Node::File(file) => sender.send((path.to_owned(), file)).map_err(|_| stopped()),
            Node::Directory => {
                directories.push(path.to_owned());
                Ok(())
            }
            _ => Ok(()),
        });
        drop(sender);
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        walked
    })
}

/// Every worker has failed, and says why.
fn stopped() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

fn sync_each(files: &Files, root: &Path) -> io::Result<()> {
    while let Some((path, file)) = next(files) {
        file.sync_all()
            .map_err(|error| failed("sync", &shown(root, &path), error))?;
    }
    Ok(())
}

fn next(files: &Files) -> Option<(Vec<u8>, File)> {
    // Nothing that could panic happens under the lock.
    files
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

/// Some file systems cannot sync a directory and say so with EINVAL; they leave nothing to do.
fn sync_directory(directory: impl AsFd) -> Result<(), Errno> {
    match fsync(directory) {
        Err(Errno::INVAL) => Ok(()),
        result => result,
    }
}
