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

use std::io::{Read, Write};

use super::folder::{Folder, refused};
use super::options::Durability;
use super::receipt::{InvalidReceipt, Receipt};
use crate::PluginError;

/// A receipt is at most this large; 20 000 paths of 1 KiB, escaped, and as many of `setup.sh`.
const MAX_BYTES: u64 = 256 << 20;

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
    match read_named(receipts, &pending(key, inode))? {
        Some(receipt) => Ok(Some(receipt)),
        None => read_named(receipts, key),
    }
}

fn read_named(receipts: &Folder, name: &str) -> Result<Option<Receipt>, PluginError> {
    let Some(file) = receipts.read(name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(receipts.io_error("read", name))?;
    let text = String::from_utf8(bytes).map_err(|_| InvalidReceipt::Damaged);
    let path = receipts.path().join(name);
    match text.and_then(|text| Receipt::parse(&text)) {
        Ok(receipt) => Ok(Some(receipt)),
        Err(InvalidReceipt::Version) => Err(refused(
            &path,
            "is a receipt of another version of this program; update the program, or install the plugin again",
        )),
        Err(InvalidReceipt::Damaged) => Err(refused(
            &path,
            "is no whole receipt; install the plugin again",
        )),
    }
}

fn write(
    receipts: &Folder,
    name: &str,
    receipt: &Receipt,
    durability: Durability,
) -> Result<(), PluginError> {
    let mut file = receipts.create(name)?;
    let written = file
        .write_all(receipt.to_text().as_bytes())
        .and_then(|()| match durability {
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
