//! Every endpoint as a value, in the order in which an agent's life needs them.

mod a2a;
pub(crate) mod a2a_refusal;
pub(crate) mod a2a_reply;
mod activity;
mod admin;
mod approvals;
mod attachments;
mod chat;
mod delegation;
mod delegation_refusal;
mod discover;
mod events;
mod memories;
mod notify;
mod peers;
mod plugin_download;
mod plugin_refusal;
mod plugins;
mod registry;
mod secrets;
mod state;
mod tokens;
mod workspace;

pub use a2a::SendMessage;
pub use a2a_refusal::A2aRefusal;
pub use a2a_reply::{A2aOutcome, A2aReply, Queued, RpcError};
pub use activity::{ActivityPage, ActivitySource, ListActivity};
pub use admin::{
    CreateWorkspace, CreatedWorkspace, DeleteWorkspace, ListWorkspaces, PauseWorkspace,
    ResumeWorkspace,
};
pub use approvals::{Approval, ApprovalStatus, ListApprovals, RequestApproval, RequestedApproval};
pub use attachments::{
    DownloadAttachment, DownloadedAttachment, InvalidAttachmentUri, UploadAttachment,
};
pub use chat::{ChatHistory, ChatMessage, ChatPage, ChatRole};
pub use delegation::{
    Delegate, Delegated, DelegationResult, ListDelegations, RecordDelegation, UpdateDelegation,
};
pub use delegation_refusal::DelegationRefusal;
pub use discover::{DiscoverPeer, DiscoveredPeer, Discovery};
pub use events::StreamEvents;
pub use memories::{
    AddMemory, AddedMemory, DeleteMemory, InvalidMemoryScope, ListMemories, Memory, MemoryQuery,
    MemoryScope, NewMemory,
};
pub use notify::{Attachment, Notify};
pub use peers::{ListPeers, PeerInfo};
pub use plugin_download::{DownloadPlugin, PluginArchive};
pub use plugin_refusal::PluginRefusal;
pub use plugins::{
    InstallRecord, ListPluginSources, ListPlugins, PluginInfo, PluginSources, RecordPluginInstall,
};
pub use registry::{
    Delivery, DeliveryMode, Heartbeat, Register, Registered, RuntimeCapabilities, RuntimeMetadata,
    UpdateCard,
};
pub use secrets::{ListSecrets, PullSecrets, SecretInfo};
pub use state::{PollState, WorkspaceState};
pub use tokens::{CreateToken, ListTokens, RevokeToken, TokenInfo};
pub use workspace::{GetWorkspace, Lookup, WorkspaceInfo};
