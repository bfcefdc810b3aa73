//! After a crash: one plugin back in order, and nothing of the store's own left.

use std::collections::BTreeSet;
use std::time::Duration;

use molecule_safe_tar::tree;

use super::folder::Entry;
use super::journal;
use super::layout::Layout;
use super::lock;
use super::names::{Purpose, key};
use super::options::{CancelFlag, Durability};
use super::swap;
use super::wait::Deadline;
use crate::{PluginError, PluginName};

/// Collects what crashes left of every plugin that nobody works on. What resists is left to whoever locks the plugin: it must not
/// keep the others from working.
pub(super) fn collect(layout: &Layout) -> Result<(), PluginError> {
    for key in keys_with_leftovers(layout)? {
        let locked = lock::lock(
            &layout.locks,
            &key,
            Deadline::after(Duration::ZERO),
            &CancelFlag::default(),
        );
        if let Ok(Some(_locked)) = locked {
            let _ = recover(layout, &key);
        }
    }
    Ok(())
}

fn keys_with_leftovers(layout: &Layout) -> Result<BTreeSet<String>, PluginError> {
    let mut keys = BTreeSet::new();
    keys.extend(layout.locks.names()?.into_iter().filter(|key| is_key(key)));
    keys.extend(layout.dir.names()?.iter().filter_map(|tree| key_of(tree)));
    let live: BTreeSet<_> = layout
        .plugins()?
        .iter()
        .map(|(name, _)| key(name))
        .collect();
    for name in layout.receipts.names()? {
        let (key, pending) = journal::split(&name);
        if is_key(key) && (pending.is_some() || !live.contains(key)) {
            keys.insert(key.to_owned());
        }
    }
    Ok(keys)
}

fn is_key(text: &str) -> bool {
    text.parse()
        .is_ok_and(|name: PluginName| key(&name) == text)
}

fn key_of(tree: &str) -> Option<String> {
    let purposes = [Purpose::Staging, Purpose::Previous];
    let name = purposes
        .iter()
        .find_map(|purpose| purpose.plugin_of(tree))?;
    Some(key(&name))
}

/// Brings a plugin in order whose lock the caller holds. The order matters: first the tree that has to be live, then the receipt that
/// belongs to it while every tree of the plugin still exists, then the rest.
pub(super) fn recover(layout: &Layout, key: &str) -> Result<(), PluginError> {
    for (tree, name) in trees(layout, key, Purpose::Previous)? {
        swap::settle(&layout.dir, &tree, &name)?;
    }
    let leftovers = trees(layout, key, Purpose::Staging)?;
    if !leftovers.is_empty() {
        // A swap that was not synced any more may be undone by a loss of power, but not once its receipt is settled.
        layout.dir.sync()?;
    }
    settle_receipts(layout, key)?;
    for (tree, _) in leftovers {
        // What cannot be removed now is in nobody's way; the next start tries again.
        let _ = tree::remove(&layout.dir.path().join(tree));
    }
    Ok(())
}

fn trees(
    layout: &Layout,
    wanted: &str,
    purpose: Purpose,
) -> Result<Vec<(String, PluginName)>, PluginError> {
    let mut trees = Vec::new();
    for tree in layout.dir.names()? {
        match purpose.plugin_of(&tree) {
            Some(name) if key(&name) == wanted => trees.push((tree, name)),
            _ => {}
        }
    }
    Ok(trees)
}

/// See [`journal`](super::journal) for the reasons.
fn settle_receipts(layout: &Layout, key: &str) -> Result<(), PluginError> {
    let inodes = live_inodes(layout, key)?;
    for name in layout.receipts.names()? {
        let (of, pending) = journal::split(&name);
        if of != key {
            continue;
        }
        match pending.map(str::parse) {
            Some(Ok(inode)) if inodes.contains(&inode) => {
                journal::commit(&layout.receipts, key, inode, Durability::Sync)?;
            }
            None if !inodes.is_empty() => {}
            _ => layout.receipts.unlink(&name)?,
        }
    }
    Ok(())
}

fn live_inodes(layout: &Layout, wanted: &str) -> Result<Vec<u64>, PluginError> {
    let mut inodes = Vec::new();
    for name in layout.dir.names()? {
        let entry = match name.eq_ignore_ascii_case(wanted) {
            true => layout.dir.entry(&name)?,
            false => None,
        };
        if let Some(Entry::Directory { inode }) = entry {
            inodes.push(inode);
        }
    }
    Ok(inodes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::install::receipt::Receipt;
    use crate::install::swap::Method;

    const STAGED: &str = ".staging-Demo-0000000000000000";
    const PREVIOUS: &str = ".previous-Demo-0000000000000000";

    /// A store in which `Demo` is live in its old version, and its new version is staged and announced.
    struct Scene {
        _temp: TempDir,
        layout: Layout,
        inode: u64,
    }

    fn receipt(version: &str) -> Receipt {
        Receipt {
            name: "Demo".parse().unwrap(),
            version: Some(version.to_owned()),
            digest: [0; 32].into(),
            expected_from: None,
            bytes: 0,
            files: Default::default(),
            setup: Default::default(),
        }
    }

    impl Scene {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let layout = Layout::open_or_create(temp.path()).unwrap();
            let scene = Self {
                inode: 0,
                _temp: temp,
                layout,
            };
            let old = scene.tree("Demo", "old");
            scene.announce(old, "old");
            journal::commit(&scene.layout.receipts, "demo", old, Durability::Unsynced).unwrap();
            let inode = scene.tree(STAGED, "new");
            scene.announce(inode, "new");
            Self { inode, ..scene }
        }

        fn tree(&self, name: &str, content: &str) -> u64 {
            let path = self.layout.dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), content).unwrap();
            let Some(Entry::Directory { inode }) = self.layout.dir.entry(name).unwrap() else {
                panic!("it was just made");
            };
            inode
        }

        fn announce(&self, inode: u64, version: &str) {
            let receipts = &self.layout.receipts;
            let receipt = receipt(version);
            journal::announce(receipts, "demo", inode, &receipt, Durability::Unsynced).unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            self.layout.dir.rename_to_free(from, to).unwrap();
        }

        fn replace(&self, method: Method) {
            let name = "Demo".parse().unwrap();
            swap::replace(&self.layout.dir, STAGED, &name, method).unwrap();
        }

        /// After the next start: this version with its receipt, and nothing else. Before it, readers see the same receipt already.
        fn check(&self, version: &str) {
            if let Some((_, inode)) = self.layout.plugins().unwrap().first() {
                self.check_receipt(*inode, version);
            }
            collect(&self.layout).unwrap();
            let [(_, inode)] = self.layout.plugins().unwrap()[..] else {
                panic!("{:?}", self.layout.dir.names());
            };
            self.check_receipt(inode, version);
            let text = fs::read_to_string(self.layout.dir.path().join("Demo/file")).unwrap();
            assert_eq!(text, version);
            assert_eq!(self.layout.receipts.names().unwrap(), ["demo"]);
            assert_eq!(self.layout.dir.names().unwrap().len(), 3);
        }

        fn check_receipt(&self, inode: u64, version: &str) {
            let read = journal::read(&self.layout.receipts, "demo", inode).unwrap();
            assert_eq!(read, Some(receipt(version)));
        }
    }

    #[test]
    fn a_crash_before_the_swap_leaves_the_old_version_with_its_receipt() {
        Scene::new().check("old");
    }

    #[test]
    fn a_crash_after_the_swap_leaves_the_new_version_with_its_receipt() {
        for method in [Method::Exchange, Method::TwoRenames] {
            let scene = Scene::new();
            scene.replace(method);
            scene.check("new");
        }
    }

    #[test]
    fn a_crash_between_two_renames_brings_the_old_version_back_with_its_receipt() {
        let scene = Scene::new();
        scene.rename("Demo", PREVIOUS);
        scene.check("old");
    }

    #[test]
    fn a_crash_after_two_renames_leaves_the_new_version_with_its_receipt() {
        let scene = Scene::new();
        scene.rename("Demo", PREVIOUS);
        scene.rename(STAGED, "Demo");
        scene.check("new");
    }

    #[test]
    fn a_crash_after_the_receipt_is_settled_leaves_the_new_version() {
        let scene = Scene::new();
        scene.replace(Method::Exchange);
        let receipts = &scene.layout.receipts;
        journal::commit(receipts, "demo", scene.inode, Durability::Unsynced).unwrap();
        scene.check("new");
    }

    #[test]
    fn a_half_written_announcement_counts_for_nothing() {
        let scene = Scene::new();
        let path = scene
            .layout
            .receipts
            .path()
            .join(format!("demo+{}", scene.inode));
        fs::write(path, "molecule-plugin rec").unwrap();
        scene.check("old");
    }

    #[test]
    fn a_crash_within_a_removal_leaves_nothing() {
        let scene = Scene::new();
        scene.rename("Demo", ".staging-Demo-0000000000000001");
        collect(&scene.layout).unwrap();
        assert!(scene.layout.receipts.names().unwrap().is_empty());
        assert_eq!(scene.layout.dir.names().unwrap().len(), 2);
    }

    #[test]
    fn a_crash_within_the_recovery_is_recovered_from() {
        let scene = Scene::new();
        scene.rename("Demo", PREVIOUS);
        swap::settle(&scene.layout.dir, PREVIOUS, &"Demo".parse().unwrap()).unwrap();
        settle_receipts(&scene.layout, "demo").unwrap();
        scene.check("old");
    }
}
