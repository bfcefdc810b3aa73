//! The methods that differ from those of the async client only in that they wait: one line each.

use std::collections::BTreeMap;
use std::path::Path;
#[cfg(feature = "plugins")]
use std::path::PathBuf;
use std::time::Duration;

use molecule_protocol::endpoints::{
    A2aReply, AddedMemory, Approval, Attachment, ChatPage, Delegated, DelegationResult, Discovery,
    DownloadedAttachment, Heartbeat, Lookup, Memory, MemoryQuery, NewMemory, PeerInfo,
    RequestedApproval, SecretInfo, TokenInfo, WorkspaceState,
};
#[cfg(feature = "plugins")]
use molecule_protocol::endpoints::{PluginInfo, PluginSources};
use molecule_protocol::{
    ActivityId, AgentCard, Delegation, DelegationId, InboundMessage, Message, PeerUrl, PlatformUrl,
    Secret, Timestamp, TokenId, WorkspaceId,
};
use molecule_token_store::Token;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::RemoteAgentClient;
use crate::{
    AgentError, AgentStatus, CallPeer, CursorSupport, DelegateOptions, DelegationOutcome,
    DelegationWait, EventsState, FetchInbound, HeartbeatLoop, Journal, PeerMessage, PeerReply,
    PollDelivery, PollOptions, RegisterOptions, Registration, Rotation, SecretEnv, StopReason,
};
#[cfg(feature = "plugins")]
use crate::{PluginInstall, PluginName, PluginOptions};

/// Makes a method of each line. `async fn` stands for one that waits; its output has to be a `Result`.
macro_rules! mirror {
    () => {};
    ($(#[$attribute:meta])* async fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $output:ty; $($rest:tt)*) => {
        $(#[$attribute])*
        #[doc = concat!("As [`", stringify!($name), "`](crate::RemoteAgentClient::", stringify!($name), "), and waits for its end.")]
        ///
        /// # Errors
        /// As there; [`AgentError::InsideRuntime`] from inside an async runtime.
        pub fn $name(&self $(, $argument: $type)*) -> $output {
            self.wait(self.client.$name($($argument),*))
        }
        mirror! { $($rest)* }
    };
    ($(#[$attribute:meta])* fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $output:ty; $($rest:tt)*) => {
        $(#[$attribute])*
        #[doc = concat!("The same as [`", stringify!($name), "`](crate::RemoteAgentClient::", stringify!($name), ").")]
        #[must_use]
        pub fn $name(&self $(, $argument: $type)*) -> $output {
            self.client.$name($($argument),*)
        }
        mirror! { $($rest)* }
    };
}

/// Sorted by name. A test compares the lines with the async client.
#[rustfmt::skip]
impl RemoteAgentClient {
    mirror! {
        async fn add_memory(&self, memory: NewMemory) -> Result<AddedMemory, AgentError>;
        fn agent_card(&self) -> AgentCard;
        fn beat(&self) -> Heartbeat;
        async fn call_peer(&self, target: WorkspaceId, message: impl Into<PeerMessage>, options: CallPeer) -> Result<PeerReply, AgentError>;
        async fn chat_history(&self, limit: Option<u32>, before: Option<Timestamp>) -> Result<ChatPage, AgentError>;
        async fn create_token(&self) -> Result<Token, AgentError>;
        async fn cursor_support(&self) -> Result<CursorSupport, AgentError>;
        async fn delegate(&self, target: WorkspaceId, task: &str, options: &DelegateOptions) -> Result<Delegated, AgentError>;
        async fn delegations(&self) -> Result<Vec<Delegation>, AgentError>;
        async fn delete_memory(&self, memory_id: &str) -> Result<(), AgentError>;
        async fn discover_peer(&self, target: WorkspaceId) -> Result<Option<PeerUrl>, AgentError>;
        async fn download_attachment(&self, uri: &str) -> Result<DownloadedAttachment, AgentError>;
        fn events_state(&self) -> EventsState;
        async fn fetch_inbound(&self, query: &FetchInbound) -> Result<Vec<InboundMessage>, AgentError>;
        async fn find_inbound(&self, id: ActivityId) -> Result<Option<InboundMessage>, AgentError>;
        async fn find_peers_with_capability(&self, capability: &str) -> Result<Vec<PeerInfo>, AgentError>;
        async fn find_peers_with_skill(&self, skill: &str) -> Result<Vec<PeerInfo>, AgentError>;
        async fn get_peers(&self) -> Result<Vec<PeerInfo>, AgentError>;
        async fn heartbeat(&self, beat: Heartbeat) -> Result<(), AgentError>;
        #[cfg(feature = "plugins")]
        async fn install_plugin(&self, name: &PluginName, source: Option<&str>, options: PluginOptions) -> Result<PluginInstall, AgentError>;
        #[cfg(feature = "plugins")]
        async fn list_plugin_sources(&self) -> Result<PluginSources, AgentError>;
        #[cfg(feature = "plugins")]
        async fn list_plugins(&self, runtime: Option<&str>) -> Result<Vec<PluginInfo>, AgentError>;
        fn journal(&self) -> Journal;
        async fn list_approvals(&self) -> Result<Vec<Approval>, AgentError>;
        async fn list_memories(&self, query: MemoryQuery) -> Result<Vec<Memory>, AgentError>;
        async fn list_secrets(&self) -> Result<Vec<SecretInfo>, AgentError>;
        async fn list_tokens(&self) -> Result<Vec<TokenInfo>, AgentError>;
        async fn load_token(&self) -> Result<Option<Token>, AgentError>;
        async fn look(&self) -> Result<Lookup, AgentError>;
        async fn look_up_peer(&self, target: WorkspaceId) -> Result<Discovery, AgentError>;
        async fn notify(&self, text: &str, attachments: &[Attachment]) -> Result<(), AgentError>;
        fn platform_url(&self) -> &PlatformUrl;
        #[cfg(feature = "plugins")]
        fn plugins_dir(&self) -> PathBuf;
        fn poll_delivery(&self, options: PollOptions) -> PollDelivery;
        async fn poll_state(&self) -> Result<WorkspaceState, AgentError>;
        async fn pull_secrets(&self) -> Result<BTreeMap<String, Secret>, AgentError>;
        async fn record_delegation(&self, id: DelegationId, target: WorkspaceId, task: &str) -> Result<(), AgentError>;
        async fn register(&self) -> Result<Registration, AgentError>;
        async fn register_with(&self, options: RegisterOptions) -> Result<Registration, AgentError>;
        async fn reply(&self, message: &InboundMessage, text: &str) -> Result<(), AgentError>;
        async fn request_approval(&self, action: &str, reason: Option<&str>) -> Result<RequestedApproval, AgentError>;
        async fn revoke_token(&self, id: TokenId) -> Result<(), AgentError>;
        async fn rotate_token(&self) -> Result<Rotation, AgentError>;
        async fn run_heartbeat_loop(&self, options: HeartbeatLoop, cancel: &CancellationToken) -> Result<StopReason, AgentError>;
        async fn save_token(&self, token: Token) -> Result<(), AgentError>;
        async fn search_peers(&self, text: &str) -> Result<Vec<PeerInfo>, AgentError>;
        async fn secret_env(&self) -> Result<SecretEnv, AgentError>;
        async fn send_message(&self, target: WorkspaceId, message: Message) -> Result<A2aReply, AgentError>;
        fn state_dir(&self) -> &Path;
        async fn update_card(&self, card: AgentCard) -> Result<(), AgentError>;
        async fn update_delegation(&self, id: DelegationId, result: DelegationResult) -> Result<(), AgentError>;
        async fn upload_attachment(&self, name: &str, mime_type: Option<&str>, content: Vec<u8>) -> Result<Attachment, AgentError>;
        async fn wait_approval(&self, approval_id: &str, patience: Duration) -> Result<Approval, AgentError>;
        async fn wait_delegation(&self, id: DelegationId, options: DelegationWait, cancel: &CancellationToken) -> Result<DelegationOutcome, AgentError>;
        fn watch_status(&self) -> watch::Receiver<AgentStatus>;
        fn workspace_id(&self) -> WorkspaceId;
    }
}
