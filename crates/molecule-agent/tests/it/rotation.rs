//! Replacing the token: wherever it ends, the one on disk is valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use molecule_agent::protocol::ApiError;
use molecule_agent::protocol::endpoints::WorkspaceState;
use molecule_agent::token_store::{TokenStore, TokenStoreError, Wait};
use molecule_agent::transport::testing::{Answer, ScriptedTransport, answer};
use molecule_agent::transport::{BoxFuture, Request, Transport as _};
use molecule_agent::{AgentError, ErrorKind, OldToken, RemoteAgentClient};
use serde_json::{Value, json};

use crate::world::{ParseToken as _, Trouble, World, shout};

fn stored(client: &RemoteAgentClient) -> String {
    let store = TokenStore::new(client.state_dir());
    store.load(Wait::No).unwrap().unwrap().expose().to_owned()
}

/// A client that was started anew is accepted with what is on disk.
async fn works_from_disk(world: &World, client: &RemoteAgentClient) -> WorkspaceState {
    let again = world.builder(client.workspace_id()).build().unwrap();
    again.poll_state().await.unwrap()
}

async fn valid_tokens(world: &World, client: &RemoteAgentClient) -> usize {
    let path = format!("/workspaces/{}/tokens", client.workspace_id());
    let listed = world.admin("GET", &path, Value::Null).await;
    listed["tokens"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn the_new_token_is_kept_and_the_old_one_revoked() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = stored(&client);
    let rotation = client.rotate_token().await.unwrap();
    assert!(
        matches!(rotation.old, OldToken::Revoked(_)),
        "{:?}",
        rotation.old
    );
    let new = stored(&client);
    assert_ne!(new, old);
    assert_eq!(rotation.prefix, new[..8]);
    assert!(!format!("{rotation:?}").contains(&new));
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 1);
    let with_old = world
        .builder(client.workspace_id())
        .token(old.parse_token())
        .build()
        .unwrap();
    let refused = with_old.poll_state().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Authentication);
}

#[tokio::test(start_paused = true)]
async fn loops_that_run_go_on_with_the_new_token() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let elsewhere = world.builder(id).build().unwrap();
    elsewhere.heartbeat(elsewhere.beat()).await.unwrap();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    client.rotate_token().await.unwrap();
    world.say(id, "m-1", "still there?").await;
    world.pass(120).await;
    assert_eq!(world.notifications(id).await, ["STILL THERE?"]);
    assert_eq!(world.status(id).await, "online");
    elsewhere.heartbeat(elsewhere.beat()).await.unwrap();
    agent.stop().await.unwrap();
}

/// How a rotation is cut off at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The process dies before the request is sent.
    Before,
    /// The process dies before it sees the answer.
    After,
}

/// What a test does to the requests of a rotation.
fn cut_off(world: &World, at: usize, cut: Cut) -> ScriptedTransport {
    let (network, count) = (world.network(), AtomicUsize::new(0));
    ScriptedTransport::new(move |request: Request| -> BoxFuture<'static, Answer> {
        let (network, number) = (network.clone(), count.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move {
            if number < at {
                return network.send(request).await;
            }
            if cut == Cut::After && number == at {
                network.send(request).await.unwrap();
            }
            std::future::pending().await
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_request_leaves_a_valid_token_on_disk() {
    for at in 0..4 {
        for cut in [Cut::Before, Cut::After] {
            let world = World::new();
            let client = world.registered("alpha").await;
            let dying = world
                .builder(client.workspace_id())
                .transport(cut_off(&world, at, cut))
                .build()
                .unwrap();
            let task = tokio::spawn(async move { dying.rotate_token().await.map(drop) });
            world.pass(5).await;
            assert!(!task.is_finished(), "{at} {cut:?} did not reach the cut");
            task.abort();
            let _ = task.await;
            assert!(!works_from_disk(&world, &client).await.deleted);
            client.rotate_token().await.unwrap();
            works_from_disk(&world, &client).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_at_any_request_leaves_a_valid_token_on_disk() {
    let troubles = [
        Trouble::Refused,
        Trouble::AnswerLost,
        Trouble::Status(500),
        Trouble::Status(401),
        Trouble::Status(404),
        Trouble::RateLimited(600),
    ];
    for at in 0..4 {
        for trouble in troubles {
            let world = World::new();
            let client = world.registered("alpha").await;
            let old = stored(&client);
            let count = AtomicUsize::new(0);
            world
                .trouble(move |_| (count.fetch_add(1, Ordering::Relaxed) >= at).then_some(trouble));
            let result = client.rotate_token().await;
            world.no_trouble();
            works_from_disk(&world, &client).await;
            let is_new = stored(&client) != old;
            assert_eq!(result.is_ok(), is_new, "{at} {trouble:?} {result:?}");
            assert_eq!(at == 3, is_new, "{at} {trouble:?} {result:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_token_that_is_not_accepted_is_given_up_for_the_old_one() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = stored(&client);
    world.trouble_at("/state", 1, Trouble::Status(401));
    let error = client.rotate_token().await.unwrap_err();
    assert!(
        matches!(error, AgentError::NotRotated { in_use: "old", .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(stored(&client), old);
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 1);
}

/// The agent's directory is gone for a while when the platform is asked for the state.
#[tokio::test(start_paused = true)]
async fn a_new_token_that_cannot_be_taken_back_is_not_revoked() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = stored(&client);
    let dir = client.state_dir().to_owned();
    let aside = dir.with_extension("aside");
    let (from, to) = (dir.clone(), aside.clone());
    world.trouble(move |request| {
        if !request.uri().path().ends_with("/state") {
            return None;
        }
        std::fs::rename(&from, &to).unwrap();
        std::fs::write(&from, "in the way").unwrap();
        Some(Trouble::Status(404))
    });
    let error = client.rotate_token().await.unwrap_err();
    assert!(
        matches!(error, AgentError::NotRotated { in_use: "new", .. }),
        "{error:?}"
    );
    world.no_trouble();
    std::fs::remove_file(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();
    assert_ne!(stored(&client), old);
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 2);
}

/// What another process does when a request passes whose method and end of the path are these.
async fn check_interrupted(
    at: (&'static str, &'static str),
    meanwhile: impl Fn(&std::path::Path) -> std::fs::File + Send + Sync + 'static,
    expect_in_use: &str,
    expect_valid: usize,
) {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = stored(&client);
    let file = TokenStore::new(client.state_dir()).path();
    let held = std::sync::Mutex::new(None);
    world.trouble(move |request| {
        let is_meant = request.method() == at.0 && request.uri().path().ends_with(at.1);
        if is_meant {
            *held.lock().unwrap() = Some(meanwhile(&file));
        }
        (is_meant && at.1 == "/state").then_some(Trouble::Status(404))
    });
    let impatient = world
        .builder(client.workspace_id())
        .token_lock_wait(Wait::No);
    let error = impatient.build().unwrap().rotate_token().await.unwrap_err();
    match &error {
        AgentError::NotRotated { in_use, .. } => assert_eq!(*in_use, expect_in_use, "{at:?}"),
        other => panic!("{at:?}: {other:?}"),
    }
    world.no_trouble();
    assert_eq!(stored(&client) == old, expect_in_use == "old", "{at:?}");
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, expect_valid, "{at:?}");
}

fn read_under_lock(file: &std::path::Path) -> std::fs::File {
    let file = std::fs::File::open(file).unwrap();
    file.lock_shared().unwrap();
    file
}

/// The file changes its state, so that it has to be read again.
fn touch_under_lock(file: &std::path::Path) -> std::fs::File {
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.lock().unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    file
}

#[tokio::test(start_paused = true)]
async fn a_token_file_that_others_hold_leaves_the_token_that_is_said_to_be_in_use() {
    let (create, verify) = (("POST", "/tokens"), ("GET", "/state"));
    check_interrupted(create, read_under_lock, "old", 1).await;
    // No token can be read for the call that would revoke the new one.
    check_interrupted(create, touch_under_lock, "old", 2).await;
    check_interrupted(verify, read_under_lock, "new", 2).await;
    check_interrupted(verify, touch_under_lock, "new", 2).await;
}

#[tokio::test(start_paused = true)]
async fn that_the_old_token_could_not_be_revoked_is_said() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = client.list_tokens().await.unwrap()[0].id;
    world.trouble_at(format!("/tokens/{old}"), 1, Trouble::Status(503));
    let rotation = client.rotate_token().await.unwrap();
    assert!(
        matches!(rotation.old, OldToken::NotRevoked { id, .. } if id == old),
        "{:?}",
        rotation.old
    );
    assert_eq!(valid_tokens(&world, &client).await, 2);
    client.revoke_token(old).await.unwrap();
    works_from_disk(&world, &client).await;
}

/// The platform lists tokens as if these were all.
fn listing(world: &World, tokens: Value) -> ScriptedTransport {
    let network = world.network();
    ScriptedTransport::new(move |request: Request| -> BoxFuture<'static, Answer> {
        let is_list = request.method() == "GET" && request.uri().path().ends_with("/tokens");
        if is_list {
            let body = json!({ "count": 0, "tokens": tokens }).to_string();
            return Box::pin(async move { Ok(answer(200, body)) });
        }
        let network = network.clone();
        Box::pin(async move { network.send(request).await })
    })
}

async fn check_left(tokens: impl FnOnce(&str) -> Value, expect: fn(&OldToken) -> bool) {
    let world = World::new();
    let client = world.registered("alpha").await;
    let prefix = stored(&client)[..8].to_owned();
    let rotating = world
        .builder(client.workspace_id())
        .transport(listing(&world, tokens(&prefix)))
        .build()
        .unwrap();
    let rotation = rotating.rotate_token().await.unwrap();
    assert!(expect(&rotation.old), "{:?}", rotation.old);
    let revoked = world
        .requests()
        .iter()
        .any(|line| line.starts_with("DELETE"));
    assert!(!revoked, "{:?}", world.requests());
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_token_that_cannot_be_told_from_others_is_left() {
    let ids = [
        "cb452130-12b7-424e-9fe8-110bcb68da07",
        "1018206f-b236-4c3e-affe-8c5e1a1f43a5",
    ];
    let row = |id: &str, prefix: &str| json!({"id": id, "prefix": prefix});
    check_left(
        |prefix| json!([row(ids[0], prefix), row(ids[1], prefix)]),
        |old| matches!(old, OldToken::Ambiguous(ids) if ids.len() == 2),
    )
    .await;
    check_left(
        |_| json!([row(ids[0], "another1"), row(ids[1], "")]),
        |old| matches!(old, OldToken::NotListed),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_somebody_else_replaced_stays() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let theirs = client.create_token().await.unwrap().expose().to_owned();
    let store = TokenStore::new(client.state_dir());
    let meanwhile = theirs.clone();
    world.trouble(move |request| {
        if request.method() == "POST" && request.uri().path().ends_with("/tokens") {
            store.save(&meanwhile.parse_token(), Wait::No).unwrap();
        }
        None
    });
    let error = client.rotate_token().await.unwrap_err();
    assert!(matches!(error, AgentError::TokenReplaced), "{error:?}");
    assert_eq!(stored(&client), theirs);
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 2, "ours is revoked");
}

#[tokio::test(start_paused = true)]
async fn two_rotations_at_once_do_not_cross() {
    let world = World::new();
    let client = Arc::new(world.registered("alpha").await);
    let (one, two) = tokio::join!(client.rotate_token(), client.rotate_token());
    assert!(matches!(one.unwrap().old, OldToken::Revoked(_)));
    assert!(matches!(two.unwrap().old, OldToken::Revoked(_)));
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 1);
}

#[tokio::test(start_paused = true)]
async fn clients_of_the_same_directory_rotate_one_after_the_other() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let first = stored(&client);
    let rotations: Vec<_> = (0..4)
        .map(|_| {
            let another = world.builder(client.workspace_id()).build().unwrap();
            tokio::spawn(async move { another.rotate_token().await })
        })
        .collect();
    for rotation in rotations {
        let rotation = rotation.await.unwrap().unwrap();
        assert!(matches!(rotation.old, OldToken::Revoked(_)), "{rotation:?}");
    }
    assert_ne!(stored(&client), first);
    works_from_disk(&world, &client).await;
    assert_eq!(valid_tokens(&world, &client).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_does_not_end_is_not_waited_for_without_end() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = stored(&client);
    let store = TokenStore::new(client.state_dir());
    let held = store.lock_rotation(Wait::No).unwrap();
    let error = client.rotate_token().await.unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::TokenStore(TokenStoreError::Rotating { .. })
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Temporary);
    assert_eq!(world.clock_seconds(), 60);
    assert_eq!(
        (stored(&client), valid_tokens(&world, &client).await),
        (old, 1)
    );
    drop(held);
    client.rotate_token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_from_elsewhere_is_not_rotated() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let file = world.disk().join("token");
    std::fs::write(&file, &token).unwrap();
    let given = world.builder(id).token(token.parse_token());
    let mounted = world.builder(id).token_file(&file);
    for builder in [given, mounted] {
        let error = builder.build().unwrap().rotate_token().await.unwrap_err();
        assert!(
            matches!(error, AgentError::TokenGivenElsewhere),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
    let nobodys = world.builder(id).build().unwrap();
    let error = nobodys.rotate_token().await.unwrap_err();
    assert!(matches!(error, AgentError::NoToken(_)), "{error:?}");
    assert!(world.requests().is_empty(), "{:?}", world.requests());
}

#[tokio::test(start_paused = true)]
async fn a_workspace_full_of_tokens_is_told_at_once() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let old = stored(&client);
    for _ in 1..50 {
        client.create_token().await.unwrap();
    }
    let (begin, path) = (
        world.clock_seconds(),
        format!("POST /workspaces/{}/tokens", client.workspace_id()),
    );
    let before = world.count(&path);
    let error = client.rotate_token().await.unwrap_err();
    assert!(
        matches!(error, AgentError::Api(ApiError::TokenLimit(_))),
        "{error:?}"
    );
    assert_eq!(world.count(&path) - before, 1);
    assert_eq!(world.clock_seconds(), begin);
    assert_eq!(stored(&client), old);
}
