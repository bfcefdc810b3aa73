//! The store's directories, and what in them belongs to which plugin.

use std::path::Path;

use super::folder::{Entry, Folder, refused};
use super::lock::{self, Locked};
use super::names::key;
use super::options::CancelFlag;
use super::recovery;
use super::swap::Method;
use super::wait::Wait;
use crate::{PluginError, PluginName};

const LOCKS: &str = ".locks";
const RECEIPTS: &str = ".receipts";

/// The directory of plugins with the store's own directories in it, all held open.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) dir: Folder,
    pub(super) locks: Folder,
    pub(super) receipts: Folder,
    pub(super) method: Method,
}

impl Layout {
    /// Opens the directory, and makes what is missing.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, PluginError> {
        let dir = Folder::open_or_create(path)?;
        Ok(Self {
            locks: dir.child_or_create(LOCKS)?,
            receipts: dir.child_or_create(RECEIPTS)?,
            method: Method::Exchange,
            dir,
        })
    }

    /// Opens a directory that may be a store's; `None` when it is not.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, PluginError> {
        match std::fs::symlink_metadata(path.join(RECEIPTS)) {
            Ok(_) => Self::open_or_create(path).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Takes a plugin, brings what a crash left of it in order, and collects the rest.
    pub(super) fn lock(
        &self,
        name: &PluginName,
        wait: Wait,
        cancel: &CancelFlag,
    ) -> Result<Locked<'_>, PluginError> {
        let key = key(name);
        let locked = lock::lock(&self.locks, &key, wait.deadline(), cancel)?;
        let locked = locked.ok_or_else(|| PluginError::Busy(name.clone()))?;
        recovery::recover(self, &key)?;
        Ok(locked)
    }

    /// Every plugin's name with its directory's inode.
    pub(super) fn plugins(&self) -> Result<Vec<(PluginName, u64)>, PluginError> {
        let mut plugins = Vec::new();
        for name in self.dir.names()? {
            let Ok(name) = name.parse::<PluginName>() else {
                continue;
            };
            if let Some(Entry::Directory { inode }) = self.dir.entry(name.as_str())? {
                plugins.push((name, inode));
            }
        }
        plugins.sort();
        Ok(plugins)
    }

    /// The inode of the plugin's directory, `None` when its name is free. Anything else under its name, and any other name that some
    /// disks take for the same, is an error.
    pub(super) fn place(&self, name: &PluginName) -> Result<Option<u64>, PluginError> {
        let clash = |other: &String| {
            other.eq_ignore_ascii_case(name.as_str()) && other.as_str() != name.as_str()
        };
        if let Some(other) = self.dir.names()?.into_iter().find(clash) {
            let name = name.clone();
            return Err(PluginError::CaseClash { name, other });
        }
        match self.dir.entry(name.as_str())? {
            None => Ok(None),
            Some(Entry::Directory { inode }) => Ok(Some(inode)),
            Some(Entry::SymbolicLink) => Err(self.taken(
                name,
                "is a symbolic link where a plugin's directory belongs; remove it by hand",
            )),
            Some(Entry::Other) => Err(self.taken(
                name,
                "is no directory, where a plugin's belongs; remove it by hand",
            )),
        }
    }

    fn taken(&self, name: &PluginName, reason: &'static str) -> PluginError {
        refused(&self.dir.path().join(name.as_str()), reason)
    }
}
