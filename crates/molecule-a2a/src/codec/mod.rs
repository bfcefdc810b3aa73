//! The two wires: version 0.3 and version 1.0 of the protocol, both of them JSON-RPC.
//!
//! Most objects are alike in both; [`read`] and [`write`] have them once, over a [`wire::Wire`] that knows the words. What differs
//! stands in [`v03`] and [`v10`].

mod answer;
mod method;
mod read;
#[cfg(test)]
mod tests;
mod v03;
mod v10;
mod version;
mod wire;
mod write;

use serde_json::value::RawValue;

pub use answer::AnswerError;
pub use version::{Version, version_of};

use self::answer::answer;
use self::method::Method;
use self::v03::V03;
use self::v10::V10;
use self::write::{As, ErrorObject, call, response};
use crate::{A2aError, Call, CallResult, ErrorCode, Event, RpcId, Task};

/// What a server reads and writes.
impl Version {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`ErrorCode::MethodNotFound`] if this version has no such method, and [`ErrorCode::InvalidParams`] if the method does not
    /// take these parameters.
    pub fn decode_call(self, method: &str, params: Option<&RawValue>) -> Result<Call, A2aError> {
        let method = Method::named(self, method).ok_or(ErrorCode::MethodNotFound)?;
        match self {
            Self::V0_3 => v03::decode_call(method, params),
            Self::V1_0 => v10::decode_call(method, params),
        }
    }

    /// The whole answer to a call.
    #[must_use]
    pub fn encode_result(self, id: &RpcId, result: &CallResult) -> Vec<u8> {
        match self {
            Self::V0_3 => response(id, "result", &As::<V03, _>::new(result)),
            Self::V1_0 => response(id, "result", &As::<V10, _>::new(result)),
        }
    }

    /// The whole answer to a call that is refused. Version 1.0 says the reason once more, as `google.rpc.ErrorInfo`.
    #[must_use]
    pub fn encode_error(self, id: &RpcId, error: &A2aError) -> Vec<u8> {
        match self {
            Self::V0_3 => response(id, "error", &ErrorObject::plain(error)),
            Self::V1_0 => response(id, "error", &ErrorObject::with_info(error)),
        }
    }

    /// The data of one event in the stream that answers a call.
    #[must_use]
    pub fn encode_event(self, id: &RpcId, event: &Event) -> Vec<u8> {
        match self {
            Self::V0_3 => response(id, "result", &As::<V03, _>::new(event)),
            Self::V1_0 => response(id, "result", &As::<V10, _>::new(event)),
        }
    }

    /// What a webhook is told: in version 0.3 the task as it is now, in version 1.0 the event.
    #[must_use]
    pub fn encode_notification(self, task: &Task, event: &Event) -> Vec<u8> {
        match self {
            Self::V0_3 => write::json(&As::<V03, _>::new(task)),
            Self::V1_0 => write::json(&As::<V10, _>::new(event)),
        }
    }
}

/// What a client writes and reads.
impl Version {
    /// The whole call.
    ///
    /// # Errors
    /// [`ErrorCode::MethodNotFound`] if this version has no such call.
    pub fn encode_call(self, id: &RpcId, asked: &Call) -> Result<Vec<u8>, A2aError> {
        let method = Method::of(asked);
        let name = method.name(self).ok_or(ErrorCode::MethodNotFound)?;
        Ok(match self {
            Self::V0_3 => call(id, name, &As::<V03, _>::new(asked)),
            Self::V1_0 => call(id, name, &As::<V10, _>::new(asked)),
        })
    }

    /// Reads the answer to a call that is not answered with a stream. Its id is not looked at.
    ///
    /// # Errors
    /// [`AnswerError::Refused`] if the peer refuses, and [`AnswerError::Unreadable`] if the answer makes no sense.
    pub fn decode_result(self, asked: &Call, body: &[u8]) -> Result<CallResult, AnswerError> {
        let (method, result) = (Method::of(asked), answer(body)?);
        let result = match self {
            Self::V0_3 => read::result::<V03>(method, result),
            Self::V1_0 => read::result::<V10>(method, result),
        };
        Ok(result?)
    }

    /// Reads the data of one event in a stream.
    ///
    /// # Errors
    /// As [`decode_result`](Self::decode_result).
    pub fn decode_event(self, data: &[u8]) -> Result<Event, AnswerError> {
        let event = answer(data)?;
        let event = match self {
            Self::V0_3 => v03::event(event),
            Self::V1_0 => v10::event(event),
        };
        Ok(event?)
    }

    /// Reads what came to a webhook. The official SDK of version 1.0 posts in that version's shape for either.
    ///
    /// # Errors
    /// [`AnswerError::Unreadable`] if it makes no sense.
    pub fn decode_notification(self, body: &[u8]) -> Result<Event, AnswerError> {
        let event = molecule_protocol::parse_json(body)?;
        let event = match self {
            Self::V0_3 => v03::event(event),
            Self::V1_0 => v10::event(event),
        };
        Ok(event?)
    }
}
