//! Directories of plugins.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// The `plugin.yaml` of `demo-plugin`; its sha256 occurs in a recording.
pub(crate) const DEMO_MANIFEST: &str = "\
name: demo-plugin
version: 1.2.3
description: Demo
author: me
tags: [demo]
skills: [hello]
runtimes: [claude_code, langgraph]
";

/// More than a plugin may have.
pub(crate) const TOO_BIG: u64 = 100 * 1024 * 1024 + 1;

/// Puts the plugins of the recordings into a directory.
pub(crate) fn publish(dir: &Path, names: &[String]) {
    for name in names {
        let folder = dir.join(name);
        fs::create_dir_all(&folder).unwrap();
        fill(&folder, name);
    }
}

fn fill(folder: &Path, name: &str) {
    match name {
        "demo-plugin" => demo(folder),
        "noman" => write(folder, "README.md", "no manifest\n"),
        "othername" => write(folder, "plugin.yaml", "name: real-name\n"),
        "shaplug" => {
            let manifest = format!("name: shaplug\nversion: 1\nsha256: {}\n", "ab".repeat(32));
            write(folder, "plugin.yaml", &manifest);
        }
        "badmani" => write(folder, "manifest.json", r#"{"sha256": "00"}"#),
        "toobig" => sparse(&folder.join("blob"), TOO_BIG),
        other => panic!("the recordings have a plugin that is not known here: {other}"),
    }
}

/// The plugin with a bit of everything, and the file outside that it links to.
pub(crate) fn demo(folder: &Path) {
    let outside = folder.parent().unwrap().join("outside.txt");
    fs::write(&outside, "x".repeat(1271)).unwrap();
    symlink(&outside, folder.join("link")).unwrap();
    write(folder, "plugin.yaml", DEMO_MANIFEST);
    write(folder, "rules/r.md", "rule\n");
    write(folder, "setup.sh", "#!/bin/sh\necho set up\n");
    write(folder, "skills/hello/SKILL.md", "# Hello\n");
    set_mode(&folder.join("setup.sh"), 0o755);
}

/// Writes a file with mode 0644, and the directories above it.
pub(crate) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    set_mode(&path, 0o644);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A file of zeros that takes no room.
pub(crate) fn sparse(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
}
