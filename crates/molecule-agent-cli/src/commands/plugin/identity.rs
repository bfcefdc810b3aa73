//! Whether an installed plugin is what its name says.

use std::fs::{self, File};
use std::path::Path;

use molecule_plugin::{Manifest, PluginName};

const FILE: &str = "plugin.yaml";

/// What the user should know about a plugin that could be installed all the same.
pub(super) fn oddity(root: &Path, name: &PluginName) -> Option<String> {
    let path = root.join(FILE);
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return Some(format!(
            "{name} has no {FILE} at its root, where a runtime looks for it; pack the content of the plugin's directory, not the directory"
        ));
    }
    let itself = manifest(&path)?.name?;
    (itself != name.as_str()).then(|| {
        format!(
            "{name} calls itself \"{}\" in its {FILE}; see that it is the plugin you meant",
            itself.escape_debug()
        )
    })
}

/// The installation has read it before; what `setup.sh` made of it since may be anything.
fn manifest(path: &Path) -> Option<Manifest> {
    let text = File::open(path).and_then(Manifest::read_text).ok()?;
    Manifest::parse(&text).ok()
}
