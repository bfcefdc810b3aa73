//! Installing, over real files, locks and processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod cancel;
mod child;
mod contention;
mod crash;
#[cfg(target_os = "linux")]
mod memory;
mod refused;
mod setup;
mod store;
mod swap;
mod verify;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use molecule_plugin::{
    Durability, InstallOptions, InstallReport, ManifestHash, PluginError, PluginName, PluginStore,
    Sha256Digest, Wait, install,
};
use tempfile::TempDir;

/// Long enough for any machine; a test that waits this long has failed.
const PATIENT: Wait = Wait::For(Duration::from_secs(60));

/// The files of a plugin: path and content.
type Files = BTreeMap<String, String>;

/// A store of its own, in memory where that is possible, so that hundreds of installations do not wait for a disk.
struct Home {
    temp: TempDir,
    store: PluginStore,
}

impl Home {
    fn new() -> Self {
        let temp = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let store = PluginStore::open(temp.path().join("plugins")).unwrap();
        Self { temp, store }
    }

    fn with(files: &Files) -> Self {
        let home = Self::new();
        home.install("demo", files).unwrap();
        home
    }

    fn dir(&self) -> &Path {
        self.store.dir()
    }

    fn root(&self) -> PathBuf {
        self.dir().join("demo")
    }

    fn install(&self, plugin: &str, files: &Files) -> Result<InstallReport, PluginError> {
        install(&self.store, &name(plugin), &archive(files)[..], &options())
    }

    /// A file beside the store.
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.temp.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Nothing is there but these plugins and their receipts, and `demo` is this one.
    fn check_holds(&self, files: &Files) {
        check_tree(&self.root(), files);
        check_only(self.dir(), &["demo"]);
    }
}

/// The directory holds these plugins, and what the store has for them, and nothing else.
fn check_only(dir: &Path, plugins: &[&str]) {
    let own = [".locks", ".receipts"];
    let expected: Vec<_> = own.into_iter().chain(plugins.iter().copied()).collect();
    assert_eq!(names(dir), expected);
    assert_eq!(names(&dir.join(".locks")), [""; 0]);
    let mut receipts: Vec<_> = plugins.iter().map(|name| name.to_lowercase()).collect();
    receipts.sort();
    assert_eq!(names(&dir.join(".receipts")), receipts);
}

fn check_tree(root: &Path, files: &Files) {
    let mut found = Files::new();
    read_tree(root, root, &mut found);
    assert_eq!(&found, files, "{}", root.display());
}

fn read_tree(root: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_tree(root, &path, files);
        } else {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
            files.insert(relative.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn name(text: &str) -> PluginName {
    text.parse().unwrap()
}

/// Options that do not wait for the disk.
fn options() -> InstallOptions {
    InstallOptions::new()
        .with_wait(PATIENT)
        .with_durability(Durability::Unsynced)
}

fn files<const N: usize>(files: [(&str, &str); N]) -> Files {
    let files = files.map(|(path, content)| (path.to_owned(), content.to_owned()));
    files.into()
}

/// A plugin without a script, of which each file says which version it belongs to.
fn plugin(version: &str) -> Files {
    files([
        (
            "plugin.yaml",
            &format!("name: demo\nversion: \"{version}\"\n"),
        ),
        ("rules/r.md", &format!("rule of {version}\n")),
        ("skills/hello/SKILL.md", &format!("skill of {version}\n")),
    ])
}

/// A plugin with this script.
fn with_setup(script: &str) -> Files {
    let mut files = plugin("1");
    files.insert("setup.sh".to_owned(), script.to_owned());
    files
}

/// The plugin with its own hash declared.
fn declared(mut files: Files) -> Files {
    let digest = digest(&files);
    let manifest = files.entry("plugin.yaml".to_owned()).or_default();
    manifest.push_str(&format!("sha256: {digest}\n"));
    files
}

fn digest(files: &Files) -> Sha256Digest {
    let mut hash = ManifestHash::default();
    for (path, content) in files {
        hash.add(path, Sha256Digest::of(content));
    }
    hash.digest()
}

fn archive(files: &Files) -> Vec<u8> {
    gzip(&tar_of(files).into_inner().unwrap())
}

fn tar_of(files: &Files) -> tar::Builder<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    tar
}

/// The plugin with a symbolic link in addition.
fn archive_with_link(files: &Files, link: &str, target: &str) -> Vec<u8> {
    let mut tar = tar_of(files);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    tar.append_link(&mut header, link, target).unwrap();
    gzip(&tar.into_inner().unwrap())
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

/// The kind of error, and all that it says.
fn told(error: &PluginError) -> String {
    let mut text = format!("{}: {error}", error.code());
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
