//! The store's directory, held open so that the directory that was checked is the one that is used.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, fstat, linkat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::{Result, TokenStoreError, io_error};
use crate::lock::Access;
use crate::rules::{check_owner, tightened};

/// The name that the Python SDK uses too.
pub(crate) const TOKEN_FILE: &str = ".auth_token";

/// A directory that belongs to us and to which nobody else has access.
#[derive(Debug)]
pub(crate) struct StoreDir {
    handle: File,
    path: PathBuf,
}

impl StoreDir {
    /// Opens the directory and takes away the access of others; `None` when there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Self::checked(fd.into(), path).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(TokenStoreError::NotADirectory {
                path: path.to_owned(),
            }),
            Err(error) => Err(io_error("open", path)(error)),
        }
    }

    /// Opens the directory, creating it with mode 0700 if it is missing.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self> {
        if let Some(dir) = Self::open(path)? {
            return Ok(dir);
        }
        create_directory(path).map_err(io_error("create", path))?;
        Self::open(path)?.ok_or_else(|| io_error("open", path)(Errno::NOENT))
    }

    fn checked(handle: File, path: &Path) -> Result<Self> {
        let metadata = handle.metadata().map_err(io_error("inspect", path))?;
        check_owner(path, metadata.uid(), geteuid().as_raw())?;
        if let Some(mode) = tightened(metadata.mode()) {
            handle
                .set_permissions(Permissions::from_mode(mode))
                .map_err(io_error("restrict access to", path))?;
        }
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    pub(crate) fn token_path(&self) -> PathBuf {
        self.path.join(TOKEN_FILE)
    }

    /// Opens a regular file of ours; `None` when there is none.
    pub(crate) fn open_file(&self, name: &str, access: Access) -> Result<Option<File>> {
        let not_a_file = || TokenStoreError::NotAFile {
            path: self.path.join(name),
        };
        match openat(&self.handle, name, open_flags(access), Mode::empty()) {
            Ok(fd) => self.checked_file(fd.into(), name).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => Err(not_a_file()),
            Err(error) => Err(self.io_error("open", name)(error)),
        }
    }

    fn checked_file(&self, file: File, name: &str) -> Result<File> {
        let path = self.path.join(name);
        let metadata = file.metadata().map_err(io_error("inspect", &path))?;
        if !metadata.is_file() {
            return Err(TokenStoreError::NotAFile { path });
        }
        check_owner(&path, metadata.uid(), geteuid().as_raw())?;
        Ok(file)
    }

    /// Creates a file with mode 0600, whatever the umask is; `None` when the name is taken.
    pub(crate) fn create_file(&self, name: &str) -> Result<Option<File>> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: File = match openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => fd.into(),
            Err(Errno::EXIST) => return Ok(None),
            Err(error) => return Err(self.io_error("create", name)(error)),
        };
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(self.io_error("restrict access to", name))?;
        Ok(Some(file))
    }

    /// Whether the name still stands for this open file.
    pub(crate) fn is_current(&self, file: &File, name: &str) -> Result<bool> {
        let opened = fstat(file).map_err(self.io_error("inspect", name))?;
        match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.io_error("inspect", name)(error)),
        }
    }

    /// Renames a file of this directory, replacing what has the new name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.handle, from, &self.handle, to).map_err(self.io_error("replace", to))
    }

    /// Gives a file a second name; fails when the name is taken.
    pub(crate) fn link(&self, from: &str, to: &str) -> Result<(), Errno> {
        linkat(&self.handle, from, &self.handle, to, AtFlags::empty())
    }

    pub(crate) fn unlink(&self, name: &str) -> Result<()> {
        unlinkat(&self.handle, name, AtFlags::empty()).map_err(self.io_error("remove", name))
    }

    /// The names in the directory that are UTF-8, which includes all of ours.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = Dir::read_from(&self.handle).map_err(io_error("list", &self.path))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_owned());
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    /// Makes renames and removals survive a loss of power.
    pub(crate) fn sync(&self) -> Result<()> {
        sync_directory(&self.handle).map_err(io_error("write", &self.path))
    }

    /// Names what was tried on which file of this directory, for `map_err`.
    pub(crate) fn io_error<E: Into<io::Error>>(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(E) -> TokenStoreError {
        let path = self.path.join(name);
        move |source| io_error(action, &path)(source)
    }
}

/// Without blocking, so that a pipe cannot hang us; writable for an exclusive lock, because NFS
/// insists on that.
fn open_flags(access: Access) -> OFlags {
    let mode = match access {
        Access::Shared => OFlags::RDONLY,
        Access::Exclusive => OFlags::RDWR,
    };
    mode | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

/// Creates a directory and its missing parents, each with mode 0700 and written to disk.
fn create_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(missing) = parent.filter(|parent| !parent.is_dir()) {
        create_directory(missing)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_directory(&File::open(parent.unwrap_or(Path::new(".")))?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Some file systems cannot sync a directory and say so with EINVAL; they leave nothing to do.
fn sync_directory(handle: &File) -> io::Result<()> {
    match handle.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}
