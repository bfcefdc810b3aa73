//! Plugins from the local platform and from hostile ones, over real HTTP and onto a real disk.

mod archives;
mod cancelling;
mod flag;
mod hostile;
mod installing;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use molecule_agent::plugin::{InstallOptions, PluginStore, SetupPolicy, Wait};
use molecule_agent::transport::ReqwestTransport;
use molecule_agent::{
    AgentError, ClientBuilder, PluginInstall, PluginName, PluginOptions, RemoteAgentClient,
};
use tempfile::TempDir;

use crate::world::ParseToken as _;

pub(crate) const TOKEN: &str = "tok-Secret123";
const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

/// An agent of a platform, and its disk.
pub(crate) struct Agent {
    pub(crate) client: RemoteAgentClient,
    disk: TempDir,
}

impl Agent {
    pub(crate) fn new(url: &str) -> Self {
        Self::with(url, ID, |builder| builder.token(TOKEN.parse_token()))
    }

    pub(crate) fn with(
        url: &str,
        id: &str,
        configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let disk = tempfile::tempdir().unwrap();
        // Reading the system's certificates is what takes time, and nothing here is https.
        let transport = ReqwestTransport::builder().with_system_roots(false);
        let builder = RemoteAgentClient::builder(id.parse().unwrap(), url.parse().unwrap())
            .state_dir(disk.path().join("state"))
            .transport(transport.build().unwrap());
        let client = configure(builder).build().unwrap();
        Self { client, disk }
    }

    pub(crate) async fn install(
        &self,
        options: PluginOptions,
    ) -> Result<PluginInstall, AgentError> {
        self.client.install_plugin(&demo(), None, options).await
    }

    /// Everything on the disk but what the store keeps for itself: paths, and the contents of files.
    pub(crate) fn plugins(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        collect(&self.client.plugins_dir(), "", &mut all);
        all
    }

    /// Whether there is no byte of an archive on the whole disk, and nobody works on the plugin any more.
    pub(crate) fn nothing_is_left(&self) -> bool {
        // Looked at first, because opening the store collects what a crash left.
        let bytes = weight(self.disk.path());
        let store = PluginStore::open(self.client.plugins_dir()).unwrap();
        drop(store.lock(&demo(), Wait::No).unwrap());
        self.plugins().is_empty() && bytes == 0
    }
}

pub(crate) fn demo() -> PluginName {
    "demo".parse().unwrap()
}

/// Installs without waiting for the disk or for others.
pub(crate) fn quick() -> PluginOptions {
    let install = InstallOptions::new()
        .with_wait(Wait::No)
        .with_durability(molecule_agent::plugin::Durability::Unsynced);
    PluginOptions::new().with_install(install)
}

pub(crate) fn always(options: PluginOptions) -> PluginOptions {
    options.with_setup(SetupPolicy::Always)
}

fn collect(dir: &Path, prefix: &str, all: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if prefix.is_empty() && name.starts_with('.') {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), all);
        } else {
            let content = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            all.insert(path, content);
        }
    }
}

/// Bytes of all files below.
fn weight(path: &Path) -> u64 {
    let metadata = fs::symlink_metadata(path).unwrap();
    if !metadata.is_dir() {
        return metadata.len();
    }
    let below = fs::read_dir(path).unwrap();
    below.map(|entry| weight(&entry.unwrap().path())).sum()
}
