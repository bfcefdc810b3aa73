//! Comparing an installed plugin with its receipt.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::folder::{Entry, Folder};
use super::journal;
use super::layout::Layout;
use super::lock::Locked;
use super::names::key;
use super::options::CancelFlag;
use super::receipt::Receipt;
use super::snapshot::{Budget, Snapshot, State, printable, snapshot};
use super::store::absolute;
use super::wait::Wait;
use crate::manifest_hash::{MANIFEST_PATH, digest_of_sorted};
use crate::{Manifest, PluginError, PluginName, Sha256Digest};

/// How long an installation of the plugin that is going on is waited for.
const PATIENCE: Wait = Wait::For(Duration::from_secs(10));

/// What a directory was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ComparedWith {
    /// The hash that the caller knows. A receipt, if there is one, only says what else `setup.sh` brought.
    Caller,
    /// What was written down when the plugin was installed.
    Receipt,
    /// The hash in the directory's own `plugin.yaml`, which is the plugin's word on itself.
    Manifest,
}

/// How a directory compares with what was expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Whether nothing of the plugin itself was changed or removed, and the expectation is met. `added` files count if the caller
    /// expected a hash or there is no receipt.
    pub intact: bool,
    /// Whose expectation it is.
    pub compared_with: ComparedWith,
    /// The manifest hash that was expected.
    pub expected: Option<Sha256Digest>,
    /// The manifest hash of the directory as it is; `None` when it holds something that has no place in one, as `setup.sh` may
    /// leave.
    pub digest: Option<Sha256Digest>,
    /// Files of the plugin, or that `setup.sh` brought, that are not what they were after the installation.
    pub changed: Vec<String>,
    /// Files of the plugin, or that `setup.sh` brought, that are gone.
    pub missing: Vec<String>,
    /// Files that neither the archive nor `setup.sh` brought.
    pub added: Vec<String>,
    /// Files that `setup.sh` brought, changed or removed, and that are as it left them.
    pub by_setup: Vec<String>,
}

/// Compares a directory with its receipt if it has one, and with `expected`. Outside of a [`PluginStore`](crate::PluginStore), where
/// there are no receipts, and without `expected` it is compared with the hash in its `plugin.yaml`.
///
/// Whoever can change the plugin can usually change its receipt. `expected` is proof against that: the archive's files have to be
/// those that it stands for, even if `setup.sh` is said to have changed them, and nothing may be added. Not proven are `plugin.yaml`, which
/// is outside of the hash, and what the receipt says that `setup.sh` brought, which is listed in `by_setup`.
///
/// The paths in the result are escaped where they cannot be printed.
///
/// # Errors
/// When there is nothing to compare with, the directory cannot be read or is being replaced by another process, or the receipt is
/// damaged or of another version. A plugin in a store that lost its receipt is an error without `expected`: its own word is less than
/// was known of it. [`PluginError::TooLarge`] when the directory holds more than 200 000 entries, 16 MiB of paths or 1 GiB of content
/// beside what its receipt says that the archive brought.
pub fn verify_installed(
    dir: &Path,
    expected: Option<Sha256Digest>,
) -> Result<Verification, PluginError> {
    let dir = absolute(dir)?;
    let layout = dir.parent().map(Layout::open).transpose()?.flatten();
    if let Some(layout) = &layout
        && let Some(verification) = compare_with_receipt(layout, &dir, expected)?
    {
        return Ok(verification);
    }
    match (expected, layout) {
        (Some(expected), _) => compare_with_hash(&dir, expected, ComparedWith::Caller),
        (None, None) => compare_with_hash(&dir, declared(&dir)?, ComparedWith::Manifest),
        (None, Some(_)) => Err(nothing_to_compare(
            &dir,
            "has no receipt in its directory of plugins; give the hash to compare with, or install the plugin again",
        )),
    }
}

/// `None` when it has no receipt.
fn compare_with_receipt(
    layout: &Layout,
    dir: &Path,
    expected: Option<Sha256Digest>,
) -> Result<Option<Verification>, PluginError> {
    let name = dir.file_name().and_then(|name| name.to_str());
    let Some(Ok(name)) = name.map(str::parse::<PluginName>) else {
        return Ok(None);
    };
    // So that the tree and its receipt are of one version.
    let _locked = lock(layout, &name)?;
    let Some(Entry::Directory { inode }) = layout.dir.entry(name.as_str())? else {
        return Ok(None);
    };
    let receipt = journal::read(&layout.receipts, &key(&name), inode)?;
    let Some(receipt) = receipt.filter(|receipt| receipt.name == name) else {
        return Ok(None);
    };
    let cancel = CancelFlag::default();
    let found = snapshot(dir, Budget::beyond(&receipt, &cancel))?;
    Ok(Some(compare(&receipt, &found, expected)))
}

/// Where we cannot write, nobody of ours installs, and there is nothing to wait for.
fn lock<'a>(layout: &'a Layout, name: &PluginName) -> Result<Option<Locked<'a>>, PluginError> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match layout.lock(name, PATIENCE, &CancelFlag::default()) {
        Err(PluginError::Io { source, .. })
            if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) =>
        {
            Ok(None)
        }
        locked => locked.map(Some),
    }
}

/// The hash that the caller knows vouches for the archive's files and for no others. Against it the receipt is only asked which
/// files those are, which the hash proves, and what else `setup.sh` brought.
fn compare(receipt: &Receipt, found: &Snapshot, expected: Option<Sha256Digest>) -> Verification {
    let pinned = expected.is_some();
    let installed = after_setup(receipt, pinned);
    let mut verification = Verification {
        intact: false,
        compared_with: match expected {
            Some(_) => ComparedWith::Caller,
            None => ComparedWith::Receipt,
        },
        expected: Some(expected.unwrap_or(receipt.digest)),
        digest: digest(found),
        changed: Vec::new(),
        missing: Vec::new(),
        added: Vec::new(),
        by_setup: Vec::new(),
    };
    for (path, state) in &installed {
        let list = match (found.get(*path), state) {
            (found, state) if found == state.as_ref() => match is_archived(receipt, path, *state) {
                true => continue,
                false => &mut verification.by_setup,
            },
            (None, _) => &mut verification.missing,
            (Some(_), _) => &mut verification.changed,
        };
        list.push(printable(path));
    }
    let added = found
        .keys()
        .filter(|path| !installed.contains_key(path.as_slice()));
    verification.added = added.map(|path| printable(path)).collect();
    verification.intact = verification.changed.is_empty()
        && verification.missing.is_empty()
        && verification.expected == Some(hash_of_listed(receipt))
        && (!pinned || verification.added.is_empty());
    verification
}

/// What has to be there, `None` for what `setup.sh` removed. Pinned files are what the archive had, whatever the receipt says that
/// `setup.sh` made of them.
fn after_setup(receipt: &Receipt, pinned: bool) -> BTreeMap<&[u8], Option<State>> {
    let archived = receipt.files.iter();
    let mut states: BTreeMap<_, _> = archived
        .map(|(path, digest)| (path.as_bytes(), Some(State::File(*digest))))
        .collect();
    for (path, state) in &receipt.setup {
        if !(pinned && states.contains_key(path.as_slice())) {
            states.insert(path, *state);
        }
    }
    states
}

fn is_archived(receipt: &Receipt, path: &[u8], state: Option<State>) -> bool {
    let path = str::from_utf8(path).ok();
    let digest = path.and_then(|path| receipt.files.get(path));
    digest.map(|digest| State::File(*digest)) == state && state.is_some()
}

/// The manifest hash of the files that the receipt lists as the archive's. Whoever writes another list has another hash.
fn hash_of_listed(receipt: &Receipt) -> Sha256Digest {
    let files = receipt.files.iter();
    digest_of_sorted(files.map(|(path, digest)| (path.as_str(), *digest)))
}

fn digest(found: &Snapshot) -> Option<Sha256Digest> {
    let files = found.iter().map(|(path, state)| match state {
        State::File(digest) => Some((str::from_utf8(path).ok()?, *digest)),
        _ => None,
    });
    let files: Vec<_> = files.collect::<Option<_>>()?;
    Some(digest_of_sorted(files.into_iter()))
}

fn compare_with_hash(
    dir: &Path,
    expected: Sha256Digest,
    compared_with: ComparedWith,
) -> Result<Verification, PluginError> {
    let found = snapshot(dir, Budget::new(&CancelFlag::default()))?;
    let digest = digest(&found).ok_or_else(|| foreign(dir, &found))?;
    Ok(Verification {
        intact: digest == expected,
        compared_with,
        expected: Some(expected),
        digest: Some(digest),
        changed: Vec::new(),
        missing: Vec::new(),
        added: Vec::new(),
        by_setup: Vec::new(),
    })
}

/// Names what a directory holds that has no place in a hash.
fn foreign(dir: &Path, found: &Snapshot) -> PluginError {
    let what = |path: &[u8], state| match (str::from_utf8(path), state) {
        (Err(_), _) => Some("a name that is not UTF-8"),
        (_, State::Link(_)) => Some("a symbolic link"),
        (_, State::Special) => Some("a device, a pipe or a socket"),
        (_, State::File(_)) => None,
    };
    let named = found
        .iter()
        .find_map(|(path, state)| Some((path.as_slice(), what(path, *state)?)));
    let (path, what) = named.unwrap_or((b"", "no plugin"));
    PluginError::Foreign {
        path: dir.join(OsStr::from_bytes(path)),
        what,
    }
}

/// The hash that the directory's own manifest declares.
fn declared(dir: &Path) -> Result<Sha256Digest, PluginError> {
    own_word(dir)?.ok_or_else(|| {
        nothing_to_compare(
            dir,
            "has no receipt, and no `plugin.yaml` that declares a sha256; give the hash to compare with",
        )
    })
}

fn nothing_to_compare(path: &Path, reason: &'static str) -> PluginError {
    PluginError::NothingToCompare {
        path: path.to_owned(),
        reason,
    }
}

fn own_word(dir: &Path) -> Result<Option<Sha256Digest>, PluginError> {
    let Some(folder) = Folder::open_any(dir)? else {
        return Ok(None);
    };
    let Some(file) = folder.read(MANIFEST_PATH)? else {
        return Ok(None);
    };
    let text = Manifest::read_text(file).map_err(folder.io_error("read", MANIFEST_PATH))?;
    Ok(Manifest::parse(&text)?.sha256)
}
