//! Whatever `plugin.yaml` we accept, another reader reads alike; so nothing that declares a hash reads as if it did not.

use molecule_plugin::{Manifest, ManifestError};
use serde_yaml::Value;

/// Reads the bytes as a `plugin.yaml`.
///
/// # Panics
/// When the readers disagree about the name, the version or the hash.
pub fn run(bytes: &[u8]) {
    match Manifest::parse(bytes) {
        Ok(manifest) => check(bytes, &manifest),
        Err(error) => check_error(&error),
    }
}

fn check(bytes: &[u8], manifest: &Manifest) {
    let Some(value) = read(bytes) else { return };
    assert!(value.is_mapping(), "{value:?} is no mapping");
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    assert_eq!(manifest.name, text("name"), "name");
    assert_eq!(manifest.version, text("version"), "version");
    let declared = manifest.sha256.map(|digest| digest.to_string());
    assert_eq!(declared, text("sha256"), "sha256");
    assert_eq!(declared.is_some(), value.get("sha256").is_some(), "sha256");
}

/// What the other reader makes of it. A number of 128 bits is more than its values hold, and nothing to do with us.
fn read(bytes: &[u8]) -> Option<Value> {
    match serde_yaml::from_slice(bytes) {
        Ok(value) => Some(value),
        Err(error) if error.to_string().contains("128, expected any YAML value") => None,
        Err(error) => panic!("what we accept, serde_yaml reads: {error}"),
    }
}

fn check_error(error: &ManifestError) {
    let text = error.to_string();
    assert!(text.len() < 2_000, "{text:?}");
    assert!(!text.contains(char::is_control), "{text:?}");
}
