//! `plugin install` over HTTP, from a platform that serves a directory.

use std::fs;

use molecule_emulator::{DownloadFault, EmulatorConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{KEYS, MANIFEST, files, keys, noise};
use crate::support::{Agent, Ran, World};

/// The plugins of a platform.
struct Registry(TempDir);

impl Registry {
    fn new() -> Self {
        let registry = Self(tempfile::tempdir().unwrap());
        registry.put("plugin.yaml", MANIFEST);
        registry.put("rules/r.md", "be kind\n");
        registry
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.0.path().join("demo").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn serve(&self) -> World {
        World::with(EmulatorConfig::new().with_plugins_dir(self.0.path())).await
    }
}

fn installed(agent: &Agent<'_>) -> Vec<String> {
    files(&agent.dir().join("plugins/demo"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_the_platform_is_installed_beside_the_token() {
    let registry = Registry::new();
    let world = registry.serve().await;
    let agent = world.agent().await;
    let ran = agent.run(&["plugin", "install", "demo", "--json"]);
    let report = ran.json();
    assert_eq!(ran.stderr, "");
    assert_eq!(keys(&report), KEYS);
    let root = agent.dir().join("plugins/demo");
    assert_eq!(
        (&report["outcome"], &report["root"], &report["files"]),
        (&json!("installed"), &json!(root), &json!(2))
    );
    assert_eq!(installed(&agent), ["plugin.yaml", "rules/r.md"]);
    let listed = agent.run(&["plugin", "list", "--json"]).json();
    assert_eq!(listed["digest"], report["digest"]);
    let told = agent.run(&[
        "plugin",
        "install",
        "demo",
        "--source",
        "local://demo",
        "-v",
    ]);
    told.succeeds();
    assert!(
        told.stderr.contains("records no plugins"),
        "{}",
        told.stderr
    );
    let untold = agent.run(&["plugin", "install", "demo", "--no-report", "-v"]);
    assert!(
        !untold.stderr.contains("records no plugins"),
        "{}",
        untold.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_was_tampered_with_is_refused_and_the_old_version_stays() {
    let registry = Registry::new();
    let world = registry.serve().await;
    let agent = world.agent().await;
    agent.run(&["plugin", "install", "demo"]).succeeds();
    registry.put(
        "plugin.yaml",
        &format!("{MANIFEST}sha256: {}\n", "a".repeat(64)),
    );
    let ran = agent.run(&["plugin", "install", "demo", "--json"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(keys(&report), KEYS);
    assert_eq!(
        (
            &report["outcome"],
            &report["error"]["kind"],
            &report["expected_from"]
        ),
        (&json!("refused"), &json!("mismatch"), &json!("manifest"))
    );
    let kept = fs::read_to_string(agent.dir().join("plugins/demo/plugin.yaml")).unwrap();
    assert_eq!(kept, MANIFEST);
    agent.run(&["plugin", "install", "demo"]).fails(
        7,
        &["plugin demo was refused (mismatch)", "nothing was changed"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_sh_of_a_platform_sees_no_token() {
    let registry = Registry::new();
    registry.put("setup.sh", "env\n");
    let world = registry.serve().await;
    let agent = world.agent().await;
    let token = agent.token();
    let args = ["plugin", "install", "demo", "--setup", "always", "--json"];
    let program = agent
        .program(&args)
        .env("MOLECULE_WORKSPACE_TOKEN", token.expose());
    let report = program.run().json();
    assert_eq!(report["setup"]["outcome"], "succeeded", "{report}");
    let seen = report["setup"]["stdout"].as_str().unwrap();
    assert!(seen.contains("PATH="), "{seen}");
    assert!(
        !seen.contains("MOLECULE") && !seen.contains(token.expose()),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_does_not_give_is_not_installed() {
    let registry = Registry::new();
    let world = registry.serve().await;
    let agent = world.agent().await;
    agent
        .run(&["plugin", "install", "other"])
        .fails(2, &["no such plugin there"]);
    agent
        .run(&[
            "plugin",
            "install",
            "demo",
            "--source",
            "github://owner/demo#v1.0.0",
        ])
        .fails(75, &["plugin download answered 502"]);
    agent
        .program(&["plugin", "install", "demo"])
        .env("MOLECULE_PLATFORM_URL", "http://127.0.0.1:1")
        .env("MOLECULE_CALL_DEADLINE", "100ms")
        .run()
        .fails(4, &["127.0.0.1:1"]);
    agent
        .store()
        .remove(molecule_agent::token_store::Wait::No)
        .unwrap();
    agent
        .run(&["plugin", "install", "demo"])
        .fails(3, &["token"]);
    assert!(installed(&agent).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_damaged_is_not_installed() {
    let registry = Registry::new();
    registry.put("big", &noise(1 << 20));
    let world = registry.serve().await;
    let agent = world.agent().await;
    let install = |fault| {
        world.emulator.platform().set_download_fault(fault);
        agent.run(&["plugin", "install", "demo"])
    };
    install(DownloadFault::FlippedAt(100_000)).fails(7, &["plugin demo was refused"]);
    let cut = install(DownloadFault::CutAfter(100_000));
    cut.fails(4, &["the connection broke"]);
    assert!(installed(&agent).is_empty());
    check_small(&agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_leaves_nothing() {
    let registry = Registry::new();
    registry.put("big", &noise(1 << 20));
    let world = registry.serve().await;
    let agent = world.agent().await;
    let fault = DownloadFault::StallAfter(500_000);
    world.emulator.platform().set_download_fault(fault);
    let child = agent.program(&["plugin", "install", "demo"]).start();
    let dir = agent.dir().join("plugins");
    let at_work = async {
        // The program listens to signals before it makes the directory.
        while !dir.exists() {
            tokio::task::yield_now().await;
        }
    };
    let minute = std::time::Duration::from_secs(60);
    tokio::time::timeout(minute, at_work).await.unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).fails(1, &["the installation was cancelled"]);
    assert!(installed(&agent).is_empty());
    check_small(&agent);
}

/// What the store keeps for itself is small: nothing of a plugin is left.
#[track_caller]
fn check_small(agent: &Agent<'_>) {
    let dir = agent.dir().join("plugins");
    for file in files(&dir) {
        let size = fs::metadata(dir.join(&file)).unwrap().len();
        assert!(size < 1024, "{file} is left, with {size} bytes");
    }
}
