//! What can happen to a request.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use molecule_protocol::Secret;
use serde::{Deserialize, Serialize};

/// The longest token that may be chosen, in characters.
const LONGEST_TOKEN: usize = 256;

/// What happens to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The request waits for so many milliseconds, by the platform's clock, and is served then.
    Latency {
        /// How long.
        ms: u64,
    },
    /// This answer comes instead of the platform's, which does nothing.
    Answer {
        /// A status from 200 to 599.
        status: u16,
        /// Headers, such as `Retry-After`. A body of JSON is declared as such.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The connection closes without an answer. The platform has done nothing.
    DropBefore,
    /// The connection closes without an answer. The platform has done what it was asked for.
    DropAfter,
    /// The platform does what it was asked for, and closes its own direction of the connection without an answer. It
    /// goes on reading, and serving what it reads, until the client hangs up.
    HalfClose,
    /// The platform does what it was asked for. `Content-Length` is that of its answer, but the connection closes
    /// after so many bytes of it, at the latest before the last one.
    Truncate {
        /// How many bytes come.
        bytes: usize,
    },
    /// The platform does what it was asked for. Status and headers are those of its answer; the body is not.
    Garbage {
        /// What comes in its place. Default: bytes that are neither JSON nor UTF-8.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// Every row of an activity log comes twice.
    DuplicateRows,
    /// The rows of an activity log come in the opposite order.
    ReorderRows,
    /// The row that a request wants to continue from is said to be gone.
    PrunedCursor,
    /// All tokens of the workspace are revoked and one is minted, just before the request is served: the provisioner
    /// does that. Nobody is told the new token; choose it, or have the administrator mint another.
    RotateToken {
        /// The new token: up to 256 letters, digits, `-` and `_`. It is not shown again. Default: a random one.
        #[serde(default, skip_serializing)]
        token: Option<Secret>,
    },
}

impl Fault {
    /// The names of all kinds, as they are spelled in JSON.
    pub const KINDS: [&'static str; 11] = [
        "latency",
        "answer",
        "drop_before",
        "drop_after",
        "half_close",
        "truncate",
        "garbage",
        "duplicate_rows",
        "reorder_rows",
        "pruned_cursor",
        "rotate_token",
    ];

    /// A wait before the request is served, in whole milliseconds.
    #[must_use]
    pub fn latency(wait: Duration) -> Self {
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self::Latency { ms }
    }

    /// An answer without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::answer(status, "")
    }

    /// An answer in place of the platform's.
    #[must_use]
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: BTreeMap::new(),
            body: body.into(),
        }
    }

    /// A 429 in the platform's own words. `retry_after` is in seconds; without it the answer does not say how long.
    #[must_use]
    pub fn rate_limited(retry_after: impl Into<Option<u32>>) -> Self {
        let seconds = retry_after.into().map(|seconds| seconds.to_string());
        let headers = seconds
            .into_iter()
            .map(|seconds| ("Retry-After".to_owned(), seconds));
        Self::Answer {
            status: 429,
            headers: headers.collect(),
            body: r#"{"error":"rate limit exceeded"}"#.to_owned(),
        }
    }

    /// A body that is neither JSON nor UTF-8.
    #[must_use]
    pub fn garbage() -> Self {
        Self::Garbage { body: None }
    }

    /// A rotation to a token that is known beforehand.
    #[must_use]
    pub fn rotate_token(token: impl Into<String>) -> Self {
        let token = Some(Secret::from(token.into()));
        Self::RotateToken { token }
    }

    /// Why this is no fault that can happen.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Answer { status, .. } if !(200..=599).contains(status) => {
                Some("a status is between 200 and 599")
            }
            Self::Answer { headers, .. } if !headers.iter().all(is_header) => {
                Some("a header has a name of a token's characters and a value of visible ones")
            }
            Self::RotateToken { token: Some(token) } if !is_token(token.expose()) => {
                Some("a token is up to 256 letters, digits, - and _")
            }
            _ => None,
        }
    }
}

fn is_header((name, value): (&String, &String)) -> bool {
    HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
}

fn is_token(text: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(is_usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_kinds_is_complete() {
        let error = serde_json::from_str::<Fault>(r#"{"kind":"?"}"#).unwrap_err();
        let known = Fault::KINDS.map(|kind| format!("`{kind}`")).join(", ");
        let text = error.to_string();
        assert!(text.contains(&format!("expected one of {known}")), "{text}");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let check = |fault: Fault, makes_sense: bool| {
            assert_eq!(fault.problem().is_none(), makes_sense, "{fault:?}");
        };
        check(Fault::status(99), false);
        check(Fault::status(199), false);
        check(Fault::status(600), false);
        check(Fault::status(503), true);
        check(Fault::rate_limited(30), true);
        check(Fault::rate_limited(None), true);
        check(Fault::rotate_token(""), false);
        check(Fault::rotate_token("a b"), false);
        check(Fault::rotate_token("a".repeat(257)), false);
        check(Fault::rotate_token("a-B_9"), true);
        let headers = BTreeMap::from([("X-A\r\n".to_owned(), "1".to_owned())]);
        let body = String::new();
        check(
            Fault::Answer {
                status: 503,
                headers,
                body,
            },
            false,
        );
    }

    #[test]
    fn a_chosen_token_is_not_shown_again() {
        let fault: Fault =
            serde_json::from_str(r#"{"kind":"rotate_token","token":"very-secret"}"#).unwrap();
        let shown = format!("{fault:?} {}", serde_json::to_string(&fault).unwrap());
        assert!(!shown.contains("very-secret"), "{shown}");
    }
}
