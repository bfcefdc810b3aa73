//! The platform of the first generation, which has no poll mode: all else works.

use std::time::Duration;

use molecule_agent::{
    AgentError, CallPeer, CancellationToken, Connect, DelegateOptions, DelegationOutcome,
    DelegationWait, ErrorKind, HeartbeatLoop, OldToken, Route, StopReason,
};
use serde_json::{Value, json};

use crate::peer_server::{PeerServer, says};
use crate::world::{World, shout};

#[tokio::test(start_paused = true)]
async fn connecting_without_an_address_is_refused_and_leaves_no_trace() {
    let world = World::generation_a();
    let client = world.client("alpha").await;
    let path = format!("/workspaces/{}", client.workspace_id());
    let before = world.admin("GET", &path, Value::Null).await;
    let error = client
        .connect(shout, Connect::new(), &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AgentError::PollModeUnsupported { .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(world.admin("GET", &path, Value::Null).await, before);
    assert_eq!(world.count("POST /registry/heartbeat"), 0);
    let peer = world.pushed("peer", "http://localhost:9101").await;
    let seen = peer.get_peers().await.unwrap();
    assert_eq!(
        (
            seen[0].url.as_deref().unwrap_or_default(),
            &seen[0].agent_card
        ),
        ("", &None)
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_an_address_stays_online_until_it_is_paused() {
    let world = World::generation_a();
    let client = world.pushed("alpha", "http://localhost:9101").await;
    let id = client.workspace_id();
    let running = client.clone();
    let task = tokio::spawn(async move {
        let never = CancellationToken::new();
        running
            .run_heartbeat_loop(HeartbeatLoop::new(), &never)
            .await
    });
    for _ in 0..20 {
        world.pass(30).await;
        world.platform.sweep();
        assert_eq!(world.status(id).await, "online");
    }
    world
        .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
        .await;
    assert_eq!(task.await.unwrap().unwrap(), StopReason::Paused);
    assert_eq!(world.status(id).await, "paused");
}

#[tokio::test(start_paused = true)]
async fn secrets_notifications_and_tokens_work_as_on_the_later_platform() {
    let world = World::generation_a();
    let client = world.pushed("alpha", "http://localhost:9101").await;
    let id = client.workspace_id();
    let secret = json!({"key": "API_KEY", "value": "s3cr3t"});
    world
        .admin("POST", &format!("/workspaces/{id}/secrets"), secret)
        .await;
    let secrets = client.pull_secrets().await.unwrap();
    assert_eq!(secrets["API_KEY"].expose(), "s3cr3t");

    client.notify("here I am", &[]).await.unwrap();
    assert_eq!(world.notifications(id).await, ["here I am"]);

    let extra = client.create_token().await.unwrap();
    let listed = client.list_tokens().await.unwrap();
    assert_eq!(listed.len(), 2);
    let extra = listed.iter().find(|one| one.may_be(extra.expose()));
    client.revoke_token(extra.unwrap().id).await.unwrap();
    let rotation = client.rotate_token().await.unwrap();
    assert!(matches!(rotation.old, OldToken::Revoked(_)), "{rotation:?}");
    client.heartbeat(client.beat()).await.unwrap();
    assert_eq!(client.list_tokens().await.unwrap().len(), 1);
}

#[tokio::test]
async fn peers_are_found_called_and_delegated_to() {
    let world = World::generation_a();
    let server = PeerServer::start(says("hello")).await;
    let client = world.pushed("alpha", "http://localhost:9101").await;
    let peer = world
        .pushed("peer", &server.named_url())
        .await
        .workspace_id();
    let listed = client.get_peers().await.unwrap();
    assert_eq!(
        (listed[0].id, listed[0].url.as_deref()),
        (peer, Some(server.named_url().as_str()))
    );
    let reply = client.call_peer(peer, "hi", CallPeer::new()).await.unwrap();
    assert_eq!(
        (reply.route, reply.text().as_deref()),
        (Route::Proxy, Some("hello"))
    );
    let options = DelegateOptions::new();
    let delegated = client.delegate(peer, "greet", &options).await.unwrap();
    let wait = DelegationWait::new().with_interval(Duration::from_millis(5));
    let never = CancellationToken::new();
    let outcome = client
        .wait_delegation(delegated.delegation_id, wait, &never)
        .await
        .unwrap();
    match outcome {
        DelegationOutcome::Completed { text, .. } => assert_eq!(text, "hello"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_have_is_unsupported() {
    let world = World::generation_a();
    let client = world.pushed("alpha", "http://localhost:9101").await;
    let error = client.chat_history(None, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
