//! Every endpoint as a value, in the order in which an agent's life needs them.

mod a2a;
mod activity;
mod admin;
mod notify;
mod plugin_download;
mod plugin_refusal;
mod plugins;
mod registry;
mod secrets;
mod state;
mod workspace;

pub use a2a::{A2aOutcome, SendMessage};
pub use activity::{ActivityPage, ActivitySource, ListActivity};
pub use admin::{
    CreateWorkspace, CreatedWorkspace, DeleteWorkspace, ListWorkspaces, PauseWorkspace,
    ResumeWorkspace,
};
pub use notify::{Attachment, Notify};
pub use plugin_download::{DownloadPlugin, PluginArchive};
pub use plugin_refusal::PluginRefusal;
pub use plugins::{
    InstallRecord, ListPluginSources, ListPlugins, PluginInfo, PluginSources, RecordPluginInstall,
};
pub use registry::{Delivery, DeliveryMode, Heartbeat, Register, Registered, UpdateCard};
pub use secrets::{ListSecrets, PullSecrets, SecretInfo};
pub use state::{PollState, WorkspaceState};
pub use workspace::{GetWorkspace, Lookup, WorkspaceInfo};
