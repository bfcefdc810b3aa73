//! Why there is no answer to a call.

use http::StatusCode;
use molecule_protocol::JsonError;
use molecule_transport::{Target, TransportError};

use crate::A2aError;

/// Why a call to an agent failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no usable answer, or it broke off.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The answer has a status that no agent gives, and no reason.
    #[error("{target}: answered {status}; is there an A2A agent at this address?")]
    Status {
        /// The call.
        target: Target,
        /// The status.
        status: StatusCode,
    },
    /// The agent refuses the call.
    #[error(transparent)]
    Refused(#[from] A2aError),
    /// The answer, or an event of it, makes no sense.
    #[error("{target}: the answer cannot be read; does the agent speak another version of A2A?")]
    Unreadable {
        /// The call.
        target: Target,
        /// What is wrong with it.
        #[source]
        source: JsonError,
    },
    /// An event, or an answer in place of a stream, exceeds the limit.
    #[error("{target}: the agent said more than {limit} bytes at once")]
    TooLarge {
        /// The call.
        target: Target,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The agent's card names no address for JSON-RPC in a version that is spoken here.
    #[error("the card of this agent offers no JSON-RPC in version 0.3 or 1.0 of A2A")]
    NoInterface,
    /// The address of the agent is not whole.
    #[error("the address of an agent has to be an absolute http or https url")]
    NotAbsolute,
}

impl ClientError {
    /// Whether the call certainly never reached the agent, so that making it again cannot do its work twice. `false` means that
    /// nobody knows.
    #[must_use]
    pub fn surely_not_delivered(&self) -> bool {
        matches!(self, Self::Transport(error) if error.surely_not_delivered())
    }
}
