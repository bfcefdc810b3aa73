//! JSON-RPC 2.0 as far as A2A uses it: one request to a body, and no batches.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{A2aError, ErrorCode};

/// The longest id, in bytes as it is written: each event of a stream repeats it.
const MAX_ID: usize = 1024;

/// One request. Its parameters are not read yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RpcRequest<'a> {
    /// What the answer is known by. A notification, which has none, is answered like a request whose id is null.
    pub id: RpcId,
    /// What is asked for.
    pub method: Cow<'a, str>,
    /// What goes along, as it was written.
    pub params: Option<&'a RawValue>,
}

/// The id of a request: null, a number or a text. It is kept as it was written, so that the answer repeats it with its type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RpcId {
    /// There is none, or it could not be read.
    #[default]
    Null,
    /// It is this.
    Given(GivenId),
}

/// An id that is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenId(Box<str>);

impl RpcId {
    /// The id as JSON.
    #[must_use]
    pub fn as_json(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Given(GivenId(json)) => json,
        }
    }

    fn read(json: Option<&RawValue>) -> Result<Self, A2aError> {
        let Some(json) = json.map(RawValue::get) else {
            return Ok(Self::Null);
        };
        let is_scalar = matches!(json.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'));
        if !is_scalar {
            return Err(invalid("`id` must be a text, a number or null"));
        }
        if json.len() > MAX_ID {
            return Err(invalid("`id` is too long"));
        }
        Ok(Self::Given(GivenId(json.into())))
    }
}

/// The id that is this text.
impl From<&str> for RpcId {
    fn from(text: &str) -> Self {
        Self::Given(GivenId(serde_json::Value::from(text).to_string().into()))
    }
}

/// The id that is this number.
impl From<u64> for RpcId {
    fn from(number: u64) -> Self {
        Self::Given(GivenId(number.to_string().into()))
    }
}

/// Reads the body of a call. Members that JSON-RPC does not know are passed over. Nothing is built of the parameters, however deep
/// they are.
///
/// ```
/// use molecule_a2a::{ErrorCode, parse_request};
///
/// let request = parse_request(br#"{"jsonrpc":"2.0","id":7,"method":"tasks/get","params":{"id":"t"}}"#).unwrap();
/// assert_eq!((request.id.as_json(), &*request.method), ("7", "tasks/get"));
/// let (id, error) = parse_request(br#"{"jsonrpc":"1.0","id":7,"method":"x"}"#).unwrap_err();
/// assert_eq!((id.as_json(), error.code), ("7", ErrorCode::InvalidRequest));
/// ```
///
/// # Errors
/// What to answer, and under which id: [`ErrorCode::Parse`] if the body is no JSON, and [`ErrorCode::InvalidRequest`] if it is no
/// request.
pub fn parse_request(body: &[u8]) -> Result<RpcRequest<'_>, (RpcId, A2aError)> {
    let envelope = Envelope::read(body).map_err(|error| (RpcId::Null, error))?;
    let id = RpcId::read(envelope.id).map_err(|error| (RpcId::Null, error))?;
    match envelope.method() {
        Ok(method) => Ok(RpcRequest {
            id,
            method,
            params: envelope.params,
        }),
        Err(error) => Err((id, error)),
    }
}

/// A request whose members may be anything.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, A2aError> {
        let body = std::str::from_utf8(body).map_err(unparsable)?;
        // A struct would be read from a list too.
        if body.trim_ascii_start().starts_with('{') {
            serde_json::from_str(body).map_err(|error| no_request(body, &error))
        } else {
            Err(serde_json::from_str::<&RawValue>(body).map_or_else(unparsable, no_object))
        }
    }

    fn method(&self) -> Result<Cow<'a, str>, A2aError> {
        if self.jsonrpc.and_then(text).as_deref() != Some("2.0") {
            return Err(invalid("`jsonrpc` must be \"2.0\""));
        }
        let method = self.method.and_then(text);
        method.ok_or_else(|| invalid("`method` must be a text"))
    }
}

fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    let text: Text<'_> = serde_json::from_str(json.get()).ok()?;
    Some(text.0)
}

/// An object that is no request. What is wrong further behind does not make it JSON.
fn no_request(body: &str, error: &serde_json::Error) -> A2aError {
    match serde_json::from_str::<&RawValue>(body) {
        Ok(_) => invalid(&error.to_string()),
        Err(error) => unparsable(error),
    }
}

fn no_object(json: &RawValue) -> A2aError {
    if json.get().starts_with('[') {
        invalid("batches are not supported")
    } else {
        invalid("a request is an object")
    }
}

fn unparsable(error: impl fmt::Display) -> A2aError {
    A2aError::new(ErrorCode::Parse, format!("Parse error: {error}"))
}

fn invalid(why: &str) -> A2aError {
    A2aError::new(ErrorCode::InvalidRequest, format!("Invalid request: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: (&str, i64)) {
        let (id, error) = parse_request(body.as_bytes()).unwrap_err();
        assert_eq!((id.as_json(), error.code.number()), expect, "{body}");
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_no_request() {
        for body in [
            "",
            " ",
            "{",
            "[",
            "[1,",
            r#"{"jsonrpc":"2.0","#,
            r#"{"jsonrpc":"2.0","method":"x"} x"#,
            r#"{"id":1,"id":2,"method":"x""#,
            r#"[{"jsonrpc":"2.0"}"#,
        ] {
            check(body, ("null", -32700));
        }
        for body in [
            "[]",
            "7",
            "null",
            r#""x""#,
            "{}",
            r#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#,
        ] {
            check(body, ("null", -32600));
        }
        for member in ["method", "unknown"] {
            let before = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","{member}":""#);
            let not_utf8 = [before.as_bytes(), &[0xff], br#""}"#].concat();
            let (id, error) = parse_request(&not_utf8).unwrap_err();
            assert_eq!((id, error.code), (RpcId::Null, ErrorCode::Parse));
        }
    }

    #[test]
    fn a_refused_request_is_answered_under_its_id() {
        check(r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, ("1", -32600));
        check(r#"{"id":"a","method":"x"}"#, (r#""a""#, -32600));
        check(
            r#"{"jsonrpc":2.0,"id":-1.5,"method":"x"}"#,
            ("-1.5", -32600),
        );
        check(r#"{"jsonrpc":"2.0","id":1}"#, ("1", -32600));
        check(r#"{"jsonrpc":"2.0","id":1,"method":7}"#, ("1", -32600));
    }

    #[test]
    fn an_id_is_a_scalar_of_bounded_length() {
        let with_id = |id: &str| format!(r#"{{"jsonrpc":"2.0","method":"x","id":{id}}}"#);
        for id in ["{}", "[1]", "true", r#"{"bad":"type"}"#] {
            check(&with_id(id), ("null", -32600));
        }
        check(
            &with_id(&format!("\"{}\"", "x".repeat(1024))),
            ("null", -32600),
        );
        for id in ["null", "0", "-7", "1e3", r#""""#, r#""custom-id-123""#] {
            let body = with_id(id);
            let request = parse_request(body.as_bytes()).unwrap();
            assert_eq!(request.id.as_json(), id);
        }
    }

    #[test]
    fn escapes_and_unknown_members_do_not_hide_a_request() {
        let body = r#" {"jsonrpc":"2\u002e0","trace":[{}],"m\u0065thod":"tasks\/get"} "#;
        let request = parse_request(body.as_bytes()).unwrap();
        assert_eq!(request.method, "tasks/get");
        assert_eq!(request.id, RpcId::Null);
        assert!(request.params.is_none());
    }

    #[test]
    fn a_million_brackets_do_not_overflow_the_stack() {
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{deep},"y":{deep}}}"#);
        assert!(parse_request(body.as_bytes()).is_ok());
        check(&deep, ("null", -32600));
    }

    #[test]
    fn ids_are_made_of_texts_and_numbers() {
        assert_eq!(RpcId::from("a\"b").as_json(), r#""a\"b""#);
        assert_eq!(RpcId::from(7).as_json(), "7");
    }
}
