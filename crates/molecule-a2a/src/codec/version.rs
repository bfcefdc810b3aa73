//! Which of the two it is.

use std::fmt;

use crate::{A2aError, ErrorCode};

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// Version 0.3, which the platform speaks.
    V0_3,
    /// Version 1.0.
    V1_0,
}

impl Version {
    /// How it is written in `A2A-Version`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_3 => "0.3",
            Self::V1_0 => "1.0",
        }
    }

    /// The version that a text such as `0.3`, `0.3.0` or `1.0` names. What differs behind the second number is compatible.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.');
        let version = match (numbers.next()?, numbers.next()?) {
            ("0", "3") => Self::V0_3,
            ("1", "0") => Self::V1_0,
            _ => return None,
        };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        numbers.all(is_number).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which version a call is in: what the header `A2A-Version` says, or else the parameter of that name in the query, or else how the
/// method is spelt, such as `message/send` or `SendMessage`.
///
/// ```
/// use molecule_a2a::{Version, version_of};
///
/// assert_eq!(version_of(None, None, "message/send"), Ok(Version::V0_3));
/// assert_eq!(version_of(None, None, "SendMessage"), Ok(Version::V1_0));
/// assert_eq!(version_of(Some("0.3"), None, "SendMessage"), Ok(Version::V0_3));
/// assert!(version_of(Some("9.9"), None, "SendMessage").is_err());
/// ```
///
/// # Errors
/// [`ErrorCode::VersionNotSupported`] if a version is named that is none of the two.
pub fn version_of(
    header: Option<&str>,
    query: Option<&str>,
    method: &str,
) -> Result<Version, A2aError> {
    let named = [header, query].into_iter().flatten();
    let Some(name) = named.map(str::trim).find(|name| !name.is_empty()) else {
        return Ok(spelling(method));
    };
    Version::named(name).ok_or_else(|| {
        let name: String = name.chars().take(20).collect();
        let text = format!("Version not supported: {name:?}; this agent speaks 0.3 and 1.0");
        A2aError::new(ErrorCode::VersionNotSupported, text)
    })
}

/// What nobody knows is taken for the older version, as a missing header is.
fn spelling(method: &str) -> Version {
    let is_pascal = method.starts_with(|first: char| first.is_ascii_uppercase());
    if is_pascal && !method.contains('/') {
        Version::V1_0
    } else {
        Version::V0_3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: Option<&str>, query: Option<&str>, method: &str, expect: Option<Version>) {
        let version = version_of(header, query, method);
        assert_eq!(version.ok(), expect, "{header:?} {query:?} {method}");
    }

    #[test]
    fn the_header_wins_over_the_query_and_both_over_the_spelling() {
        let (v03, v10) = (Some(Version::V0_3), Some(Version::V1_0));
        check(Some("1.0"), Some("0.3"), "message/send", v10);
        check(None, Some("1.0"), "message/send", v10);
        check(Some(" "), Some("1.0"), "message/send", v10);
        check(Some(""), None, "message/send", v03);
        check(Some("0.3.0"), None, "SendMessage", v03);
        check(None, None, "", v03);
        check(None, None, "Nonexistent/Method", v03);
    }

    #[test]
    fn other_versions_are_refused() {
        for name in ["9.9", "1", "0.30", "1.1", "2.0", "v1.0", "1.0-rc", "1.0.x"] {
            check(Some(name), None, "SendMessage", None);
        }
        let long = "9".repeat(100_000);
        let error = version_of(Some(&long), None, "x").unwrap_err();
        assert!(error.message.len() < 100, "{}", error.message.len());
    }
}
