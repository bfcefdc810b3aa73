//! The registry of plugins.

mod archive;
mod faults;
mod install;
mod refusals;

use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use molecule_emulator::EmulatorConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Call};
use crate::registry::{self, write};
use crate::world::{Workspace, World};

/// A platform with a registry of plugins, and a workspace.
struct Shop {
    world: World,
    plugins: TempDir,
    workspace: Workspace,
}

impl Shop {
    async fn open() -> Self {
        let plugins = TempDir::new().unwrap();
        let world = World::with(EmulatorConfig::new().with_plugins_dir(plugins.path())).await;
        let workspace = world.create("buyer").await;
        Self {
            world,
            plugins,
            workspace,
        }
    }

    /// With the plugin of the recordings that has a bit of everything.
    async fn with_demo() -> Self {
        let shop = Self::open().await;
        std::fs::create_dir(shop.folder("demo-plugin")).unwrap();
        registry::demo(&shop.folder("demo-plugin"));
        shop
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.plugins.path().join(name)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write(self.plugins.path(), path, content);
    }

    fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}/plugins{rest}", self.workspace.id)
    }

    fn get(&self, rest: &str) -> Call {
        self.world
            .get(&self.path(rest))
            .bearer(&self.workspace.token)
    }

    async fn download(&self, name: &str) -> Answer {
        self.get(&format!("/{name}/download")).send().await
    }

    async fn install(&self, body: &Value) -> Answer {
        let call = self.world.post(&self.path(""), body);
        call.bearer(&self.workspace.token).send().await
    }

    /// Checks what a download answers instead of an archive.
    #[track_caller]
    fn refused(&self, path: &str) -> impl Future<Output = (u16, Value)> {
        let call = self.get(path);
        async move { call.send().await.summary() }
    }
}

/// An entry of an archive, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    kind: u8,
    mode: u32,
    content: Vec<u8>,
}

impl Entry {
    fn new(name: &str, kind: u8, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            mode,
            content: content.into(),
        }
    }

    fn file(name: &str, content: &str) -> Self {
        Self::new(name, b'0', 0o644, content)
    }

    fn dir(name: &str) -> Self {
        Self::new(name, b'5', 0o755, "")
    }
}

fn tarball(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut bytes = Vec::new();
    GzDecoder::new(&answer.body[..])
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn entries(answer: &Answer) -> Vec<Entry> {
    let tarball = tarball(answer);
    let mut archive = tar::Archive::new(&tarball[..]);
    let mut entries = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        entries.push(Entry {
            name: String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
            kind: entry.header().entry_type().as_byte(),
            mode: entry.header().mode().unwrap(),
            content,
        });
    }
    entries
}

fn not_fetched(name: &str) -> Value {
    json!({ "error": "failed to fetch plugin from local", "source": format!("local://{name}") })
}

/// What random bytes do not do: become smaller.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(size).collect()
}
