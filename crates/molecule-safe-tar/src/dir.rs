//! Directories as open handles. No link is followed below the first.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, fchmod, fstat, mkdirat, openat};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// What a directory of ours needs, so that it can be listed and changed.
pub(crate) const ACCESSIBLE: Mode = Mode::RWXU;

/// Ancestors that are held open; what is deeper is opened again when it is needed.
const HELD: usize = 64;

/// Opens a directory that the caller named; links on the way are his, and it may be one itself.
pub(crate) fn open_any(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, or_current(path), DIRECTORY, Mode::empty())
}

/// Opens a directory that the caller named and that is no link itself.
pub(crate) fn open_unlinked(path: &Path) -> Result<OwnedFd, Errno> {
    // Through the components, because the system follows a link before a slash at the end.
    let path: PathBuf = or_current(path).components().collect();
    openat(CWD, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// The parent of a bare name is empty.
fn or_current(path: &Path) -> &Path {
    if path == Path::new("") {
        Path::new(".")
    } else {
        path
    }
}

/// Opens a directory by its name in another. A link is `ENOTDIR` or `ELOOP`.
pub(crate) fn open_in(at: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(at, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// Makes a directory of exactly this mode and opens it.
pub(crate) fn create_in(at: impl AsFd, name: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    mkdirat(&at, name, mode)?;
    open_new_in(at, name, mode)
}

/// Opens a directory that was just made, and gives it exactly this mode.
pub(crate) fn open_new_in(at: impl AsFd, name: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    let handle = open_or_make_accessible(at, name)?;
    set_exactly(&handle, mode)?;
    Ok(handle)
}

/// Opens a directory; if its mode forbids that, changes its mode.
pub(crate) fn open_or_make_accessible(at: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    match open_in(&at, name) {
        Err(Errno::ACCESS) => {
            make_accessible(&at, name)?;
            open_in(&at, name)
        }
        result => result,
    }
}

/// Makes a file of exactly this mode, which nothing may stand in the place of.
pub(crate) fn create_file_in(at: impl AsFd, name: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = openat(at, name, flags, mode)?;
    set_exactly(&handle, mode)?;
    Ok(handle)
}

/// What is new has the mode that was asked for, less the umask or as the parent's access list says. Looking is cheaper than
/// setting it.
fn set_exactly(handle: &OwnedFd, mode: Mode) -> Result<(), Errno> {
    if fstat(handle)?.st_mode & 0o7777 == mode.as_raw_mode() {
        return Ok(());
    }
    fchmod(handle, mode)
}

/// Gives the owner all rights to a directory that he cannot open. A link is not followed.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn make_accessible(at: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;

    // Linux before 6.6 cannot chmod by name without following a link. A handle that grants no access needs no rights, and its
    // entry in /proc leads to what it stands for and nowhere else.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = openat(at, name, flags, Mode::empty())?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), ACCESSIBLE)
}

/// Gives the owner all rights to a directory that he cannot open. A link is not followed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn make_accessible(at: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    use rustix::fs::{AtFlags, chmodat};

    chmodat(at, name, ACCESSIBLE, AtFlags::SYMLINK_NOFOLLOW)
}

/// A path as the directory it is in and its name there.
pub(crate) fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(failed("use", path, Errno::INVAL)),
    }
}

/// What was tried where, for an error's text. What the system said is its source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
struct Failed {
    action: &'static str,
    path: String,
    source: io::Error,
}

/// An error that says what was tried where.
pub(crate) fn failed(action: &'static str, path: &Path, source: impl Into<io::Error>) -> io::Error {
    let source = source.into();
    let path = path.as_os_str().as_bytes().escape_ascii().to_string();
    io::Error::new(
        source.kind(),
        Failed {
            action,
            path,
            source,
        },
    )
}

/// A path below `root`, for people.
pub(crate) fn shown<'a>(root: &'a Path, path: &[u8]) -> Cow<'a, Path> {
    if path.is_empty() {
        return root.into();
    }
    PathBuf::from(root).join(OsStr::from_bytes(path)).into()
}

/// One name deeper: `path/name`, or `name` alone at the root.
pub(crate) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return name.to_owned();
    }
    [path, b"/", name].concat()
}

/// The directory and the name of a path below a root.
pub(crate) fn parent_and_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// Walks from directory to directory below a root, and keeps the way there open: in a sorted tree each directory is opened once.
#[derive(Debug)]
pub(crate) struct Cursor {
    root: OwnedFd,
    /// Where the last handle leads.
    path: Vec<u8>,
    /// Open directories on the way, each with the length of its path.
    held: Vec<(usize, OwnedFd)>,
}

impl Cursor {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self {
            root,
            path: Vec::new(),
            held: Vec::new(),
        }
    }

    /// The handle of a directory; its path is empty for the root.
    pub(crate) fn enter(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        self.leave(path);
        while self.path.len() < path.len() {
            self.descend(path)?;
        }
        Ok(self.here())
    }

    /// Makes a directory and enters it.
    pub(crate) fn create(&mut self, path: &[u8], mode: Mode) -> Result<(), Errno> {
        let (parent, name) = parent_and_name(path);
        let handle = create_in(self.enter(parent)?, name, mode)?;
        self.hold(path, handle);
        Ok(())
    }

    /// The handle entered last.
    fn here(&self) -> BorrowedFd<'_> {
        match self.held.last() {
            Some((_, handle)) => handle.as_fd(),
            None => self.root.as_fd(),
        }
    }

    /// Closes what is not on the way to `path`.
    fn leave(&mut self, path: &[u8]) {
        while !is_within(path, &self.path) {
            self.held.pop();
            self.path
                .truncate(self.held.last().map_or(0, |&(end, _)| end));
        }
    }

    fn descend(&mut self, path: &[u8]) -> Result<(), Errno> {
        let start = self.path.len() + usize::from(!self.path.is_empty());
        let rest = &path[start..];
        let name = rest.split(|&byte| byte == b'/').next().unwrap_or(rest);
        let handle = open_in(self.here(), name)?;
        self.hold(&path[..start + name.len()], handle);
        Ok(())
    }

    fn hold(&mut self, path: &[u8], handle: OwnedFd) {
        if self.held.len() == HELD {
            self.held.pop();
        }
        self.held.push((path.len(), handle));
        self.path.clear();
        self.path.extend_from_slice(path);
    }
}

/// Whether `path` is `ancestor` or below it.
fn is_within(path: &[u8], ancestor: &[u8]) -> bool {
    match path.strip_prefix(ancestor) {
        Some(rest) => ancestor.is_empty() || rest.is_empty() || rest[0] == b'/',
        None => false,
    }
}
