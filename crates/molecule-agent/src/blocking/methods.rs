//! The methods that differ from those of the async client only in that they wait: one line each.

use std::collections::BTreeMap;
use std::path::Path;
#[cfg(feature = "plugins")]
use std::path::PathBuf;

use molecule_protocol::endpoints::{
    A2aOutcome, Attachment, Heartbeat, Lookup, SecretInfo, WorkspaceState,
};
#[cfg(feature = "plugins")]
use molecule_protocol::endpoints::{PluginInfo, PluginSources};
use molecule_protocol::{AgentCard, InboundMessage, Message, PlatformUrl, Secret, WorkspaceId};
use molecule_token_store::Token;
use tokio_util::sync::CancellationToken;

use super::RemoteAgentClient;
use crate::{
    AgentError, CursorSupport, FetchInbound, HeartbeatLoop, PollDelivery, PollOptions,
    RegisterOptions, Registration, StopReason,
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
        fn agent_card(&self) -> AgentCard;
        fn beat(&self) -> Heartbeat;
        async fn cursor_support(&self) -> Result<CursorSupport, AgentError>;
        async fn fetch_inbound(&self, query: &FetchInbound) -> Result<Vec<InboundMessage>, AgentError>;
        async fn heartbeat(&self, beat: Heartbeat) -> Result<(), AgentError>;
        #[cfg(feature = "plugins")]
        async fn install_plugin(&self, name: &PluginName, source: Option<&str>, options: PluginOptions) -> Result<PluginInstall, AgentError>;
        #[cfg(feature = "plugins")]
        async fn list_plugin_sources(&self) -> Result<PluginSources, AgentError>;
        #[cfg(feature = "plugins")]
        async fn list_plugins(&self, runtime: Option<&str>) -> Result<Vec<PluginInfo>, AgentError>;
        async fn list_secrets(&self) -> Result<Vec<SecretInfo>, AgentError>;
        async fn load_token(&self) -> Result<Option<Token>, AgentError>;
        async fn look(&self) -> Result<Lookup, AgentError>;
        async fn notify(&self, text: &str, attachments: &[Attachment]) -> Result<(), AgentError>;
        fn platform_url(&self) -> &PlatformUrl;
        #[cfg(feature = "plugins")]
        fn plugins_dir(&self) -> PathBuf;
        fn poll_delivery(&self, options: PollOptions) -> PollDelivery;
        async fn poll_state(&self) -> Result<WorkspaceState, AgentError>;
        async fn pull_secrets(&self) -> Result<BTreeMap<String, Secret>, AgentError>;
        async fn register(&self) -> Result<Registration, AgentError>;
        async fn register_with(&self, options: RegisterOptions) -> Result<Registration, AgentError>;
        async fn reply(&self, message: &InboundMessage, text: &str) -> Result<(), AgentError>;
        async fn run_heartbeat_loop(&self, options: HeartbeatLoop, cancel: &CancellationToken) -> Result<StopReason, AgentError>;
        async fn save_token(&self, token: Token) -> Result<(), AgentError>;
        async fn send_message(&self, target: WorkspaceId, message: Message) -> Result<A2aOutcome, AgentError>;
        fn state_dir(&self) -> &Path;
        async fn update_card(&self, card: AgentCard) -> Result<(), AgentError>;
        fn workspace_id(&self) -> WorkspaceId;
    }
}
