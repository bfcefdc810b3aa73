#![doc = include_str!("../README.md")]

mod activity;
mod agent_card;
mod base64;
mod delegation;
mod delegation_answer;
mod direct;
mod endpoint;
pub mod endpoints;
mod error;
mod event;
mod event_stream;
mod file_part;
mod idempotency;
mod ids;
mod json;
mod lenient;
mod message;
mod peer_url;
mod platform_url;
mod price;
mod rows;
mod secret;
mod status;
mod timestamp;
#[cfg(feature = "transcripts")]
pub mod transcripts;
mod words;

pub use activity::{ActivityRow, Inbound, InboundMessage, Sender, SkipReason};
pub use agent_card::{AgentCard, InvalidAgentCard};
pub use delegation::{Delegation, DelegationRow};
pub use delegation_answer::DelegationAnswer;
pub use direct::DirectMessage;
pub use endpoint::{Answer, Auth, Call, Endpoint};
pub use error::{ApiError, BodyError, Refusal};
pub use event::{EventKind, PlatformEvent};
pub use event_stream::{EventStreamParser, StreamEvent, StreamItem};
pub use file_part::FilePart;
pub use idempotency::{delegation_key, make_idempotency_key};
pub use ids::{ActivityId, DelegationId, InvalidId, TokenId, WorkspaceId};
pub use json::{JsonError, parse_json};
pub use message::{Message, Part, PartTag, Role};
pub use peer_url::{InvalidPeerUrl, PeerUrl};
pub use platform_url::{InvalidPlatformUrl, PlatformUrl};
pub use secret::Secret;
pub use status::{DelegationStatus, WorkspaceStatus};
pub use timestamp::{InvalidTimestamp, Timestamp};
