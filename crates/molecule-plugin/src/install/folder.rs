//! A directory held open, so that the one that was checked is the one that is used.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::PluginError;

type Result<T, E = PluginError> = std::result::Result<T, E>;

/// What a name in a directory stands for; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Directory { inode: u64 },
    SymbolicLink,
    Other,
}

/// A directory of ours in which nobody else can write.
#[derive(Debug)]
pub(super) struct Folder {
    handle: File,
    path: PathBuf,
}

impl Folder {
    /// Opens the directory; `None` when there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_at(CWD, path, path)
    }

    /// Opens the directory, whoever owns it and may write in it, to read.
    pub(super) fn open_any(path: &Path) -> Result<Option<Self>> {
        let handle = open_directory(CWD, path, path)?;
        let path = path.to_owned();
        Ok(handle.map(|handle| Self { handle, path }))
    }

    /// Opens the directory, making it (0700) with its parents if it is missing.
    pub(super) fn open_or_create(path: &Path) -> Result<Self> {
        if let Some(folder) = Self::open(path)? {
            return Ok(folder);
        }
        create_directory(path).map_err(io_error("create", path))?;
        Self::open(path)?.ok_or_else(|| io_error("open", path)(Errno::NOENT))
    }

    /// Opens a directory in this one; `None` when there is none.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>> {
        Self::open_at(&self.handle, Path::new(name), &self.path.join(name))
    }

    /// Opens a directory in this one, making it (0700) if it is missing.
    pub(super) fn child_or_create(&self, name: &str) -> Result<Self> {
        if let Some(folder) = self.child(name)? {
            return Ok(folder);
        }
        match mkdirat(&self.handle, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(self.io_error("create", name)(error)),
        }
        self.child(name)?
            .ok_or_else(|| self.io_error("open", name)(Errno::NOENT))
    }

    fn open_at(at: impl AsFd, name: &Path, path: &Path) -> Result<Option<Self>> {
        let handle = open_directory(at, name, path)?;
        handle.map(|handle| Self::checked(handle, path)).transpose()
    }

    fn checked(handle: File, path: &Path) -> Result<Self> {
        let metadata = handle.metadata().map_err(io_error("inspect", path))?;
        check_access(path, &metadata)?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the name stands for; `None` when it is free.
    pub(super) fn entry(&self, name: &str) -> Result<Option<Entry>> {
        match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Entry::Directory { inode: stat.st_ino },
                FileType::Symlink => Entry::SymbolicLink,
                _ => Entry::Other,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.io_error("inspect", name)(error)),
        }
    }

    /// Opens a regular file of ours for reading; `None` when there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<File>> {
        self.open_file(name, OFlags::RDONLY)
    }

    /// Opens a regular file of ours, making it (0600) if it is missing. It is for locking, and NFS insists on writing for that.
    pub(super) fn open_or_create_file(&self, name: &str) -> Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE)?
            .ok_or_else(|| self.io_error("create", name)(Errno::NOENT))
    }

    /// Creates a file (0600) under a name that is free.
    pub(super) fn create(&self, name: &str) -> Result<File> {
        self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?
            .ok_or_else(|| self.io_error("create", name)(Errno::NOENT))
    }

    /// Without blocking, so that a pipe under the name cannot hang us.
    fn open_file(&self, name: &str, flags: OFlags) -> Result<Option<File>> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file: File = match openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => fd.into(),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(self.no_file(name)),
            Err(error) => return Err(self.io_error("open", name)(error)),
        };
        let metadata = file.metadata().map_err(self.io_error("inspect", name))?;
        if !metadata.is_file() {
            return Err(self.no_file(name));
        }
        Ok(Some(file))
    }

    fn no_file(&self, name: &str) -> PluginError {
        refused(
            &self.path.join(name),
            "is not a regular file; remove it by hand",
        )
    }

    /// Whether the name still stands for this open file.
    pub(super) fn is_current(&self, file: &File, name: &str) -> Result<bool> {
        let opened = fstat(file).map_err(self.io_error("inspect", name))?;
        match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.io_error("inspect", name)(error)),
        }
    }

    /// Renames within this directory, replacing a file that has the new name.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.handle, from, &self.handle, to).map_err(self.io_error("rename", from))
    }

    /// Renames within this directory, unless the new name is taken.
    pub(super) fn rename_to_free(&self, from: &str, to: &str) -> Result<()> {
        match rename_with(&self.handle, from, to, Rename::ToFree) {
            Err(error) if is_unsupported(error) => self.rename_after_a_look(from, to),
            result => result.map_err(self.io_error("rename", from)),
        }
    }

    /// For file systems without the flag. Who works on a plugin holds its lock, so that the look is enough.
    fn rename_after_a_look(&self, from: &str, to: &str) -> Result<()> {
        match self.entry(to)? {
            None => self.rename(from, to),
            Some(_) => Err(self.io_error("create", to)(Errno::EXIST)),
        }
    }

    /// Lets two names of this directory trade places at once; `false` where the file system cannot.
    pub(super) fn exchange(&self, one: &str, other: &str) -> Result<bool> {
        match rename_with(&self.handle, one, other, Rename::Exchange) {
            Ok(()) => Ok(true),
            Err(error) if is_unsupported(error) => Ok(false),
            Err(error) => Err(self.io_error("replace", other)(error)),
        }
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn unlink(&self, name: &str) -> Result<()> {
        match unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.io_error("remove", name)(error)),
        }
    }

    /// The names in the directory that are UTF-8, which includes all of ours.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let list_error = || io_error("list", &self.path);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(list_error())? {
            let name = entry.map_err(list_error())?.file_name().to_owned();
            names.extend(name.into_string().ok());
        }
        names.retain(|name| name != "." && name != "..");
        Ok(names)
    }

    /// Makes renames and removals survive a loss of power. Some file systems cannot sync a directory and say so with EINVAL; they
    /// leave nothing to do.
    pub(super) fn sync(&self) -> Result<()> {
        match self.handle.sync_all() {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result.map_err(io_error("write", &self.path)),
        }
    }

    /// Names what was tried on which entry of this directory, for `map_err`.
    pub(super) fn io_error<E: Into<io::Error>>(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(E) -> PluginError {
        let path = self.path.join(name);
        move |source| io_error(action, &path)(source)
    }
}

#[derive(Clone, Copy)]
enum Rename {
    ToFree,
    Exchange,
}

#[cfg(any(target_vendor = "apple", target_os = "linux", target_os = "android"))]
fn rename_with(dir: &File, from: &str, to: &str, how: Rename) -> rustix::io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    let flags = match how {
        Rename::ToFree => RenameFlags::NOREPLACE,
        Rename::Exchange => RenameFlags::EXCHANGE,
    };
    renameat_with(dir, from, dir, to, flags)
}

#[cfg(not(any(target_vendor = "apple", target_os = "linux", target_os = "android")))]
fn rename_with(_: &File, _: &str, _: &str, _: Rename) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)
}

fn open_directory(at: impl AsFd, name: &Path, path: &Path) -> Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(at, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(refused(
            path,
            "is a symbolic link or no directory; name the directory itself",
        )),
        Err(error) => Err(io_error("open", path)(error)),
    }
}

fn check_access(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    if metadata.uid() != geteuid().as_raw() {
        return Err(refused(
            path,
            "belongs to another user; run as its owner, or name a directory of your own",
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(refused(
            path,
            "can be written by other users, who could replace plugins; run `chmod go-w` on it",
        ));
    }
    Ok(())
}

/// Creates a directory and its missing parents, each with mode 0700 and written to disk.
fn create_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(missing) = parent.filter(|parent| !parent.is_dir()) {
        create_directory(missing)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => File::open(parent.unwrap_or(Path::new(".")))?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn refused(path: &Path, reason: &'static str) -> PluginError {
    PluginError::Unsafe {
        path: path.to_owned(),
        reason,
    }
}

/// Names what was tried and where, for `map_err`.
pub(super) fn io_error<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> PluginError {
    let path = path.to_owned();
    move |source| PluginError::Io {
        action,
        path,
        source: source.into(),
    }
}
