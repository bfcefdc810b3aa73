//! What the registry lists, and what a platform without containers answers to an installation.

use std::os::unix::fs::symlink;

use molecule_emulator::{ContainerSpec, EmulatorConfig, EmulatorError, Platform};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Shop, not_fetched};
use crate::client::{Answer, Call};
use crate::world::World;

#[tokio::test]
async fn the_list_is_open_and_shows_what_manifests_say_but_for_the_name() {
    let shop = Shop::with_demo().await;
    shop.write("another/plugin.yaml", "name: x\ndescription: [");
    shop.write("file-beside", "");
    symlink(shop.folder("another"), shop.folder("symlinked")).unwrap();
    let bare = |name: &str| {
        json!({
            "name": name, "version": "", "description": "", "author": "",
            "tags": null, "skills": null, "runtimes": null,
        })
    };
    let demo = json!({
        "name": "demo-plugin", "version": "1.2.3", "description": "Demo", "author": "me",
        "tags": ["demo"], "skills": ["hello"], "runtimes": ["claude_code", "langgraph"],
    });
    let list = |query: &str| shop.world.get(&format!("/plugins{query}")).send();
    let all = json!([bare("another"), demo]);
    assert_eq!(list("").await.summary(), (200, all.clone()));
    assert_eq!(list("?runtime=").await.json(), all);
    assert_eq!(list("?runtime=langgraph").await.json(), all);
    assert_eq!(
        list("?runtime=crewai").await.json(),
        json!([bare("another")])
    );
    let sources = json!({ "schemes": ["github", "local"] });
    assert_eq!(list("/sources").await.summary(), (200, sources));
}

#[tokio::test]
async fn what_is_available_depends_on_the_runtime_of_the_workspace() {
    let shop = Shop::with_demo().await;
    shop.write("for-all/plugin.yaml", "version: 1");
    let names = |answer: Answer| {
        let rows = answer.json();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(shop.get("/available").send().await), ["for-all"]);
    let container = ContainerSpec::new("inside", "http://127.0.0.1:9");
    let (id, token) = shop
        .world
        .platform
        .platform()
        .provision(&container)
        .unwrap();
    let path = format!("/workspaces/{id}/plugins/available");
    let available = shop.world.get(&path).bearer(&token).send().await;
    assert_eq!(names(available), ["demo-plugin", "for-all"]);
}

#[tokio::test]
async fn an_installation_checks_the_plugin_and_finds_no_container() {
    let shop = Shop::with_demo().await;
    let no_container = (503, json!({ "error": "workspace container not running" }));
    let source = |source: &str| json!({ "source": source });
    let buyer = &shop;
    let answer = |body: Value| async move { buyer.install(&body).await.summary() };
    assert_eq!(answer(source("local://demo-plugin")).await, no_container);
    assert_eq!(answer(source("demo-plugin")).await, no_container);
    let pinned = |digest: &str| json!({ "source": "local://demo-plugin", "sha256": digest });
    let digest = "2e114f7ef3b447f7749a6eea218808bc549d487ecaceecb9774409392e36e728";
    assert_eq!(answer(pinned(digest)).await, no_container);
    let zeros = "0".repeat(64);
    let mismatch = json!({
        "error": format!("sha256 mismatch: expected {zeros}, got {digest}"),
        "source": "local://demo-plugin",
    });
    assert_eq!(answer(pinned(&zeros)).await, (422, mismatch));
    let required = json!({
        "error": r#"'source' is required (e.g. "local://my-plugin" or "github://owner/repo")"#,
    });
    assert_eq!(answer(json!({})).await, (400, required));
    assert_eq!(answer(source("nope")).await, (404, not_fetched("nope")));
    let delete = Call::new(&shop.world.platform, "DELETE", &shop.path("/demo-plugin"));
    let delete = delete.bearer(&shop.workspace.token).send().await;
    assert_eq!(delete.summary(), no_container);
    let installed = shop.get("").send().await;
    assert_eq!(installed.summary(), (200, json!([])));
}

#[tokio::test]
async fn a_provisioned_row_has_no_container_to_install_into_either() {
    let shop = Shop::with_demo().await;
    let spec = ContainerSpec::new("inside", "http://127.0.0.1:9");
    let (id, token) = shop.world.platform.platform().provision(&spec).unwrap();
    let path = format!("/workspaces/{id}/plugins");
    let body = json!({ "source": "local://demo-plugin" });
    let answer = shop.world.post(&path, &body).bearer(&token).send().await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        shop.world.get(&path).bearer(&token).send().await.json(),
        json!([])
    );
}

#[tokio::test]
async fn the_body_of_an_installation_is_read_for_64_kib() {
    let shop = Shop::with_demo().await;
    let padded = |size: usize| {
        let body = r#"{"source":"demo-plugin","x":""#.to_owned();
        let padding = "x".repeat(size - body.len() - 2);
        format!(r#"{body}{padding}"}}"#)
    };
    for (size, status) in [(64 * 1024, 503), (64 * 1024 + 1, 400)] {
        let call = Call::new(&shop.world.platform, "POST", &shop.path(""));
        let call = call.bearer(&shop.workspace.token).body(padded(size));
        assert_eq!(call.send().await.status, status, "{size}");
    }
}

#[tokio::test]
async fn without_a_directory_the_registry_is_empty() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    assert_eq!(
        world.get("/plugins").send().await.summary(),
        (200, json!([]))
    );
    let path = format!("/workspaces/{}/plugins/p/download", workspace.id);
    let answer = world.get(&path).bearer(&workspace.token).send().await;
    assert_eq!(answer.summary(), (404, not_fetched("p")));
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [dir.path().join("nowhere"), file] {
        let config = EmulatorConfig::new().with_plugins_dir(&path);
        let error = Platform::new(config).unwrap_err();
        assert!(matches!(error, EmulatorError::ReadPlugins { .. }));
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}
