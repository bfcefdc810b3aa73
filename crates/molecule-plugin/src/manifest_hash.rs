//! The manifest hash: one digest for the paths and contents of a plugin's files.
//!
//! It is the SHA-256 of a JSON text: an array of `[path, content's SHA-256]`, sorted by path, exactly as Python's `json.dumps` writes it,
//! because that is what the Python SDK and the platform's registry compute.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::directory::{self, Found};
use crate::{PluginError, Sha256Digest};

/// The file that declares the hash, and so cannot be part of it.
pub(crate) const MANIFEST_PATH: &str = "plugin.yaml";

/// Collects files, in any order, into the manifest hash.
///
/// ```
/// use molecule_plugin::{ManifestHash, Sha256Digest};
///
/// let mut hash = ManifestHash::default();
/// hash.add("rules/r.md", Sha256Digest::of("be kind\n"));
/// hash.add("plugin.yaml", Sha256Digest::of("name: demo\n"));
/// assert!(hash.to_json().starts_with(r#"[["rules/r.md", ""#));
/// assert_eq!(hash.digest(), Sha256Digest::of(hash.to_json()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestHash {
    files: Vec<(String, Sha256Digest)>,
}

impl ManifestHash {
    /// The files of a directory.
    ///
    /// # Errors
    /// As [`manifest_digest`].
    pub fn of_directory(dir: &Path) -> Result<Self, PluginError> {
        let mut hash = Self::default();
        directory::visit(dir, &mut |path, found| {
            if let Found::File(file) = found {
                hash.add(path, Sha256Digest::of_reader(file)?);
            }
            Ok(())
        })?;
        Ok(hash)
    }

    /// Adds a file: its path relative to the plugin's root, components joined by `/`, and the digest of its content. Each path is added
    /// once. `plugin.yaml` at the root is left out by [`digest`](Self::digest), because it holds the hash.
    pub fn add(&mut self, path: impl Into<String>, content: Sha256Digest) {
        self.files.push((path.into(), content));
    }

    /// Every file that was added, `plugin.yaml` too, sorted by path: the whole path, by code point, and not component by component.
    #[must_use]
    pub fn files(&self) -> Vec<(&str, Sha256Digest)> {
        let mut files: Vec<_> = self
            .files
            .iter()
            .map(|(path, content)| (path.as_str(), *content))
            .collect();
        files.sort_unstable();
        files
    }

    #[cfg(feature = "install")]
    pub(crate) fn into_files(self) -> impl Iterator<Item = (String, Sha256Digest)> {
        self.files.into_iter()
    }

    /// The text that is hashed: the original's JSON, byte for byte.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        write_json(self.files().into_iter(), &mut |part| json.push_str(part));
        json
    }

    /// The manifest hash. The text of [`to_json`](Self::to_json) is never in memory for it.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        digest_of_sorted(self.files().into_iter())
    }
}

/// The manifest hash of files that are sorted by path already, none of which is copied for it.
pub(crate) fn digest_of_sorted<'a>(
    files: impl Iterator<Item = (&'a str, Sha256Digest)>,
) -> Sha256Digest {
    let mut hasher = Sha256::new();
    write_json(files, &mut |part| hasher.update(part));
    Sha256Digest::from_hasher(hasher)
}

fn write_json<'a>(files: impl Iterator<Item = (&'a str, Sha256Digest)>, out: &mut dyn FnMut(&str)) {
    out("[");
    let counted = files.filter(|(path, _)| *path != MANIFEST_PATH);
    for (index, (path, content)) in counted.enumerate() {
        out(if index == 0 { "[\"" } else { ", [\"" });
        write_escaped(path, out);
        out(&format!("\", \"{content}\"]"));
    }
    out("]");
}

/// The manifest hash of a directory.
///
/// The Python SDK hashes what a symbolic link points to, and leaves out pipes and devices. Here they are errors: what is outside of the
/// plugin cannot be vouched for, and what an installation would not write cannot be part of it.
///
/// # Errors
/// When anything in it cannot be read, is no regular file or directory, or has a name that is not UTF-8.
pub fn manifest_digest(dir: &Path) -> Result<Sha256Digest, PluginError> {
    Ok(ManifestHash::of_directory(dir)?.digest())
}

/// Whether a directory has the manifest hash `expected`, under the original's name.
///
/// # Errors
/// When `expected` is not 64 lower-case hexadecimal digits, and as [`manifest_digest`] does.
pub fn verify_plugin_sha256(plugin_dir: &Path, expected: &str) -> Result<bool, PluginError> {
    let expected = expected.parse()?;
    Ok(manifest_digest(plugin_dir)? == expected)
}

/// Writes the inside of a JSON string as Python's `json.dumps` does: ASCII alone, `\u` with lower-case digits, surrogate pairs above
/// U+FFFF. `serde_json` leaves 0x7f and everything above as it is, and so gives other hashes.
fn write_escaped(text: &str, out: &mut dyn FnMut(&str)) {
    let mut plain_from = 0;
    for (at, char) in text.char_indices().filter(|(_, char)| !is_plain(*char)) {
        out(&text[plain_from..at]);
        write_escape(char, out);
        plain_from = at + char.len_utf8();
    }
    out(&text[plain_from..]);
}

fn is_plain(char: char) -> bool {
    matches!(char, ' '..='~') && char != '"' && char != '\\'
}

fn write_escape(char: char, out: &mut dyn FnMut(&str)) {
    match char {
        '"' => out("\\\""),
        '\\' => out("\\\\"),
        '\n' => out("\\n"),
        '\r' => out("\\r"),
        '\t' => out("\\t"),
        '\u{8}' => out("\\b"),
        '\u{c}' => out("\\f"),
        _ => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out(&format!("\\u{unit:04x}"));
            }
        }
    }
}
