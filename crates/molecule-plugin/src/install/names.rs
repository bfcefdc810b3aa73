//! The names of the store's own trees, beside the plugins'.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::folder::Folder;
use crate::{PluginError, PluginName};

/// What a tree of the store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Not live yet, or not any more: it can go at any time.
    Staging,
    /// The version that was live, complete, while its successor has no name yet. It comes back unless there is one.
    Previous,
}

impl Purpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Staging => ".staging-",
            Self::Previous => ".previous-",
        }
    }

    /// A name that is free, of a tree of this plugin. Under the plugin's lock it stays free.
    pub(super) fn free_name(self, dir: &Folder, name: &PluginName) -> Result<String, PluginError> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let free = format!("{}{name}-{:08x}{number:08x}", self.prefix(), process::id());
            if dir.entry(&free)?.is_none() {
                return Ok(free);
            }
        }
    }

    /// The plugin that a tree of this purpose belongs to; `None` for all other names.
    pub(super) fn plugin_of(self, tree: &str) -> Option<PluginName> {
        let (name, number) = tree.strip_prefix(self.prefix())?.rsplit_once('-')?;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if number.len() != 16 || !number.bytes().all(hexadecimal) {
            return None;
        }
        name.parse().ok()
    }
}

/// What the lock and the receipt of a plugin are found by: two names that some disks take for one share them.
pub(super) fn key(name: &PluginName) -> String {
    name.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trees_of_the_store_are_taken_for_them() {
        let check = |tree: &str, expect: Option<&str>| {
            let name = Purpose::Staging.plugin_of(tree);
            assert_eq!(name.as_ref().map(PluginName::as_str), expect, "{tree}");
        };
        check(".staging-demo-0123456789abcdef", Some("demo"));
        check(".staging-de-mo.x-0123456789abcdef", Some("de-mo.x"));
        check(".staging-demo-01234567", None);
        check(".staging-demo-0123456789ABCDEF", None);
        check(".staging--0123456789abcdef", None);
        check(".staging-..-0123456789abcdef", None);
        check(".previous-demo-0123456789abcdef", None);
        check("demo", None);
    }

    #[test]
    fn a_free_name_is_one_of_the_store_and_never_given_twice() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Folder::open(temp.path()).unwrap().unwrap();
        let name: PluginName = "Demo-1".parse().unwrap();
        let free = |purpose: Purpose| purpose.free_name(&dir, &name).unwrap();
        let (one, other) = (free(Purpose::Previous), free(Purpose::Previous));
        assert_ne!(one, other);
        assert_eq!(Purpose::Previous.plugin_of(&one), Some(name.clone()));
        assert_eq!(
            Purpose::Staging.plugin_of(&free(Purpose::Staging)),
            Some(name.clone())
        );
    }
}
