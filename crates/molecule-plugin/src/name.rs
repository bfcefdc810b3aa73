//! Plugin names.

use std::fmt;
use std::str::FromStr;

use crate::shorten::shorten;

/// The name of a plugin: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}` without `..`, no dot at the end, no device name of Windows. It is safe as a
/// file name, stays one path component, and is one segment of a URL as it stands.
///
/// ```
/// use molecule_plugin::PluginName;
///
/// let name: PluginName = "demo-plugin".parse()?;
/// assert_eq!(name.as_str(), "demo-plugin");
/// assert!("../../victim".parse::<PluginName>().is_err());
/// # Ok::<(), molecule_plugin::InvalidPluginName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct PluginName(String);

/// A text that is no plugin name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a plugin name: {reason}")]
#[non_exhaustive]
pub struct InvalidPluginName {
    /// The text, its beginning if it is long.
    pub name: String,
    /// Why not, and what is allowed.
    pub reason: &'static str,
}

impl PluginName {
    /// Bytes of a name at most.
    pub const MAX_BYTES: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = InvalidPluginName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match objection(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(InvalidPluginName {
                name: shorten(text),
                reason,
            }),
        }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for PluginName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text is no name. The rules are tried from the most telling to the most general.
fn objection(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty; name the plugin, such as `demo-plugin`")
    } else if text.contains(['/', '\\']) {
        Some("it may not hold a slash or a backslash; give the name alone, not a path")
    } else if !text.bytes().all(is_allowed) {
        Some("it may hold ASCII letters, digits, dots, underscores and hyphens only")
    } else if text.len() > PluginName::MAX_BYTES {
        Some("it may have 64 characters at most")
    } else if text.contains("..") {
        Some("it may not hold two dots in a row")
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Some("it must begin with an ASCII letter or digit")
    } else if text.ends_with('.') {
        Some("it may not end with a dot, which Windows drops")
    } else if is_device(text) {
        Some("Windows takes it for a device, whatever follows a dot; choose another")
    } else {
        None
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// `NUL`, `con.txt`, `Com1.tar.gz`: what comes after the first dot does not matter to Windows.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).to_ascii_lowercase();
    match stem.as_bytes() {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [port @ .., digit] => (port == b"com" || port == b"lpt") && digit.is_ascii_digit(),
        [] => false,
    }
}
