//! Hashing while an archive is unpacked, so that no file is read twice.

use molecule_safe_tar::{FileEntry, Observer};
use sha2::{Digest, Sha256};

use crate::manifest_hash::MANIFEST_PATH;
use crate::{Manifest, ManifestHash, Sha256Digest};

/// Hashes an archive's files while they are unpacked, and keeps the bytes of `plugin.yaml`.
///
/// It gives the same [`ManifestHash`] as the unpacked directory does. Like everything an [`Observer`] sees, it counts only when the
/// extraction succeeds.
#[derive(Debug, Default)]
pub struct HashObserver {
    hash: ManifestHash,
    manifest: Option<Vec<u8>>,
    current: Option<Current>,
}

/// The file that is being written.
#[derive(Debug)]
struct Current {
    path: String,
    hasher: Sha256,
}

impl HashObserver {
    /// What was hashed.
    #[must_use]
    pub fn hash(&self) -> &ManifestHash {
        &self.hash
    }

    /// What was hashed, to keep.
    #[must_use]
    pub fn into_hash(self) -> ManifestHash {
        self.hash
    }

    /// The `plugin.yaml` at the root: its bytes, cut off after [`Manifest::MAX_BYTES`] and one more, which is enough for
    /// [`Manifest::parse`] to refuse it.
    #[must_use]
    pub fn manifest(&self) -> Option<&[u8]> {
        self.manifest.as_deref()
    }
}

impl Observer for HashObserver {
    fn begin(&mut self, file: FileEntry<'_>) {
        if file.path == MANIFEST_PATH {
            self.manifest = Some(Vec::new());
        }
        self.current = Some(Current {
            path: file.path.to_owned(),
            hasher: Sha256::new(),
        });
    }

    fn data(&mut self, bytes: &[u8]) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.hasher.update(bytes);
        if current.path == MANIFEST_PATH
            && let Some(manifest) = &mut self.manifest
        {
            keep(manifest, bytes);
        }
    }

    fn end(&mut self) {
        if let Some(Current { path, hasher }) = self.current.take() {
            self.hash.add(path, Sha256Digest::from_hasher(hasher));
        }
    }
}

fn keep(manifest: &mut Vec<u8>, bytes: &[u8]) {
    let limit = usize::try_from(Manifest::MAX_BYTES + 1).unwrap_or(usize::MAX);
    let room = limit.saturating_sub(manifest.len());
    manifest.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
