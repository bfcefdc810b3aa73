//! What goes wrong in a call, in the protocol's own numbers.

use serde_json::Value;

/// Why a call is refused. This is what goes over the wire, so nothing secret may stand in it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} ({})", .code.number())]
#[non_exhaustive]
pub struct A2aError {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What happened, for people.
    pub message: String,
    /// More about it. `None`: the member is left out.
    pub data: Option<Value>,
}

impl A2aError {
    /// An error in these words.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }
}

/// A code without words of its own says what it always says.
impl From<ErrorCode> for A2aError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.text())
    }
}

/// The errors of JSON-RPC and of A2A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The body is no JSON.
    Parse,
    /// The body is no JSON-RPC request.
    InvalidRequest,
    /// There is no such method.
    MethodNotFound,
    /// The method does not take these parameters.
    InvalidParams,
    /// The agent failed.
    Internal,
    /// There is no such task.
    TaskNotFound,
    /// The task is over already.
    TaskNotCancelable,
    /// The agent does not post to webhooks.
    PushNotSupported,
    /// The agent does not do this.
    UnsupportedOperation,
    /// The agent does not take this kind of content.
    ContentTypeNotSupported,
    /// The agent gave an answer that is none.
    InvalidAgentResponse,
    /// The agent has no extended card.
    NoExtendedCard,
    /// The call uses an extension that the agent insists on, or lacks it.
    ExtensionRequired,
    /// The call is in a version that the agent does not speak.
    VersionNotSupported,
    /// Another number, which a peer made up.
    Other(i64),
}

/// Number, name in version 1.0 and text of each code.
const CODES: &[(ErrorCode, i64, &str, &str)] = &[
    (ErrorCode::Parse, -32700, "PARSE_ERROR", "Parse error"),
    (
        ErrorCode::InvalidRequest,
        -32600,
        "INVALID_REQUEST",
        "Invalid request",
    ),
    (
        ErrorCode::MethodNotFound,
        -32601,
        "METHOD_NOT_FOUND",
        "Method not found",
    ),
    (
        ErrorCode::InvalidParams,
        -32602,
        "INVALID_PARAMS",
        "Invalid params",
    ),
    (
        ErrorCode::Internal,
        -32603,
        "INTERNAL_ERROR",
        "Internal error",
    ),
    (
        ErrorCode::TaskNotFound,
        -32001,
        "TASK_NOT_FOUND",
        "Task not found",
    ),
    (
        ErrorCode::TaskNotCancelable,
        -32002,
        "TASK_NOT_CANCELABLE",
        "Task cannot be canceled",
    ),
    (
        ErrorCode::PushNotSupported,
        -32003,
        "PUSH_NOTIFICATION_NOT_SUPPORTED",
        "Push notifications are not supported",
    ),
    (
        ErrorCode::UnsupportedOperation,
        -32004,
        "UNSUPPORTED_OPERATION",
        "This operation is not supported",
    ),
    (
        ErrorCode::ContentTypeNotSupported,
        -32005,
        "CONTENT_TYPE_NOT_SUPPORTED",
        "Content type not supported",
    ),
    (
        ErrorCode::InvalidAgentResponse,
        -32006,
        "INVALID_AGENT_RESPONSE",
        "Invalid agent response",
    ),
    (
        ErrorCode::NoExtendedCard,
        -32007,
        "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
        "The agent has no extended card",
    ),
    (
        ErrorCode::ExtensionRequired,
        -32008,
        "EXTENSION_SUPPORT_REQUIRED",
        "Extension support required",
    ),
    (
        ErrorCode::VersionNotSupported,
        -32009,
        "VERSION_NOT_SUPPORTED",
        "Version not supported",
    ),
];

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Other(number) => number,
            code => code.row().map_or(-32603, |row| row.1),
        }
    }

    /// What the number on the wire means.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        let known = CODES.iter().find(|row| row.1 == number);
        known.map_or(Self::Other(number), |row| row.0)
    }

    /// The name that version 1.0 gives as the `reason`.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        self.row().map(|row| row.2)
    }

    /// The usual text.
    #[must_use]
    pub fn text(self) -> &'static str {
        self.row().map_or("Error", |row| row.3)
    }

    fn row(self) -> Option<&'static (Self, i64, &'static str, &'static str)> {
        CODES.iter().find(|row| row.0 == self)
    }
}
