//! The directory of plugins.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use molecule_safe_tar::tree;

use super::folder::io_error;
use super::layout::Layout;
use super::lock::Locked;
use super::names::{Purpose, key};
use super::options::{CancelFlag, InstallOptions};
use super::staged::Staged;
use super::{journal, recovery};
use crate::{PluginError, PluginName, Sha256Digest, Wait};

/// A directory of installed plugins, `<name>/` each. What is the store's own begins with a dot, which no plugin name does: locks in
/// `.locks/`, receipts in `.receipts/`, and while something is replaced `.staging-*` and `.previous-*`.
///
/// Clones are one store, which is open as long as one of them exists.
///
/// ```
/// use molecule_plugin::{PluginStore, Wait};
///
/// let home = tempfile::tempdir()?;
/// let store = PluginStore::open(home.path().join("plugins"))?;
/// assert!(store.list()?.is_empty());
/// assert!(store.remove(&"demo".parse()?, Wait::No).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PluginStore {
    layout: Arc<Layout>,
}

/// One installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct InstalledPlugin {
    /// Its name.
    pub name: PluginName,
    /// Its directory.
    pub root: PathBuf,
    /// The version that its manifest stated.
    pub version: Option<String>,
    /// Its manifest hash when it was installed; `None` if it was not installed by this store.
    pub digest: Option<Sha256Digest>,
    /// Whether a hash vouched for it.
    pub verified: bool,
    /// Why its receipt cannot be read, and what to do; then nothing is known of the three above.
    pub note: Option<String>,
}

/// One plugin under lock, for as long as this value lives.
#[must_use]
#[derive(Debug)]
pub struct PluginLock<'a> {
    store: &'a PluginStore,
    name: PluginName,
    _locked: Locked<'a>,
}

impl PluginStore {
    /// Opens the directory, makes it (0700) with its parents if it is not there, and collects what crashed installations left.
    ///
    /// # Errors
    /// When it is a link, belongs to somebody else, can be written by others, or cannot be read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, PluginError> {
        let layout = Layout::open_or_create(&absolute(&dir.into())?)?;
        recovery::collect(&layout)?;
        Ok(Self {
            layout: Arc::new(layout),
        })
    }

    /// Where it is, as an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.layout.dir.path()
    }

    /// Every installed plugin, sorted by name. A receipt that cannot be read is noted with its plugin.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<InstalledPlugin>, PluginError> {
        let plugins = self.layout.plugins()?.into_iter();
        Ok(plugins
            .map(|(name, inode)| self.look_at(name, inode))
            .collect())
    }

    fn look_at(&self, name: PluginName, inode: u64) -> InstalledPlugin {
        let (head, note) = match journal::read_head(&self.layout.receipts, &key(&name), inode) {
            Ok(head) => (head, None),
            Err(error) => (None, Some(described(&error))),
        };
        let head = head.filter(|head| head.name == name);
        InstalledPlugin {
            root: self.dir().join(name.as_str()),
            name,
            digest: head.as_ref().map(|head| head.digest),
            verified: head
                .as_ref()
                .is_some_and(|head| head.expected_from.is_some()),
            version: head.and_then(|head| head.version),
            note,
        }
    }

    /// Takes one plugin into this process's hands, and collects what a crashed installation of it left.
    ///
    /// # Errors
    /// [`PluginError::Busy`] when somebody else has it for longer than `wait`.
    pub fn lock(&self, name: &PluginName, wait: Wait) -> Result<PluginLock<'_>, PluginError> {
        self.lock_unless_cancelled(name, wait, &CancelFlag::default())
    }

    pub(super) fn lock_unless_cancelled(
        &self,
        name: &PluginName,
        wait: Wait,
        cancel: &CancelFlag,
    ) -> Result<PluginLock<'_>, PluginError> {
        Ok(PluginLock {
            _locked: self.layout.lock(name, wait, cancel)?,
            store: self,
            name: name.clone(),
        })
    }

    /// Removes a plugin with its receipt.
    ///
    /// # Errors
    /// [`PluginError::NotInstalled`], [`PluginError::Busy`], or the disk's.
    pub fn remove(&self, name: &PluginName, wait: Wait) -> Result<(), PluginError> {
        let _lock = self.lock(name, wait)?;
        let dir = &self.layout.dir;
        if self.layout.place(name)?.is_none() {
            return Err(PluginError::NotInstalled(name.clone()));
        }
        let rubbish = Purpose::Staging.free_name(dir, name)?;
        dir.rename_to_free(name.as_str(), &rubbish)?;
        dir.sync()?;
        self.layout.receipts.unlink(&key(name))?;
        let rubbish = dir.path().join(rubbish);
        tree::remove(&rubbish).map_err(io_error("remove", &rubbish))
    }
}

impl PluginLock<'_> {
    /// Which plugin.
    #[must_use]
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// Unpacks a `.tar.gz` into quarantine beside the installed plugins.
    ///
    /// # Errors
    /// When the archive is refused, the place of the plugin is taken by something else, the caller cancelled, or the disk refuses.
    /// Nothing is left then.
    pub fn stage<'a>(
        &'a self,
        archive: impl Read,
        options: &'a InstallOptions,
    ) -> Result<Staged<'a>, PluginError> {
        Staged::unpack(self, archive, options)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.store.dir().join(self.name.as_str())
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.store.layout
    }
}

/// An error with its cause.
pub(super) fn described(error: &PluginError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Absolute, and without a slash or a dot at the end: a link would be followed in front of those.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, PluginError> {
    let absolute = std::path::absolute(path).map_err(io_error("find", path))?;
    Ok(absolute.components().collect())
}
