//! A plugin as it is about to be handed out: what the platform copies from the registry, and the checks on it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use http::StatusCode;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::source::{Source, is_local_name};
use crate::reply::Reply;

/// The most that the files of a plugin may have in sum.
const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// A copy keeps of a file's mode what the usual umask of a server leaves.
const MODES: u32 = 0o755;

/// A plugin that was fetched and found in order.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(super) entries: Vec<Entry>,
}

/// A file or directory of a plugin.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is called, from the plugin's folder on.
    pub(super) name: PathBuf,
    pub(super) is_dir: bool,
    pub(super) mode: u32,
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) mtime: u64,
}

/// Fetches a plugin. `pinned` is the sha256 that its `plugin.yaml` must have. It reads files and blocks.
pub(crate) fn stage(
    dir: Option<&Path>,
    source: &str,
    pinned: Option<&str>,
) -> Result<Staged, Reply> {
    let source = Source::parse(source)?;
    let staged = Staged {
        name: source.local_name()?.to_owned(),
        source: source.raw(),
        entries: fetch(dir, &source)?,
    };
    if staged.entries.iter().map(|entry| entry.size).sum::<u64>() > MAX_BYTES {
        let text = "staged plugin exceeds size limit";
        return Err(source.refused(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let refused = |text: &str| source.refused(StatusCode::UNPROCESSABLE_ENTITY, text);
    if !staged.is_intact().unwrap_or(false) {
        return Err(refused("plugin manifest integrity check failed"));
    }
    if let Some(pinned) = pinned {
        staged.check_pinned(pinned).map_err(|text| refused(&text))?;
    }
    Ok(staged)
}

fn fetch(dir: Option<&Path>, source: &Source) -> Result<Vec<Entry>, Reply> {
    let name = source.local_name()?;
    if !is_local_name(name) {
        return Err(source.not_fetched(StatusCode::BAD_GATEWAY));
    }
    let absent = || source.not_fetched(StatusCode::NOT_FOUND);
    let folder = dir.ok_or_else(absent)?.join(name);
    if !folder.exists() {
        return Err(absent());
    }
    let mut entries = Vec::new();
    walk(&folder, Path::new(""), &mut entries).map_err(|error| {
        tracing::warn!(plugin = name, %error, "the plugin cannot be fetched");
        source.not_fetched(StatusCode::BAD_GATEWAY)
    })?;
    Ok(entries)
}

/// Everything below a directory, sorted by name, each directory before its content.
fn walk(dir: &Path, name: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    let mut children = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let name = name.join(child.file_name());
        let entry = Entry::read(child.path(), name)?;
        let below = entry
            .is_dir
            .then(|| (entry.path.clone(), entry.name.clone()));
        entries.push(entry);
        if let Some((path, name)) = below {
            walk(&path, &name, entries)?;
        }
    }
    Ok(())
}

impl Entry {
    /// A symbolic link is copied as the file that it leads to; to anything but a file, it cannot be copied.
    fn read(path: PathBuf, name: PathBuf) -> io::Result<Self> {
        let own = fs::symlink_metadata(&path)?;
        let found = fs::metadata(&path)?;
        let is_dir = own.is_dir();
        if !is_dir && !found.is_file() {
            let text = format!("{} is no file", path.display());
            return Err(io::Error::other(text));
        }
        Ok(Self {
            is_dir,
            mode: mode(&own) & MODES,
            size: if is_dir { 0 } else { found.len() },
            mtime: mtime(&found),
            path,
            name,
        })
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata)
}

#[cfg(not(unix))]
fn mode(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}

fn mtime(metadata: &Metadata) -> u64 {
    let since = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

impl Staged {
    fn file(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| !entry.is_dir && entry.name == Path::new(name))
    }

    /// Whether the content is what `manifest.json` says, if it says anything.
    fn is_intact(&self) -> io::Result<bool> {
        let Some(manifest) = self.file("manifest.json") else {
            return Ok(true);
        };
        let manifest: Map<String, Value> = serde_json::from_slice(&fs::read(&manifest.path)?)?;
        match manifest.get("sha256") {
            None => Ok(true),
            Some(Value::String(declared)) => Ok(declared.eq_ignore_ascii_case(&self.digest()?)),
            Some(_) => Ok(false),
        }
    }

    /// The sha256 over path, NUL and content of every file but `manifest.json`, sorted.
    fn digest(&self) -> io::Result<String> {
        let named = |entry: &&Entry| !entry.is_dir && entry.name != Path::new("manifest.json");
        let mut files: Vec<_> = self.entries.iter().filter(named).collect();
        files.sort_by_key(|file| file.name.as_os_str());
        let mut hash = Sha256::new();
        for file in files {
            hash.update(file.name.as_os_str().as_encoded_bytes());
            hash.update([0]);
            feed(&mut hash, &file.path)?;
        }
        Ok(hex(hash))
    }

    fn check_pinned(&self, pinned: &str) -> Result<(), String> {
        let found = self.file("plugin.yaml").and_then(|file| {
            let mut hash = Sha256::new();
            feed(&mut hash, &file.path).ok()?;
            Some(hex(hash))
        });
        match found {
            None => Err("sha256 check failed: plugin.yaml not found in staged plugin".to_owned()),
            Some(found) if found.eq_ignore_ascii_case(pinned) => Ok(()),
            Some(found) => Err(format!("sha256 mismatch: expected {pinned}, got {found}")),
        }
    }
}

fn feed(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hex(hash: Sha256) -> String {
    let digits = |byte: u8| [byte >> 4, byte & 15];
    hash.finalize()
        .into_iter()
        .flat_map(digits)
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_together_may_have_100_mib_and_not_a_byte_more() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("p")).unwrap();
        let blob = File::create(dir.path().join("p/blob")).unwrap();
        blob.set_len(MAX_BYTES - 1).unwrap();
        fs::write(dir.path().join("p/one"), "1").unwrap();
        assert_eq!(stage(Some(dir.path()), "p", None).unwrap().entries.len(), 2);
        blob.set_len(MAX_BYTES).unwrap();
        assert!(stage(Some(dir.path()), "p", None).is_err());
    }
}
