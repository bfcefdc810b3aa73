//! `plugin.yaml`, read so that what cannot be decided is an error.

mod events;
mod scalar;
mod text;

use std::io::{self, Read};

use saphyr_parser::Marker;

use crate::Sha256Digest;

/// What `plugin.yaml` says about integrity and identity. Other keys are left to others.
///
/// ```
/// use molecule_plugin::Manifest;
///
/// let manifest = Manifest::parse(b"name: demo\nversion: 1.2.3\n")?;
/// assert_eq!(manifest.name.as_deref(), Some("demo"));
/// assert_eq!(manifest.sha256, None);
///
/// // Declared and unusable is an error, never "not declared".
/// assert!(Manifest::parse(b"name: demo\nsha256: null\n").is_err());
/// # Ok::<(), molecule_plugin::ManifestError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// `name`, if it is a text: a number, a boolean, null or a collection is none.
    pub name: Option<String>,
    /// `version`, if it is a text: `1.2.3` is one, `1.2` is a number unless it is quoted.
    pub version: Option<String>,
    /// `sha256`: the manifest hash that the author declares.
    pub sha256: Option<Sha256Digest>,
}

/// Why a `plugin.yaml` was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin.yaml, line {line}, column {column}: {reason}")]
#[non_exhaustive]
pub struct ManifestError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Manifest {
    /// Bytes that a `plugin.yaml` may have.
    pub const MAX_BYTES: u64 = 64 << 10;

    /// Collections that may be inside one another, the root's mapping included.
    pub const MAX_DEPTH: usize = 32;

    /// Scalars and collections that it may hold.
    pub const MAX_NODES: usize = 10_000;

    /// The text of a `plugin.yaml`, to be [parsed](Self::parse). Of one that is too large only so much is read that it is refused.
    ///
    /// # Errors
    /// When `from` cannot be read.
    pub fn read_text(from: impl Read) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        from.take(Self::MAX_BYTES + 1).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Reads a `plugin.yaml`.
    ///
    /// It must be one YAML mapping in UTF-8, without what readers of YAML do not agree on: anchors, aliases, merge keys, directives, tags
    /// other than `!!str`, keys that are no scalars or come twice, byte order marks, and characters that some take for the end of a line.
    ///
    /// # Errors
    /// When it is too large or too deep, is no such mapping, or has a `sha256` that is no text of 64 lower-case hexadecimal digits.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        events::read(text::decode(bytes)?)
    }
}

impl ManifestError {
    fn new(line: usize, column: usize, reason: impl Into<String>) -> Self {
        Self {
            line,
            column,
            reason: reason.into(),
        }
    }

    fn at(marker: &Marker, reason: impl Into<String>) -> Self {
        Self::new(marker.line(), marker.col() + 1, reason)
    }
}
