//! Why the platform does not hand out a plugin.

use std::fmt;

use serde_json::{Map, Value};

use crate::ApiError;
use crate::endpoint::Answer;

/// Why the platform does not hand out a plugin, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PluginRefusal {
    /// 404: the source holds no such plugin.
    Unknown,
    /// 400: the source holds a plugin of another name.
    OtherName {
        /// Its name.
        resolved: String,
    },
    /// 400: the platform takes no such name.
    InvalidName,
    /// 400: the platform does not know the scheme of the source.
    UnknownScheme {
        /// Those it knows.
        available: Vec<String>,
    },
    /// 413: the plugin is larger than the platform hands out.
    TooLarge,
    /// 422: the source names a moving target, such as a branch.
    Unpinned,
    /// 422: the plugin is not what its own `manifest.json`, or the record, says.
    Damaged,
    /// 502: the platform could not fetch it from the source.
    SourceFailed,
    /// 504: the source took the platform too long.
    SourceTimedOut,
}

impl fmt::Display for PluginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such plugin there; check the name, and name the source if it is not the platform itself",
            Self::OtherName { resolved } => {
                return write!(f, "the source holds {resolved:?}; ask for it under that name");
            }
            Self::InvalidName => "the platform takes no such name; use letters, digits and - _ .",
            Self::UnknownScheme { available } => {
                return write!(f, "use a source that the platform knows: {}", available.join(", "));
            }
            Self::TooLarge => "the platform hands out nothing that large; make the plugin smaller, or install it from a file",
            Self::Unpinned => "pin the source to a tag or commit, such as github://owner/repo#v1.2.0",
            Self::Damaged => "its files are not those that were published; have its author publish it again",
            Self::SourceFailed => "the platform could not fetch it; check the source, or try again",
            Self::SourceTimedOut => "the source was too slow for the platform; try again",
        })
    }
}

impl PluginRefusal {
    /// What the platform means, if it is about the plugin. Proxies use the same statuses, but not these bodies.
    fn of(answer: &Answer<'_>) -> Option<Self> {
        let body = answer.object()?;
        let words = body.get("error")?.as_str()?;
        match answer.status().as_u16() {
            400 => Self::of_bad_request(&body, words),
            404 if body.contains_key("source") => Some(Self::Unknown),
            413 => Some(Self::TooLarge),
            422 if words.starts_with("unpinned") => Some(Self::Unpinned),
            422 if words.contains("integrity") || words.starts_with("sha256") => {
                Some(Self::Damaged)
            }
            502 => Some(Self::SourceFailed),
            504 => Some(Self::SourceTimedOut),
            _ => None,
        }
    }

    fn of_bad_request(body: &Map<String, Value>, words: &str) -> Option<Self> {
        if let Some(resolved) = body.get("resolved_name").and_then(Value::as_str) {
            let resolved = short(resolved);
            return Some(Self::OtherName { resolved });
        }
        if let Some(schemes) = body.get("available_schemes").and_then(Value::as_array) {
            let available = schemes.iter().filter_map(Value::as_str).take(20);
            let available = available.map(short).collect();
            return Some(Self::UnknownScheme { available });
        }
        (words == "invalid plugin name").then_some(Self::InvalidName)
    }
}

/// The typed error of an answer that is not good, from an endpoint that deals with a plugin.
pub(super) fn refused(answer: &Answer<'_>, endpoint: &'static str) -> ApiError {
    let Some(reason) = PluginRefusal::of(answer) else {
        return answer.refusal(endpoint);
    };
    ApiError::Plugin(answer.refused(endpoint), reason)
}

/// Foreign words, fit for a message.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn refusal(status: u16, body: &str) -> ApiError {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        refused(
            &Answer::new(status, &headers, body.as_bytes()),
            "plugin download",
        )
    }

    #[test]
    fn a_proxys_refusal_says_nothing_about_the_plugin() {
        for status in [400, 404, 413, 422, 502, 504] {
            for body in ["", "<html>", "{}", r#"{"message":"no route"}"#] {
                let error = refusal(status, body);
                assert!(!matches!(error, ApiError::Plugin(..)), "{status} {body}");
            }
        }
        let gone = r#"{"error":"workspace not found"}"#;
        let error = refusal(404, gone);
        assert!(matches!(error, ApiError::NotFound(_)), "{error:?}");
    }

    #[test]
    fn failing_sources_are_told_apart() {
        let body = r#"{"error":"failed to fetch plugin from github","source":"github://o/r#v1"}"#;
        let check = |status, expect: PluginRefusal| match refusal(status, body) {
            ApiError::Plugin(refusal, reason) => {
                assert_eq!((refusal.status.as_u16(), reason), (status, expect));
            }
            other => panic!("{other:?}"),
        };
        check(404, PluginRefusal::Unknown);
        check(502, PluginRefusal::SourceFailed);
        check(504, PluginRefusal::SourceTimedOut);
    }

    #[test]
    fn foreign_words_do_not_reach_a_terminal_as_they_are() {
        let body = r#"{"error":"x","resolved_name":"a\u001b[31m\nb"}"#;
        let error = refusal(400, body).to_string();
        assert!(!error.contains(['\u{1b}', '\n']), "{error:?}");
        assert!(error.contains("a[31mb"), "{error:?}");
    }
}
