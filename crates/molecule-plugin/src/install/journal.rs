//! Receipts on disk, always the right one for the tree that is live.
//!
//! A tree and its receipt cannot be replaced in one step, so the receipt names its tree until both are in place: before the swap it
//! is written as `.receipts/<key>+<inode>`, with the inode of the new tree's directory, which the swap does not change. Both trees
//! exist until then, so no other tree can have that inode. Whoever finds such a receipt, after a crash or as a reader in
//! between, looks at the live directory: if it has that inode, the swap took place and this is its receipt; if not, it never took
//! place, and the receipt in `.receipts/<key>` is still right. After the swap the new receipt is renamed to `.receipts/<key>`.
//! Only then is the old tree removed, and only then may `setup.sh` change the new one.
//!
//! `.receipts/<key>+new` is a receipt that is being rewritten for a tree that is live already. A receipt whose plugin is not there
//! is a leftover of a removal: the tree goes first.

use std::fs::File;

use super::folder::{Folder, refused};
use super::options::Durability;
use super::receipt::{Head, InvalidReceipt, Receipt};
use crate::PluginError;

/// A character that no plugin's name has.
const MARK: char = '+';

fn pending(key: &str, inode: u64) -> String {
    format!("{key}{MARK}{inode}")
}

/// The key of a receipt's name, and the inode or the word behind it where there is one.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once(MARK) {
        Some((key, rest)) => (key, Some(rest)),
        None => (name, None),
    }
}

/// Writes the receipt of a tree that is not live yet.
pub(super) fn announce(
    receipts: &Folder,
    key: &str,
    inode: u64,
    receipt: &Receipt,
    durability: Durability,
) -> Result<(), PluginError> {
    let name = pending(key, inode);
    write(receipts, &name, receipt, durability).inspect_err(|_| {
        // It would be collected later; an error is no reason to leave it until then.
        let _ = receipts.unlink(&name);
    })
}

/// Takes an announcement back.
pub(super) fn withdraw(receipts: &Folder, key: &str, inode: u64) -> Result<(), PluginError> {
    receipts.unlink(&pending(key, inode))
}

/// Makes an announced receipt the plugin's own: its tree is live.
pub(super) fn commit(
    receipts: &Folder,
    key: &str,
    inode: u64,
    durability: Durability,
) -> Result<(), PluginError> {
    receipts.rename(&pending(key, inode), key)?;
    sync(receipts, durability)
}

/// Rewrites the receipt of the tree that is live.
pub(super) fn replace(
    receipts: &Folder,
    key: &str,
    receipt: &Receipt,
    durability: Durability,
) -> Result<(), PluginError> {
    let name = format!("{key}{MARK}new");
    receipts.unlink(&name)?;
    write(receipts, &name, receipt, durability)?;
    receipts.rename(&name, key)?;
    sync(receipts, durability)
}

/// The receipt of the live tree with this inode; `None` when there is none.
pub(super) fn read(
    receipts: &Folder,
    key: &str,
    inode: u64,
) -> Result<Option<Receipt>, PluginError> {
    read_as(receipts, key, inode, Receipt::read)
}

/// The beginning of the receipt of the live tree with this inode; `None` when there is none.
pub(super) fn read_head(
    receipts: &Folder,
    key: &str,
    inode: u64,
) -> Result<Option<Head>, PluginError> {
    read_as(receipts, key, inode, Head::read)
}

type Parse<T> = fn(File) -> Result<T, InvalidReceipt>;

fn read_as<T>(
    receipts: &Folder,
    key: &str,
    inode: u64,
    parse: Parse<T>,
) -> Result<Option<T>, PluginError> {
    match read_named(receipts, &pending(key, inode), parse)? {
        Some(receipt) => Ok(Some(receipt)),
        None => read_named(receipts, key, parse),
    }
}

fn read_named<T>(receipts: &Folder, name: &str, parse: Parse<T>) -> Result<Option<T>, PluginError> {
    let Some(file) = receipts.read(name)? else {
        return Ok(None);
    };
    let explain = |error| {
        let path = receipts.path().join(name);
        match error {
            InvalidReceipt::Version => refused(
                &path,
                "is a receipt of another version of this program; update the program, or install the plugin again",
            ),
            InvalidReceipt::Damaged => {
                refused(&path, "is no whole receipt; install the plugin again")
            }
            InvalidReceipt::Unreadable(error) => receipts.io_error("read", name)(error),
        }
    };
    parse(file).map(Some).map_err(explain)
}

fn write(
    receipts: &Folder,
    name: &str,
    receipt: &Receipt,
    durability: Durability,
) -> Result<(), PluginError> {
    let file = receipts.create(name)?;
    let written = receipt.write_to(&file).and_then(|()| match durability {
        Durability::Sync => file.sync_all(),
        Durability::Unsynced => Ok(()),
    });
    written.map_err(receipts.io_error("write", name))?;
    sync(receipts, durability)
}

fn sync(receipts: &Folder, durability: Durability) -> Result<(), PluginError> {
    match durability {
        Durability::Sync => receipts.sync(),
        Durability::Unsynced => Ok(()),
    }
}
