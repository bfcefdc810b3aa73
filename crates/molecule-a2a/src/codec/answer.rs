//! What a peer answers, as far as JSON-RPC goes.

use molecule_protocol::{JsonError, parse_json};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::present;
use crate::{A2aError, ErrorCode};

/// Why there is no result in an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The peer refuses.
    #[error(transparent)]
    Refused(#[from] A2aError),
    /// The answer makes no sense.
    #[error("the answer cannot be read; does the peer speak this version of A2A?")]
    Unreadable(#[from] JsonError),
}

impl From<serde_json::Error> for AnswerError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "some_raw")]
    result: Option<&'a RawValue>,
    error: Option<ErrorFields>,
}

#[derive(Deserialize)]
struct ErrorFields {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default, deserialize_with = "present")]
    data: Option<Value>,
}

/// A result that is null is there all the same.
fn some_raw<'de: 'a, 'a, D: Deserializer<'de>>(d: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(d).map(Some)
}

/// The result of an answer. All of the body has been checked for its depth and its price then.
pub(super) fn answer(body: &[u8]) -> Result<&RawValue, AnswerError> {
    let envelope: Envelope<'_> = parse_json(body)?;
    if let Some(error) = envelope.error {
        return Err(A2aError {
            code: ErrorCode::from_number(error.code),
            message: error.message,
            data: error.data,
        }
        .into());
    }
    let result = envelope.result;
    Ok(result.ok_or_else(|| serde_json::Error::custom("neither a result nor an error"))?)
}
