//! `plugin install` over HTTP that a signal cuts short: what was done is said for certain.

use std::fs;
use std::path::Path;

use molecule_emulator::EmulatorConfig;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{KEYS, MANIFEST, keys};
use crate::support::{Ran, World};

/// A platform's directory with a plugin that sets itself up for ever, once it has said that it runs.
fn never_set_up(plugins: &Path) {
    let root = plugins.join("demo");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("plugin.yaml"), MANIFEST).unwrap();
    fs::write(root.join("setup.sh"), "echo on >running\nsleep 100000\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_setup_sh_runs_stops_it_and_reports_what_is_installed() {
    for signal in [Signal::INT, Signal::TERM] {
        let registry = tempfile::tempdir().unwrap();
        never_set_up(registry.path());
        let world = World::with(EmulatorConfig::new().with_plugins_dir(registry.path())).await;
        let agent = world.agent().await;
        let args = ["plugin", "install", "demo", "--setup", "always", "--json"];
        let child = agent.program(&args).start();
        let root = agent.dir().join("plugins/demo");
        let running = async {
            while !root.join("running").exists() {
                tokio::task::yield_now().await;
            }
        };
        let minute = std::time::Duration::from_secs(60);
        tokio::time::timeout(minute, running).await.unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!(ran.code, 1, "{ran:?}");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(keys(&report), KEYS);
        let said = (&report["outcome"], &report["root"], &report["setup"]);
        assert_eq!((said.0, said.1), (&json!("installed"), &json!(root)));
        assert_eq!(said.2["outcome"], "cancelled", "{report}");
        assert!(
            ran.stderr.contains("install the plugin again"),
            "{}",
            ran.stderr
        );
    }
}
