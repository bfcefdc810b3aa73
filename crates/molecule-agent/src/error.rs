//! What can go wrong, and what kind of trouble it is.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::StatusCode;
use molecule_a2a::ClientError;
#[cfg(feature = "plugins")]
use molecule_plugin::{PluginError, PluginErrorKind};
use molecule_protocol::endpoints::{A2aRefusal, InvalidAttachmentUri, PluginRefusal};
use molecule_protocol::{ApiError, DelegationId, WorkspaceId};
use molecule_token_store::{InvalidToken, TokenStoreError};
use molecule_transport::{BoxError, TransportError};

use crate::{TokenOrigin, UnfitSecrets};

/// Why a call or a loop of the agent failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The platform refused, or answered something else than it documents.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// There is no usable answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The token file cannot be used.
    #[error(transparent)]
    TokenStore(#[from] TokenStoreError),
    /// The platform issued a text that is no token.
    #[error("the platform issued an unusable token")]
    InvalidToken(#[from] InvalidToken),
    /// There is no token, and the platform gives out none because the workspace has one already.
    #[error(
        "workspace {0} has a token on the platform, but none is stored here; \
         store it with `token set`, or have an administrator mint another"
    )]
    NoToken(WorkspaceId),
    /// The workspace exists, but the platform does not accept the token.
    #[error("the platform does not accept the token for workspace {workspace_id}: {}", origin.rejected())]
    TokenRejected {
        /// Whose token it should be.
        workspace_id: WorkspaceId,
        /// Where the token comes from.
        origin: Box<TokenOrigin>,
        /// What the platform said.
        #[source]
        source: ApiError,
    },
    /// The platform knows no such workspace. Registering it would create one.
    #[error(
        "the platform knows no workspace {0}; check the id, or create it with `workspace create`"
    )]
    UnknownWorkspace(WorkspaceId),
    /// The workspace was deleted.
    #[error(
        "workspace {0} was deleted, or never was on this platform; check the id, or create another with `workspace create`"
    )]
    Deleted(WorkspaceId),
    /// The workspace is paused, and registering would un-pause it.
    #[error("workspace {0} is paused by its user; resume it there, or insist with --resume")]
    Paused(WorkspaceId),
    /// The platform has no poll mode.
    #[error(
        "this platform cannot be polled for messages (it is of the generation before poll mode); \
         give the agent an address that the platform can reach (--reported-url), or use a newer platform"
    )]
    PollModeUnsupported {
        /// What the platform said, where it said it to a registration.
        #[source]
        source: Option<ApiError>,
    },
    /// Messages are pushed elsewhere, so that there is nothing to poll for.
    #[error(
        "messages to this agent are pushed to the address it reports, so that polling would find none; \
         leave out the reported url, or run the heartbeat loop alone"
    )]
    PushedElsewhere,
    /// What delivers messages failed, other than by talking to the platform; made by [`AgentError::delivery`].
    #[error("messages cannot be delivered to the agent")]
    Delivery(#[source] BoxError),
    /// What delivers messages has no more of them.
    #[error(
        "the delivery of messages ended, so that none would reach the agent any more; start what delivers them, and the agent, anew"
    )]
    DeliveryEnded,
    /// An agent of a fleet cannot be set up; made by [`AgentError::setup`].
    #[error("the agent cannot be set up")]
    Setup(#[source] BoxError),
    /// A fleet was given two agents of one workspace, which would both answer each message.
    #[error("workspace {0} was added to the fleet before; add each workspace once")]
    TwiceInFleet(WorkspaceId),
    /// The platform does not accept the agent's address.
    #[error(
        "the platform refused the address {url:?}: it takes http(s) addresses that resolve from the platform \
         and, except localhost, are not private"
    )]
    UrlRefused {
        /// The address.
        url: String,
        /// What the platform said.
        #[source]
        source: ApiError,
    },
    /// The platform takes neither the agent's address nor an agent that polls.
    #[error(
        "the platform refused the address {url:?}, and it cannot be polled for messages either (it is of the generation before poll \
         mode); report an http(s) address that resolves from the platform and, except localhost, is not private, or use a newer platform"
    )]
    NoWayIn {
        /// The address.
        url: String,
        /// What the platform said.
        #[source]
        source: ApiError,
    },
    /// The platform called, and the call did not arrive.
    #[error(
        "the platform's calls to {url:?} do not arrive{}; check what leads from there to the agent: a tunnel, a proxy, a firewall",
        reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    NotReached {
        /// The address that was reported.
        url: String,
        /// What the platform says about it.
        reason: Option<String>,
    },
    /// The agent listens, but does not get through to itself.
    #[error("nothing answers at {address}, where the agent listens; is a firewall in the way?")]
    NotAnswering {
        /// The address.
        address: SocketAddr,
        /// What failed, unless the answer was wrong.
        #[source]
        source: Option<TransportError>,
    },
    /// The peer cannot be called at an address of its own.
    #[error(
        "workspace {0} has no address of its own that can be called; platforms pass on messages (`call_peer`), and neither streams nor \
         questions about tasks"
    )]
    NotDirect(WorkspaceId),
    /// A call of a peer at its own address failed.
    #[error(transparent)]
    Peer(#[from] ClientError),
    /// The server that is called failed.
    #[cfg(feature = "push")]
    #[error(transparent)]
    Server(#[from] molecule_a2a::ServerError),
    /// A message whose sender cannot be answered.
    #[error("cannot answer {0:?}: it is neither the canvas user nor a workspace")]
    UnknownSender(String),
    /// The message is larger than the platform takes.
    #[error(
        "the message has {bytes} bytes, and the platform takes {limit}; send less of it, or where it is to be found"
    )]
    MessageTooLarge {
        /// Its size as it would be sent.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The connection failed when the peer may have had the message already.
    #[error(
        "nobody knows whether workspace {target} has the message {message_id}; ask it before sending that again, and \
         then under the same id"
    )]
    DeliveryUnknown {
        /// Who it was sent to.
        target: WorkspaceId,
        /// The message.
        message_id: String,
        /// What failed.
        #[source]
        source: TransportError,
    },
    /// A file of the agent's own directory cannot be read or written.
    #[error("cannot {action} {}; check the disk, the directory's owner and the file, which may be removed", path.display())]
    State {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The journal cannot be read or written now.
    #[error(
        "cannot {action} the journal {}; no message is taken before that works; make room on the disk, or check the directory's \
         owner", path.display()
    )]
    Journal {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else has the journal open.
    #[error(
        "the journal {} is open in another process: is another agent running for this workspace?", path.display()
    )]
    JournalInUse {
        /// The file.
        path: PathBuf,
    },
    /// What is in the journal's file is not what an agent wrote there.
    #[error(
        "the journal {} is damaged; restore it from a copy, or move it aside: the messages that wait in it are not handled then", path.display()
    )]
    JournalDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The journal was written by a later version.
    #[error(
        "the journal {} was written by a later version (its schema is {found}, and this version knows {known}); use that version, or \
         move the file aside: the messages that wait in it are not handled then", path.display()
    )]
    JournalNewer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u64,
        /// The latest schema that this version knows.
        known: u64,
    },
    /// The key of a delegation cannot be kept on disk, without which it might be done twice.
    #[error(
        "cannot {action} {} to keep the key of a delegation, and nothing was sent; check the disk and the directory's owner, \
         or choose a key yourself", path.display()
    )]
    DelegationJournal {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The platform may have taken the same task before, under a key that cannot be read any more.
    #[error(
        "{} should hold the key of an earlier delegation of this task, and is damaged; nothing was sent; see with \
         `delegations` whether the platform took that one, and remove the file", path.display()
    )]
    DamagedDelegationKey {
        /// The file.
        path: PathBuf,
    },
    /// The key was used before, for a delegation to another workspace.
    #[error(
        "the key stands for delegation {id}, whose target is {target}; nothing was delegated now; use another key"
    )]
    DelegationKeyTaken {
        /// Which delegation.
        id: DelegationId,
        /// Its target.
        target: WorkspaceId,
    },
    /// No directory for the agent's files is known.
    #[error("there is no home directory to keep the token in; name one with --state-dir")]
    NoHome,
    /// An option has a value that cannot be used.
    #[error("{option} cannot be {value:?}: {reason}")]
    Option {
        /// Which option.
        option: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// The token does not come from the agent's directory, so that a new one could not take its place for good.
    #[error(
        "the token is given from elsewhere (the environment, a descriptor, another file or the program), from where the old one \
         would come back; have a new one issued with `token create --out`, put it there, and revoke the old one"
    )]
    TokenGivenElsewhere,
    /// Somebody else replaced the token while it was being rotated. Theirs is in use.
    #[error(
        "another process replaced the token meanwhile, and its token is in use; rotate it again if that one has to go too"
    )]
    TokenReplaced,
    /// The new token could not be kept or verified. No token was revoked that is in use.
    #[error(
        "the token was not rotated: the {in_use} one is in use; both may be valid, which `token list` shows"
    )]
    NotRotated {
        /// Which token is on disk: `old`, or `new` where the old one could not be put back, or the file not be read.
        in_use: &'static str,
        /// What went wrong.
        #[source]
        source: Box<AgentError>,
    },
    /// Nobody decided in time.
    #[error(
        "nobody decided on the approval {approval_id:?} in time; wait longer, or ask whoever has to decide"
    )]
    Undecided {
        /// By what it was requested.
        approval_id: String,
        /// The last failure to ask, where that failed.
        #[source]
        source: Option<Box<AgentError>>,
    },
    /// The platform does not list such a request for approval.
    #[error(
        "the platform lists no approval {0:?} for this workspace; `approvals list` shows the newest 50"
    )]
    UnknownApproval(String),
    /// The platform keeps no files for this agent.
    #[error(
        "this platform keeps no files for an agent outside of it; put the file where its reader can fetch it, \
         and send its address, as in `notify --attach URI`"
    )]
    NoAttachments {
        /// What the platform said.
        #[source]
        source: ApiError,
    },
    /// An address is none of a file that the platform keeps for this workspace.
    #[error(transparent)]
    AttachmentUri(#[from] InvalidAttachmentUri),
    /// Secrets that cannot be environment variables.
    #[error(transparent)]
    UnfitSecrets(#[from] UnfitSecrets),
    /// The plugin was not installed.
    #[cfg(feature = "plugins")]
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The archive of a plugin is larger than what is taken.
    #[cfg(feature = "plugins")]
    #[error(
        "the archive of plugin {name} is larger than {limit} bytes, the most that is taken; nothing was changed"
    )]
    PluginTooLarge {
        /// Which plugin.
        name: molecule_plugin::PluginName,
        /// The limit in bytes.
        limit: u64,
    },
    /// The platform sent another plugin than the one it was asked for.
    #[cfg(feature = "plugins")]
    #[error(
        "the platform sent the plugin {sent:?} when it was asked for {asked}; nothing was changed; \
         check the source, and ask for the plugin under its own name"
    )]
    OtherPlugin {
        /// Which plugin it was asked for.
        asked: molecule_plugin::PluginName,
        /// The name of the one it sent.
        sent: String,
    },
    /// The caller cancelled before the platform answered to the record of a plugin that is installed.
    #[cfg(feature = "plugins")]
    #[error(
        "cancelled before the platform said whether it recorded the installation; install the plugin again to tell it anew"
    )]
    RecordCancelled,
    /// A call of the blocking client from inside an async runtime.
    #[cfg(feature = "blocking")]
    #[error(
        "a blocking call from inside an async runtime would stall it; use the async client there, or make the call on a thread of its own"
    )]
    InsideRuntime,
    /// The blocking client has no runtime.
    #[cfg(feature = "blocking")]
    #[error(
        "cannot start a runtime for the blocking client; check the limit of threads and open files"
    )]
    Runtime(#[source] std::io::Error),
    /// A part of the agent stopped unexpectedly.
    #[error("the agent's {0} task stopped unexpectedly; this is a bug, please report it")]
    TaskFailed(&'static str),
}

/// What kind of trouble it is: what callers branch on, and what exit codes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request or an option is wrong.
    Usage,
    /// The token is missing or not accepted.
    Authentication,
    /// No answer from the platform.
    Unreachable,
    /// The workspace is no more.
    Deleted,
    /// The workspace is paused.
    Paused,
    /// The platform lacks what is needed.
    Unsupported,
    /// What arrived, or what is on disk, is not what it should be, and was refused.
    Integrity,
    /// It may work later.
    Temporary,
    /// Anything else.
    Unexpected,
}

impl AgentError {
    /// An error of an [`InboundDelivery`](crate::InboundDelivery) of one's own.
    #[must_use]
    pub fn delivery(error: impl Into<BoxError>) -> Self {
        Self::Delivery(error.into())
    }

    /// An error of what sets up an agent of a [`Fleet`](crate::Fleet).
    #[must_use]
    pub fn setup(error: impl Into<BoxError>) -> Self {
        Self::Setup(error.into())
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Api(error) => api_kind(error),
            Self::Transport(error) => transport_kind(error),
            Self::TokenStore(
                TokenStoreError::Contended { .. } | TokenStoreError::Rotating { .. },
            ) => ErrorKind::Temporary,
            Self::TokenStore(_) | Self::NoToken(_) | Self::TokenRejected { .. } => {
                ErrorKind::Authentication
            }
            Self::UnknownWorkspace(_) | Self::UrlRefused { .. } | Self::UnknownSender(_) => {
                ErrorKind::Usage
            }
            Self::NoHome
            | Self::Option { .. }
            | Self::PushedElsewhere
            | Self::TwiceInFleet(_)
            | Self::DelegationKeyTaken { .. } => ErrorKind::Usage,
            Self::DelegationJournal { source, .. }
                if source.kind() == std::io::ErrorKind::WouldBlock =>
            {
                ErrorKind::Temporary
            }
            Self::DelegationJournal { .. } | Self::DamagedDelegationKey { .. } => {
                ErrorKind::Unexpected
            }
            Self::Journal { .. } | Self::JournalInUse { .. } => ErrorKind::Temporary,
            Self::JournalDamaged { .. } => ErrorKind::Integrity,
            Self::JournalNewer { .. } => ErrorKind::Usage,
            Self::TokenGivenElsewhere | Self::UnknownApproval(_) | Self::Setup(_) => {
                ErrorKind::Usage
            }
            Self::AttachmentUri(_) | Self::UnfitSecrets(_) => ErrorKind::Usage,
            Self::TokenReplaced | Self::Undecided { .. } => ErrorKind::Temporary,
            Self::NotRotated { source, .. } => source.kind(),
            Self::NoAttachments { .. } => ErrorKind::Unsupported,
            Self::MessageTooLarge { .. } => ErrorKind::Usage,
            Self::DeliveryUnknown { .. } => ErrorKind::Unreachable,
            Self::Deleted(_) => ErrorKind::Deleted,
            Self::Paused(_) => ErrorKind::Paused,
            Self::PollModeUnsupported { .. } | Self::NoWayIn { .. } => ErrorKind::Unsupported,
            Self::NotReached { .. } => ErrorKind::Temporary,
            Self::NotAnswering { .. } => ErrorKind::Unexpected,
            #[cfg(feature = "push")]
            Self::Server(molecule_a2a::ServerError::Bind { .. }) => ErrorKind::Usage,
            #[cfg(feature = "push")]
            Self::Server(_) => ErrorKind::Unexpected,
            Self::NotDirect(_) => ErrorKind::Unsupported,
            Self::Peer(error) => peer_kind(error),
            #[cfg(feature = "plugins")]
            Self::Plugin(error) => plugin_kind(error),
            #[cfg(feature = "plugins")]
            Self::PluginTooLarge { .. } | Self::OtherPlugin { .. } => ErrorKind::Integrity,
            #[cfg(feature = "plugins")]
            Self::RecordCancelled => ErrorKind::Unexpected,
            Self::State { source, .. } if is_full(source) => ErrorKind::Temporary,
            Self::State { .. } | Self::InvalidToken(_) | Self::TaskFailed(_) => {
                ErrorKind::Unexpected
            }
            Self::Delivery(_) | Self::DeliveryEnded => ErrorKind::Unexpected,
            #[cfg(feature = "blocking")]
            Self::InsideRuntime => ErrorKind::Usage,
            #[cfg(feature = "blocking")]
            Self::Runtime(_) => ErrorKind::Unexpected,
        }
    }

    /// Whether trying again later, with the same arguments, may work.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Temporary | ErrorKind::Unreachable | ErrorKind::Authentication
        )
    }

    /// Whether the request surely had no effect: it never arrived, or the platform refused it.
    #[must_use]
    pub fn surely_without_effect(&self) -> bool {
        match self {
            Self::Transport(error) => error.surely_not_delivered(),
            Self::Api(ApiError::A2a(_, reason)) => reason.surely_not_delivered(),
            Self::Peer(error) => error.surely_not_delivered(),
            Self::Api(error) => error.status().is_client_error(),
            Self::NotRotated { .. } | Self::TokenReplaced => false,
            Self::DeliveryUnknown { .. } => false,
            #[cfg(feature = "plugins")]
            Self::RecordCancelled => false,
            _ => true,
        }
    }
}

fn peer_kind(error: &ClientError) -> ErrorKind {
    match error {
        ClientError::Transport(error) => transport_kind(error),
        ClientError::NoInterface => ErrorKind::Unsupported,
        ClientError::Status { status, .. } if status.is_server_error() => ErrorKind::Temporary,
        _ => ErrorKind::Unexpected,
    }
}

#[cfg(feature = "plugins")]
fn plugin_kind(error: &PluginError) -> ErrorKind {
    match error.kind() {
        PluginErrorKind::Usage => ErrorKind::Usage,
        PluginErrorKind::Integrity => ErrorKind::Integrity,
        PluginErrorKind::Busy => ErrorKind::Temporary,
        PluginErrorKind::Source => ErrorKind::Unreachable,
        _ => ErrorKind::Unexpected,
    }
}

fn refusal_kind(reason: &PluginRefusal) -> ErrorKind {
    match reason {
        PluginRefusal::Damaged => ErrorKind::Integrity,
        PluginRefusal::SourceFailed | PluginRefusal::SourceTimedOut => ErrorKind::Temporary,
        _ => ErrorKind::Usage,
    }
}

/// What a peer's own refusal means is between the two; but a failure of its may pass.
fn a2a_kind(reason: &A2aRefusal, status: StatusCode) -> ErrorKind {
    match reason {
        A2aRefusal::AccessDenied
        | A2aRefusal::InvalidCaller
        | A2aRefusal::UnknownTarget
        | A2aRefusal::BudgetExceeded
        | A2aRefusal::InvalidMessage => ErrorKind::Usage,
        A2aRefusal::ByAgent { .. }
            if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS =>
        {
            ErrorKind::Unexpected
        }
        // Sending it again would make it two.
        A2aRefusal::AnswerLost {
            delivery_confirmed: Some(true),
        } => ErrorKind::Unexpected,
        A2aRefusal::AnswerLost { .. } => ErrorKind::Unreachable,
        _ => ErrorKind::Temporary,
    }
}

/// Nothing can be written until somebody makes room.
fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge
    )
}

fn api_kind(error: &ApiError) -> ErrorKind {
    match error {
        ApiError::Plugin(_, reason) => refusal_kind(reason),
        ApiError::A2a(refusal, reason) => a2a_kind(reason, refusal.status),
        ApiError::Unauthorized(_) => ErrorKind::Authentication,
        ApiError::Unsupported(_) => ErrorKind::Unsupported,
        ApiError::RateLimited(_) | ApiError::Unavailable(_) => ErrorKind::Temporary,
        ApiError::NoSuchRoute(_)
        | ApiError::Malformed { .. }
        | ApiError::TooDear { .. }
        | ApiError::OriginRefused(_) => ErrorKind::Unreachable,
        ApiError::Forbidden(_)
        | ApiError::NotFound(_)
        | ApiError::Delegation(..)
        | ApiError::TokenLimit(_)
        | ApiError::Rejected(_)
        | ApiError::Gone(_)
        | ApiError::BudgetExceeded(_) => ErrorKind::Usage,
        _ => ErrorKind::Unexpected,
    }
}

fn transport_kind(error: &TransportError) -> ErrorKind {
    use molecule_transport::ErrorKind as Kind;
    if matches!(error, TransportError::Token { .. }) {
        return ErrorKind::Authentication;
    }
    match error.kind() {
        Kind::Throttled => ErrorKind::Temporary,
        Kind::Credentials | Kind::Configuration => ErrorKind::Usage,
        _ => ErrorKind::Unreachable,
    }
}
