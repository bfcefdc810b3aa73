//! Tasks for other workspaces on the local platform, which posts them to the agents over real sockets.

use std::time::Duration;

use molecule_agent::protocol::{Delegation, DelegationStatus};
use molecule_agent::{
    CancellationToken, DelegateOptions, DelegationId, DelegationOutcome, DelegationWait,
    RemoteAgentClient, WorkspaceId,
};
use serde_json::Value;

use crate::peer_server::{Behaviour, PeerServer, http, says};
use crate::world::{Trouble, World};

async fn delegate(client: &RemoteAgentClient, target: WorkspaceId) -> (DelegationId, bool) {
    let delegated = client
        .delegate(target, "write the report", &DelegateOptions::new())
        .await
        .unwrap();
    assert_eq!(delegated.target_id, Some(target));
    (delegated.delegation_id, delegated.idempotent_hit)
}

/// Asks often, because sockets take real time.
async fn outcome(client: &RemoteAgentClient, id: DelegationId) -> DelegationOutcome {
    let wait = DelegationWait::new()
        .with_interval(Duration::from_millis(5))
        .with_timeout(Duration::from_secs(20));
    let never = CancellationToken::new();
    client.wait_delegation(id, wait, &never).await.unwrap()
}

/// The only delegation, once it is so far.
async fn listed(world: &World, client: &RemoteAgentClient, status: DelegationStatus) -> Delegation {
    for _ in 0..5000 {
        let mut listed = client.delegations().await.unwrap();
        assert!(listed.len() <= 1, "{listed:?}");
        match listed.pop() {
            Some(one) if one.status == status => return one,
            _ => world.clock_tick().await,
        }
    }
    panic!("the delegation is not {status:?}");
}

#[tokio::test]
async fn a_task_goes_out_on_the_callers_own_path_and_the_whole_answer_comes_back() {
    let world = World::new();
    let report = "a long report ".repeat(100);
    let server = PeerServer::start(says(&report)).await;
    let source = world.registered("source").await;
    let target = world
        .pushed("target", &server.named_url())
        .await
        .workspace_id();
    let (id, hit) = delegate(&source, target).await;
    assert!(!hit);
    match outcome(&source, id).await {
        DelegationOutcome::Completed { text, whole, .. } => {
            assert_eq!((text, whole), (report, true));
        }
        other => panic!("{other:?}"),
    }
    let path = format!("POST /workspaces/{}/delegate", source.workspace_id());
    assert_eq!(world.count(&path), 1);
    let seen = server.requests();
    assert!(seen[0].contains("write the report"), "{seen:?}");
    assert_eq!(
        delegate(&source, target).await,
        (id, true),
        "the same minute"
    );
    assert_eq!((server.requests().len(), seen.len()), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_done_fails_with_the_platforms_reason_and_may_be_tried_again() {
    let check = async |world: &World, target: WorkspaceId, reason: &str| {
        let source = world.registered("source").await;
        let (first, _) = delegate(&source, target).await;
        match outcome(&source, first).await {
            DelegationOutcome::Failed(one) => assert_eq!(one.error.as_deref(), Some(reason)),
            other => panic!("{reason}: {other:?}"),
        }
        let (second, hit) = delegate(&source, target).await;
        assert!(second != first && !hit, "a failed one blocks nothing");
    };
    let world = World::new();
    let answer = http(
        "500 Internal Server Error",
        "",
        r#"{"error":"agent exploded"}"#,
    );
    let server = PeerServer::start(Behaviour::Writes(answer)).await;
    let exploding = world.pushed("exploding", &server.named_url()).await;
    check(&world, exploding.workspace_id(), "agent exploded").await;
    let (silent, _) = world.workspace("silent").await;
    check(&world, silent, "workspace has no URL").await;
    let nobody = "99c068b6-5999-43c5-a38c-731adb21acaf".parse().unwrap();
    let denied = "access denied: workspaces cannot communicate per hierarchy rules";
    check(&world, nobody, denied).await;
}

#[tokio::test]
async fn a_queued_task_that_was_done_is_one_delegation_and_completed() {
    let world = World::new();
    let busy = PeerServer::start(Behaviour::Writes(String::new())).await;
    let source = world.registered("source").await;
    let target = world.pushed("target", &busy.named_url()).await;
    let (id, _) = delegate(&source, target.workspace_id()).await;
    let queued = listed(&world, &source, DelegationStatus::Queued).await;
    assert_eq!((queued.id, queued.response_preview), (id, None));

    let free = PeerServer::start(says("done")).await;
    world.move_to(&target, &free.named_url()).await;
    target.heartbeat(target.beat()).await.unwrap();
    match outcome(&source, id).await {
        DelegationOutcome::Completed { text, .. } => assert_eq!(text, "done"),
        other => panic!("{other:?}"),
    }
    let done = listed(&world, &source, DelegationStatus::Completed).await;
    assert_eq!(done.response_preview.as_deref(), Some("done"));
    assert_eq!((busy.requests().len(), free.requests().len()), (1, 1));
    let path = format!("/workspaces/{}/delegations", source.workspace_id());
    let rows = world.admin("GET", &path, Value::Null).await;
    assert_eq!(
        [&rows[0]["status"], &rows[1]["status"]],
        ["completed", "queued"],
        "the platform itself says both"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_found_in_another_minute_by_another_process() {
    let world = World::new();
    let (source, target) = (
        world.registered("source").await,
        world.registered("target").await,
    );
    let (target, other) = (target.workspace_id(), world.registered("other").await);
    world.trouble_at("/delegate", usize::MAX, Trouble::AnswerLost);
    let options = DelegateOptions::new();
    let error = source.delegate(target, "write the report", &options).await;
    assert!(!error.unwrap_err().surely_without_effect());
    world.pass(90).await;
    world.no_trouble();
    let restarted = world.builder(source.workspace_id()).build().unwrap();
    let (id, hit) = delegate(&restarted, target).await;
    assert!(hit, "the key was kept");
    assert_eq!(restarted.delegations().await.unwrap().len(), 1);
    let (elsewhere, hit) = delegate(&restarted, other.workspace_id()).await;
    assert!(elsewhere != id && !hit, "the target is part of the key");
}
