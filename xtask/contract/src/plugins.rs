//! The plugins of the recordings, as `transcripts/README.md` describes them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// Its sha256 occurs in a recording.
const DEMO_MANIFEST: &str = "\
name: demo-plugin
version: 1.2.3
description: Demo
author: me
tags: [demo]
skills: [hello]
runtimes: [claude_code, langgraph]
";
/// More than a plugin may have.
const TOO_BIG: u64 = 100 * 1024 * 1024 + 1;

/// Puts plugins into a directory that a platform serves.
pub(crate) fn publish(dir: &Path, names: &[String]) -> io::Result<()> {
    names
        .iter()
        .try_for_each(|name| fill(&dir.join(name), name))
}

fn fill(folder: &Path, name: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match name {
        "demo-plugin" => demo(folder),
        "othername" => write(folder, "plugin.yaml", "name: real-name\n"),
        "shaplug" => {
            let digest = "ab".repeat(32);
            let manifest = format!("name: shaplug\nversion: 1\nsha256: {digest}\n");
            write(folder, "plugin.yaml", &manifest)
        }
        "badmani" => write(folder, "manifest.json", r#"{"sha256": "00"}"#),
        "toobig" => File::create(folder.join("blob"))?.set_len(TOO_BIG),
        _ => write(folder, "README.md", "no manifest\n"),
    }
}

/// The plugin with a bit of everything, and the file outside that it links to.
fn demo(folder: &Path) -> io::Result<()> {
    let outside = folder.with_file_name("outside.txt");
    fs::write(&outside, "x".repeat(1271))?;
    symlink(&outside, folder.join("link"))?;
    write(folder, "plugin.yaml", DEMO_MANIFEST)?;
    write(folder, "rules/r.md", "rule\n")?;
    write(folder, "setup.sh", "#!/bin/sh\necho set up\n")?;
    write(folder, "skills/hello/SKILL.md", "# Hello\n")?;
    fs::set_permissions(folder.join("setup.sh"), fs::Permissions::from_mode(0o755))
}

fn write(folder: &Path, name: &str, content: &str) -> io::Result<()> {
    let path = folder.join(name);
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    fs::write(path, content)
}
