//! Plugins: real archives, real processes, and where there is one a real platform.

mod authors;
mod cancelled;
mod install;
mod online;
mod watched;

use std::fs;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Program, Ran};

const MANIFEST: &str = "name: demo\nversion: 1.0.0\ndescription: a plugin of tests\n";

/// A home directory with a directory for plugins in it.
pub(super) struct Home(pub(super) TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(super) fn program(&self, args: &[&str]) -> Program {
        Program::new(self.0.path(), &[&["plugin"], args].concat())
            .env("MOLECULE_PLUGINS_DIR", &self.text("plugins"))
    }

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        self.program(args).run()
    }

    pub(super) fn install(&self, archive: &str, more: &[&str]) -> Ran {
        let args = ["install", "demo", "--archive", archive];
        self.run(&[&args, more].concat())
    }

    /// Writes an archive and says where.
    pub(super) fn archive(&self, entries: &[(&str, &str)]) -> String {
        let path = self.text("demo.tar.gz");
        fs::write(&path, archive(entries)).unwrap();
        path
    }

    /// A plugin's directory, to be packed.
    pub(super) fn source(&self, files: &[(&str, &str)]) -> String {
        let root = self.path("source");
        for (name, content) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root.to_str().unwrap().to_owned()
    }

    /// The installed plugin's files, and nothing if there is none.
    pub(super) fn installed(&self) -> Vec<String> {
        files(&self.path("plugins/demo"))
    }
}

/// A `.tar.gz` of these files; a name that ends in `.sh` is executable.
pub(super) fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        // `set_path` refuses what the tests are about.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(if name.ends_with(".sh") { 0o755 } else { 0o644 });
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Every file below a directory, sorted.
pub(super) fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let path = path.strip_prefix(dir).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub(super) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().collect();
    keys.sort();
    keys.into_iter().map(String::as_str).collect()
}

/// What a report has.
pub(super) const KEYS: [&str; 11] = [
    "bytes",
    "digest",
    "error",
    "expected_from",
    "files",
    "name",
    "outcome",
    "root",
    "setup",
    "skipped",
    "verified",
];

/// Text that does not compress.
pub(super) fn noise(len: usize) -> String {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (state >> 24) as u8 % 90)
    };
    (0..len).map(next).collect()
}
