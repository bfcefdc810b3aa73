//! Names of plugins, and where they come from.

use http::StatusCode;
use serde_json::json;

use crate::reply::{Reply, bad_request};

/// The kinds of sources that the platform knows.
pub(crate) const SCHEMES: [&str; 2] = ["github", "local"];

const UNPINNED: &str = r#"unpinned github source: append a tag or commit SHA (e.g. "github://owner/repo#v1.2.0"). Set PLUGIN_ALLOW_UNPINNED=true to override"#;

/// A name must be one component of a path.
pub(crate) fn check_name(name: &str) -> Result<(), Reply> {
    if name.is_empty() || name == "." || name.contains(['/', '\\']) || name.contains("..") {
        return Err(bad_request("invalid plugin name"));
    }
    Ok(())
}

/// A parsed `scheme://spec`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    scheme: String,
    spec: String,
}

impl Source {
    /// Reads a source; without a scheme it is a local one.
    pub(super) fn parse(text: &str) -> Result<Self, Reply> {
        let text = text.trim();
        let (scheme, spec) = text.split_once("://").unwrap_or(("local", text));
        if scheme.is_empty() || spec.is_empty() {
            return Err(bad_request("invalid plugin source"));
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            spec: spec.to_owned(),
        })
    }

    /// The source as the platform spells it.
    pub(super) fn raw(&self) -> String {
        format!("{}://{}", self.scheme, self.spec)
    }

    /// The folder of a local source. There is no network here, so a pinned repository cannot be cloned.
    pub(super) fn local_name(&self) -> Result<&str, Reply> {
        match self.scheme.as_str() {
            "local" => {
                check_name(&self.spec)?;
                Ok(&self.spec)
            }
            "github" if self.spec.contains('#') => Err(self.not_fetched(StatusCode::BAD_GATEWAY)),
            "github" => Err(self.refused(StatusCode::UNPROCESSABLE_ENTITY, UNPINNED)),
            _ => Err(Reply::new(
                StatusCode::BAD_REQUEST,
                &json!({ "available_schemes": SCHEMES, "error": "failed to resolve plugin source" }),
            )),
        }
    }

    pub(super) fn not_fetched(&self, status: StatusCode) -> Reply {
        self.refused(
            status,
            &format!("failed to fetch plugin from {}", self.scheme),
        )
    }

    /// An error that names the source.
    pub(super) fn refused(&self, status: StatusCode, error: &str) -> Reply {
        Reply::new(status, &json!({ "error": error, "source": self.raw() }))
    }
}

/// Whether a folder of this name can be fetched: `[a-z0-9][a-z0-9._-]{0,127}`.
pub(super) fn is_local_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 128
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|c| plain(c) || b"._-".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_are_lower_case_and_at_most_128_long() {
        for (name, expect) in [
            ("a", true),
            ("0.b_c-d", true),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
            ("", false),
            ("A", false),
            (".git", false),
            ("a b", false),
            ("a/b", false),
            ("ä", false),
        ] {
            assert_eq!(is_local_name(name), expect, "{name:?}");
        }
    }

    #[test]
    fn a_source_without_a_scheme_is_local() {
        for (text, expect) in [
            ("x", "local://x"),
            (" x ", "local://x"),
            ("local://x", "local://x"),
            ("github://o/r#v1", "github://o/r#v1"),
        ] {
            assert_eq!(Source::parse(text).unwrap().raw(), expect);
        }
        assert!(Source::parse("local://").is_err());
        assert!(Source::parse("://x").is_err());
    }
}
