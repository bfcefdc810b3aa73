//! A new tree takes the place of the old one.
//!
//! Where the file system can, two names trade places in one step. Where it cannot, the old tree is set aside under a name that says
//! so, and the new one is renamed to its place; a crash between the two is mended by the next start, which finds no live tree and
//! puts back what was set aside. What was set aside is complete as long as it has that name: before it is removed it is renamed.

use super::folder::Folder;
use super::names::Purpose;
use crate::{PluginError, PluginName};

/// How a tree that is there is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// In one step, if the file system can; else in two.
    Exchange,
    /// In two steps. Tests of file systems that cannot exchange names ask for it.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests ask for it"))]
    TwoRenames,
}

/// Makes the tree `staged` the plugin's, where there is none.
pub(super) fn move_in(dir: &Folder, staged: &str, name: &PluginName) -> Result<(), PluginError> {
    dir.rename_to_free(staged, name.as_str())
}

/// Makes the tree `staged` the plugin's; the one that was there has the name `staged` afterwards. On an error it is live still.
pub(super) fn replace(
    dir: &Folder,
    staged: &str,
    name: &PluginName,
    method: Method,
) -> Result<(), PluginError> {
    if method == Method::Exchange && dir.exchange(staged, name.as_str())? {
        return Ok(());
    }
    let previous = set_aside(dir, name)?;
    if let Err(error) = move_in(dir, staged, name) {
        // If this fails too, the next start tries again.
        let _ = put_back(dir, &previous, name);
        return Err(error);
    }
    // The swap is done, so this is no error any more: the next start renames it.
    let _ = dir.rename_to_free(&previous, staged);
    Ok(())
}

fn set_aside(dir: &Folder, name: &PluginName) -> Result<String, PluginError> {
    let previous = Purpose::Previous.free_name(dir, name)?;
    dir.rename_to_free(name.as_str(), &previous)?;
    Ok(previous)
}

fn put_back(dir: &Folder, previous: &str, name: &PluginName) -> Result<(), PluginError> {
    dir.rename_to_free(previous, name.as_str())
}

/// After a crash: what was set aside comes back if its place is empty, and is for the broom if it is not.
pub(super) fn settle(dir: &Folder, previous: &str, name: &PluginName) -> Result<(), PluginError> {
    if dir.entry(name.as_str())?.is_none() {
        return put_back(dir, previous, name);
    }
    dir.rename_to_free(previous, &Purpose::Staging.free_name(dir, name)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use tempfile::TempDir;

    struct Trees {
        temp: TempDir,
        dir: Folder,
        name: PluginName,
    }

    /// An old version that is live, and a staged new one.
    fn trees() -> Trees {
        let temp = tempfile::tempdir().unwrap();
        let dir = Folder::open(temp.path()).unwrap().unwrap();
        for (tree, text) in [("demo", "old"), (".staging-demo-0000000000000000", "new")] {
            fs::create_dir(temp.path().join(tree)).unwrap();
            fs::write(temp.path().join(tree).join("file"), text).unwrap();
        }
        let name = "demo".parse().unwrap();
        Trees { temp, dir, name }
    }

    const STAGED: &str = ".staging-demo-0000000000000000";

    impl Trees {
        fn text(&self, tree: &str) -> String {
            fs::read_to_string(self.temp.path().join(tree).join("file")).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let mut names = self.dir.names().unwrap();
            names.sort();
            names
        }
    }

    #[test]
    fn both_methods_replace_the_tree_and_hand_out_the_old_one() {
        for method in [Method::Exchange, Method::TwoRenames] {
            let trees = trees();
            replace(&trees.dir, STAGED, &trees.name, method).unwrap();
            assert_eq!(
                (trees.text("demo"), trees.text(STAGED)),
                ("new".into(), "old".into())
            );
            assert_eq!(trees.names(), [STAGED, "demo"]);
        }
    }

    #[test]
    fn a_new_tree_that_cannot_move_in_leaves_the_old_one_live() {
        for method in [Method::Exchange, Method::TwoRenames] {
            let trees = trees();
            assert!(replace(&trees.dir, ".staging-other", &trees.name, method).is_err());
            assert_eq!(trees.text("demo"), "old");
            assert_eq!(trees.names(), [STAGED, "demo"]);
        }
    }

    #[test]
    fn a_crash_between_the_two_renames_brings_the_old_tree_back() {
        let trees = trees();
        let previous = set_aside(&trees.dir, &trees.name).unwrap();
        settle(&trees.dir, &previous, &trees.name).unwrap();
        assert_eq!(trees.text("demo"), "old");
        assert_eq!(trees.names(), [STAGED, "demo"]);
    }

    #[test]
    fn a_crash_after_the_two_renames_leaves_the_new_tree_live() {
        let trees = trees();
        let previous = set_aside(&trees.dir, &trees.name).unwrap();
        move_in(&trees.dir, STAGED, &trees.name).unwrap();
        settle(&trees.dir, &previous, &trees.name).unwrap();
        assert_eq!(trees.text("demo"), "new");
        let [rubbish, demo] = &trees.names()[..] else {
            panic!("{:?}", trees.names());
        };
        assert_eq!(
            (demo.as_str(), trees.text(rubbish).as_str()),
            ("demo", "old")
        );
        assert_eq!(
            Purpose::Staging.plugin_of(rubbish),
            Some(trees.name.clone())
        );
    }

    #[test]
    fn nothing_moves_into_a_place_that_is_taken() {
        let trees = trees();
        assert!(move_in(&trees.dir, STAGED, &trees.name).is_err());
        assert_eq!(trees.text("demo"), "old");
    }
}
