#![doc = include_str!("../README.md")]

mod account;
mod admin;
mod agent_loop;
mod agent_state;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod cadence;
mod call_peer;
mod caller;
mod client;
mod connect;
mod delegation;
mod delivery;
mod environment;
mod error;
mod events;
mod files;
mod fleet;
mod foreign;
mod handler;
mod inbound;
mod journal;
mod life;
mod patience;
mod peer;
mod peers;
#[cfg(doc)]
#[cfg_attr(
    not(feature = "plugins"),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "the page is about plugins as well"
    )
)]
#[doc = include_str!("../PARITY.md")]
pub mod parity {}
#[cfg(feature = "plugins")]
mod plugins;
#[cfg(feature = "push")]
mod push;
mod registration;
#[cfg(feature = "push")]
mod runtime;
#[cfg(feature = "push")]
pub mod stub;
mod suspension;
mod tokens;
mod vitals;
mod wake;

use std::time::{SystemTime, UNIX_EPOCH};

pub use account::{ChatPages, OldToken, Rotation};
pub use admin::AdminClient;
pub use agent_loop::AgentLoop;
pub use agent_state::{AgentState, AgentStatus};
pub use builder::{
    ClientBuilder, DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_POLL_INTERVAL, DEFAULT_STATE_POLL_INTERVAL,
    default_state_dir,
};
pub use cadence::Cadence;
pub use call_peer::{CallPeer, PeerMessage, PeerReply, Route};
pub use client::RemoteAgentClient;
pub use connect::Connect;
pub use delegation::{DelegateOptions, DelegationOutcome, DelegationWait, IdempotencyKey};
pub use delivery::{DeliveryError, InboundDelivery, Received};
pub use environment::{SecretEnv, UnfitReason, UnfitSecret, UnfitSecrets};
pub use error::{AgentError, ErrorKind};
pub use events::{EventNotice, EventStream, EventsMode, EventsState};
pub use fleet::{AgentOutcome, DEFAULT_RATE_LIMIT, Fleet, FleetAgent, FleetEvent};
pub use handler::{Handler, HandlerOutcome, blocking_handler};
pub use inbound::{
    Batch, Cursor, CursorSupport, FetchInbound, InboundLog, Item, PollDelivery, PollOptions, Since,
};
pub use journal::{DeadLetter, Journal};
pub use life::{HeartbeatLoop, StopReason, TaskReport};
pub use peer::{Peer, PeerEvents};
#[cfg(feature = "plugins")]
pub use plugins::{InstallRecorded, PluginInstall, PluginOptions, Progress};
#[cfg(feature = "push")]
pub use push::{PushDelivery, PushOptions};
pub use registration::{RegisterOptions, Registration};
#[cfg(feature = "push")]
pub use runtime::RuntimeOptions;
pub use tokens::TokenOrigin;

pub use molecule_a2a as a2a;
#[cfg(feature = "plugins")]
pub use molecule_plugin::{self as plugin, PluginName};
pub use molecule_protocol::endpoints::PeerInfo;
pub use molecule_protocol::{
    self as protocol, AgentCard, Delegation, DelegationId, EventKind, InboundMessage,
    PlatformEvent, PlatformUrl, Sender, WorkspaceId,
};
pub use molecule_token_store::{self as token_store, Token};
pub use molecule_transport as transport;
pub use tokio_util::sync::CancellationToken;

/// The original SDK's idempotency key for a task that is delegated now: see
/// [`protocol::make_idempotency_key`], which takes the time as an argument.
#[must_use]
pub fn make_idempotency_key(task: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the original function has no argument for the time"
    )]
    let now = SystemTime::now();
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    molecule_protocol::make_idempotency_key(task, seconds)
}
