//! Reading requests the way the platform does.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use molecule_protocol::parse_json;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::reply::{Reply, bad_request};

/// The bearer of a request. The scheme is case-sensitive and followed by a space; anything else counts as missing.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(pub(crate) Option<String>);

impl Bearer {
    fn parse(header: &str) -> Self {
        let token = header
            .strip_prefix("Bearer ")
            .map(str::trim)
            .filter(|token| !token.is_empty());
        Self(token.map(str::to_owned))
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(bearer(&parts.headers))
    }
}

/// The text of a header.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The bearer among the headers of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Bearer {
    header(headers, AUTHORIZATION.as_str()).map_or(Bearer(None), Bearer::parse)
}

/// Query parameters by name.
pub(crate) type Params = HashMap<String, String>;

/// Reads the first JSON value of a body; what follows it is ignored, and so is the content type.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    let first = first_value(body).unwrap_or(body);
    parse_json(first).map_err(|_| bad_request("invalid request body"))
}

fn first_value(body: &[u8]) -> Option<&[u8]> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    body.get(..values.byte_offset())
}

/// For fields where `null` counts as given and only absence as missing.
pub(crate) fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(json).map(Some)
}

/// For fields where `null` means the type's zero value, as everywhere in Go.
pub(crate) fn or_zero<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(json).map(Option::unwrap_or_default)
}

/// A hyphenated UUID of any case.
pub(crate) fn parse_id(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// Whether the text is the one spelling under which tokens are kept: lower case, hyphenated.
pub(crate) fn is_canonical(text: &str) -> bool {
    parse_id(text).is_some_and(|id| id.to_string() == text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(header: &str, expect: Option<&str>) {
        assert_eq!(Bearer::parse(header).token(), expect, "{header:?}");
    }

    #[test]
    fn only_the_exact_scheme_followed_by_a_space_is_a_bearer() {
        check("Bearer abc", Some("abc"));
        check("Bearer   abc  ", Some("abc"));
        check("Bearer\tabc", None);
        check("bearer abc", None);
        check("BEARER abc", None);
        check("Token abc", None);
        check("abc", None);
        check("Bearer ", None);
    }

    #[test]
    fn the_first_value_of_a_body_counts() {
        let check = |body: &str, expect: Option<Value>| {
            assert_eq!(decode::<Value>(body.as_bytes()).ok(), expect, "{body}");
        };
        check(r#" {"a":1} and more"#, Some(json!({ "a": 1 })));
        check(r#"{"a":1}{"a":2}"#, Some(json!({ "a": 1 })));
        check("", None);
        check("{\"a\":", None);
        check("and more", None);
        // Depth that is hidden from the reader.
        check(r#"{"$serde_json::private::RawValue":"[1]"}"#, None);
    }

    #[test]
    fn an_id_is_canonical_only_in_lower_case() {
        assert!(is_canonical("36f9bb7d-8aba-4f88-a020-18434fa22c3b"));
        assert!(!is_canonical("36F9BB7D-8ABA-4F88-A020-18434FA22C3B"));
        assert!(parse_id("36f9bb7d8aba4f88a02018434fa22c3b").is_none());
    }
}
