//! The address of a platform.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Longer than any real address, and far from what a URI with a path may measure.
const MAX_LEN: usize = 2048;

/// The base URL of a platform: `http` or `https`, a host, an optional path, nothing else.
///
/// ```
/// use molecule_protocol::PlatformUrl;
///
/// let platform: PlatformUrl = "https://molecule.example.com/".parse()?;
/// assert_eq!(platform.join("/registry/register"), "https://molecule.example.com/registry/register");
/// assert!("ftp://molecule.example.com".parse::<PlatformUrl>().is_err());
/// # Ok::<(), molecule_protocol::InvalidPlatformUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PlatformUrl {
    url: Url,
}

/// Why a text is not the address of a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPlatformUrl {
    /// The text is not a URL at all.
    #[error("{text:?} is not a URL; write it like https://molecule.example.com")]
    NotAUrl {
        /// What was given.
        text: String,
        /// What the parser said.
        #[source]
        source: url::ParseError,
    },
    /// The scheme is neither `http` nor `https`.
    #[error(
        "the platform URL has the scheme {scheme:?}; use https:// (or http:// for a local platform)"
    )]
    Scheme {
        /// The scheme that was given.
        scheme: String,
    },
    /// The URL carries a user name or password, which would end up in logs.
    #[error(
        "the platform URL contains a user name or password; remove it and pass the token with --token-file"
    )]
    Credentials,
    /// The URL has characters, or a length, that HTTP does not take.
    #[error("the platform URL cannot be used in HTTP; check it for quotes, braces and its length")]
    NotHttp,
    /// The URL has a query or a fragment, which no base address can have.
    #[error("the platform URL has a query or fragment; give only the base address")]
    Decorated,
}

impl PlatformUrl {
    /// The full URL of a path (with its query) on this platform. `path` starts with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// `scheme://host[:port]`, with the port left out where it is the scheme's own.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether requests to it are encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for PlatformUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for PlatformUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlatformUrl({self})")
    }
}

impl FromStr for PlatformUrl {
    type Err = InvalidPlatformUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPlatformUrl> {
        let url = Url::parse(text.trim()).map_err(|source| InvalidPlatformUrl::NotAUrl {
            text: shown(text),
            source,
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidPlatformUrl::Scheme {
                scheme: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidPlatformUrl::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidPlatformUrl::Decorated);
        }
        if url.as_str().len() > MAX_LEN || url.as_str().parse::<http::Uri>().is_err() {
            return Err(InvalidPlatformUrl::NotHttp);
        }
        Ok(Self { url })
    }
}

/// What may be repeated in a message: cut short, and without anything that looks like a password.
fn shown(text: &str) -> String {
    let text = text.rsplit('@').next().unwrap_or_default();
    text.chars()
        .take_while(|c| !matches!(c, '?' | '#'))
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let shown = text
            .parse::<PlatformUrl>()
            .map_or_else(|e| e.to_string(), |u| format!("{u} {}", u.origin()));
        assert!(shown.starts_with(expect), "{text:?} gave {shown:?}");
    }

    #[test]
    fn addresses_are_normalised() {
        check(
            "http://127.0.0.1:18080",
            "http://127.0.0.1:18080 http://127.0.0.1:18080",
        );
        check(
            "http://127.0.0.1:18080///",
            "http://127.0.0.1:18080 http://127.0.0.1:18080",
        );
        check(
            " https://M.Example.com:443/api/ ",
            "https://m.example.com/api https://m.example.com",
        );
        check("http://[::1]:8080/", "http://[::1]:8080 http://[::1]:8080");
    }

    #[test]
    fn anything_else_says_what_to_write() {
        check("", "\"\" is not a URL; write it like");
        check(
            "molecule.example.com",
            "\"molecule.example.com\" is not a URL",
        );
        check(
            "localhost:8080",
            "the platform URL has the scheme \"localhost\"",
        );
        check("ftp://x", "the platform URL has the scheme \"ftp\"");
        check("https://u:p@x/", "the platform URL contains a user name");
        check("https://x/?token=1", "the platform URL has a query");
        check("http://", "\"http://\" is not a URL");
        check("http://a\"b", "the platform URL cannot be used in HTTP");
        check("http://a{b}", "the platform URL cannot be used in HTTP");
        check(
            &format!("http://h/{}", "a".repeat(70_000)),
            "the platform URL cannot be used in HTTP",
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_accepted_makes_a_request(text in "https?://.{1,40}") {
            if let Ok(platform) = text.parse::<PlatformUrl>() {
                proptest::prop_assert!(platform.join("/registry/register").parse::<http::Uri>().is_ok());
            }
        }
    }

    #[test]
    fn a_password_is_not_repeated_in_the_message() {
        let error = "https//user:hunter2@host"
            .parse::<PlatformUrl>()
            .unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
