//! Text that must not be shown.

use std::fmt;

use serde::Deserialize;

/// A secret text as it came over the wire; `Debug` shows nothing of it.
///
/// ```
/// use molecule_protocol::Secret;
///
/// let secret = Secret::from("s3cr3t".to_owned());
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// assert_eq!(secret.expose(), "s3cr3t");
/// ```
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Keep it out of logs, errors and arguments.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
