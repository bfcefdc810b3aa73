//! The text that is hashed is ASCII, and any JSON reader reads the paths back.

use molecule_plugin::{ManifestHash, Sha256Digest};
use sha2::{Digest as _, Sha256};

/// Takes each part between NUL bytes for a path.
///
/// # Panics
/// When the JSON does not say what was put in, or the digest is not the JSON's.
pub fn run(bytes: &[u8]) {
    let mut hash = ManifestHash::default();
    for path in bytes.split(|byte| *byte == 0) {
        let content: [u8; 32] = Sha256::digest(path).into();
        hash.add(String::from_utf8_lossy(path), content.into());
    }
    check(&hash);
}

fn check(hash: &ManifestHash) {
    let json = hash.to_json();
    let graphic = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    assert!(json.bytes().all(graphic), "{json:?} is not plain ASCII");
    let read: Vec<(String, String)> = serde_json::from_str(&json).expect("it is JSON");
    let put_in: Vec<_> = hash
        .files()
        .into_iter()
        .filter(|(path, _)| *path != "plugin.yaml")
        .map(|(path, digest)| (path.to_owned(), digest.to_string()))
        .collect();
    assert_eq!(read, put_in);
    assert!(read.is_sorted_by(|a, b| a.0 <= b.0), "{json} is not sorted");
    let digest: [u8; 32] = Sha256::digest(&json).into();
    assert_eq!(hash.digest(), Sha256Digest::from(digest));
}
