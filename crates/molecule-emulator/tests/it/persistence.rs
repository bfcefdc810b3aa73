//! The state file.

use std::path::{Path, PathBuf};

use molecule_emulator::{Emulator, EmulatorConfig, EmulatorError};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{World, texts};

fn config(file: &Path) -> EmulatorConfig {
    EmulatorConfig::new()
        .with_admin_token("admin")
        .with_state_file(file)
}

fn file_in(directory: &TempDir) -> PathBuf {
    directory.path().join("state.json")
}

#[tokio::test]
async fn a_platform_remembers_everything_across_a_stop() {
    let directory = TempDir::new().unwrap();
    let file = file_in(&directory);
    let world = World::with(config(&file)).await;
    let poller = world.poller("poller").await;
    world.say(&poller, "remember me").await;
    let secret = json!({ "key": "K", "value": "v" });
    let path = format!("/workspaces/{}/secrets", poller.id);
    world
        .post(&path, &secret)
        .bearer(&poller.token)
        .send()
        .await;
    world.platform.stop().await.unwrap();

    let world = World::with(config(&file)).await;
    assert_eq!(world.beat(&poller).await.status, 200);
    assert_eq!(
        texts(&world.activity(&poller, "").await.json()),
        ["remember me"]
    );
    let values = world
        .get(&format!("{path}/values"))
        .bearer(&poller.token)
        .send()
        .await;
    assert_eq!(values.json(), json!({ "K": "v" }));
}

#[tokio::test]
async fn a_platform_that_crashed_remembers_what_was_saved() {
    let directory = TempDir::new().unwrap();
    let file = file_in(&directory);
    let world = World::with(config(&file)).await;
    let workspace = world.create("survivor").await;
    while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&workspace.id)) {
        tokio::task::yield_now().await;
    }
    world.platform.kill().await;

    let world = World::with(config(&file)).await;
    assert_eq!(world.status(&workspace).await, "awaiting_agent");
    assert_eq!(world.register(&workspace, &json!({})).await.status, 200);
}

#[tokio::test]
async fn the_file_holds_no_token_and_only_its_owner_can_read_it() {
    let directory = TempDir::new().unwrap();
    let file = file_in(&directory);
    let world = World::with(config(&file)).await;
    let workspace = world.poller("w").await;
    world.platform.stop().await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&workspace.id) && !text.contains(&workspace.token));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

async fn check(content: &str, expect: fn(&EmulatorError) -> bool) {
    let directory = TempDir::new().unwrap();
    let file = file_in(&directory);
    std::fs::write(&file, content).unwrap();
    let error = Emulator::start(config(&file)).await.unwrap_err();
    assert!(expect(&error), "{error:?}");
    assert!(error.to_string().contains("state.json"), "{error}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        content,
        "the file is left alone"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_understood_is_an_error_and_is_left_alone() {
    check("not json", |error| {
        matches!(error, EmulatorError::DamagedState { .. })
    })
    .await;
    check("", |error| {
        matches!(error, EmulatorError::DamagedState { .. })
    })
    .await;
    check(r#"{"schema":1}"#, |error| {
        matches!(error, EmulatorError::DamagedState { .. })
    })
    .await;
    let newer = r#"{"schema":2,"state":{"unheard":"of"}}"#;
    check(newer, |error| {
        matches!(
            error,
            EmulatorError::NewerState {
                found: 2,
                known: 1,
                ..
            }
        )
    })
    .await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_of_the_stop() {
    let file = Path::new("/nowhere/at/all/state.json");
    let emulator = Emulator::start(config(file)).await.unwrap();
    let error = emulator.stop().await.unwrap_err();
    assert!(
        matches!(error, EmulatorError::WriteState { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let world = World::start().await;
    let taken = EmulatorConfig::new().with_listen(world.platform.address());
    let error = Emulator::start(taken).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&world.platform.address().to_string()),
        "{error}"
    );
}
