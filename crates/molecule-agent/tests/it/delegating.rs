//! Tasks for other workspaces on the local platform, which posts them to the agents over real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::protocol::{Delegation, DelegationStatus, Message, Role};
use molecule_agent::{
    CancellationToken, DelegateOptions, DelegationId, DelegationOutcome, DelegationWait,
    FetchInbound, InboundMessage, PollOptions, RemoteAgentClient, Since, WorkspaceId,
};
use molecule_emulator::{EmulatorConfig, Generation, Quirks};
use serde_json::{Value, json};

use crate::peer_server::{Behaviour, PeerServer, http, says};
use crate::world::{Trouble, World, shout};

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

/// In simulated time.
async fn waited(client: &RemoteAgentClient, id: DelegationId, seconds: u64) -> DelegationOutcome {
    let wait = DelegationWait::new().with_timeout(Duration::from_secs(seconds));
    let never = CancellationToken::new();
    client.wait_delegation(id, wait, &never).await.unwrap()
}

fn check_answer(outcome: DelegationOutcome, expect: &str) {
    match outcome {
        DelegationOutcome::Completed {
            delegation,
            text,
            whole,
        } => {
            assert_eq!((text.as_str(), whole), (expect, true));
            assert_eq!(delegation.status, DelegationStatus::Completed);
        }
        other => panic!("{other:?}"),
    }
}

fn check_waits(outcome: &DelegationOutcome) {
    match outcome {
        DelegationOutcome::TimedOut(Some(one)) => assert_eq!(one.status, DelegationStatus::Queued),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_an_agent_that_polls_is_the_message_that_names_the_delegation() {
    for plain in [false, true] {
        let quirks = Quirks::of(Generation::B).with_plain_poll_answer(plain);
        let world = World::with(EmulatorConfig::new().with_quirks(quirks));
        let source = world.registered("source").await;
        let target = world.registered("target").await;
        let (id, _) = delegate(&source, target.workspace_id()).await;
        check_waits(&waited(&source, id, 60).await);
        let everything = PollOptions::new().with_since(Since::All);
        let agent = world.start_polling(&target, shout, everything);
        check_answer(waited(&source, id, 60).await, "WRITE THE REPORT");
        agent.stop().await.unwrap();
        let inbox = source.fetch_inbound(&FetchInbound::new()).await.unwrap();
        assert_eq!((inbox.len(), inbox[0].role), (1, Role::Agent));
        assert!(!source.state_dir().join("cursor").exists());
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_runs_is_handed_the_answer_too_and_does_not_answer_it() {
    let world = World::new();
    let source = world.registered("source").await;
    let target = world.registered("target").await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let listening = world.start(&source, move |message: InboundMessage| {
        hears.lock().unwrap().push((message.role, message.text));
        async { "thank you" }
    });
    let working = world.start(&target, shout);
    let (id, _) = delegate(&source, target.workspace_id()).await;
    check_answer(waited(&source, id, 60).await, "WRITE THE REPORT");
    world.pass(60).await;
    let expect = (Role::Agent, "WRITE THE REPORT".to_owned());
    assert_eq!(*heard.lock().unwrap(), [expect]);
    let inbox = target.fetch_inbound(&FetchInbound::new()).await.unwrap();
    assert_eq!(inbox.len(), 1, "the task alone: {inbox:?}");
    check_answer(waited(&source, id, 0).await, "WRITE THE REPORT");
    listening.stop().await.unwrap();
    working.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_only_from_the_target_and_only_for_its_own_delegation() {
    let world = World::new();
    let source = world.registered("source").await;
    let target = world.registered("target").await;
    let meddler = world.registered("meddler").await;
    let (id, _) = delegate(&source, target.workspace_id()).await;
    let send = async |from: &RemoteAgentClient, answers: &str, text: &str| {
        let message = Message::reply(format!("m-{text}"), text, answers);
        from.send_message(source.workspace_id(), message)
            .await
            .unwrap();
        world.clock_tick().await;
    };
    send(&meddler, &id.to_string(), "meddling").await;
    let another = "57e7c24b-eb91-41f5-a5c6-46984d30a179";
    send(&target, another, "another").await;
    check_waits(&waited(&source, id, 30).await);
    send(&target, &id.to_string(), "done").await;
    for number in 0..120 {
        send(&target, another, &number.to_string()).await;
    }
    check_answer(waited(&source, id, 0).await, "done");
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_looked_at_are_not_asked_for_again() {
    let world = World::new();
    let source = world.registered("source").await;
    let target = world.registered("target").await;
    let (id, _) = delegate(&source, target.workspace_id()).await;
    for number in 0..120 {
        let message = Message::text(format!("m-{number}"), "hello");
        let sent = target.send_message(source.workspace_id(), message);
        sent.await.unwrap();
        world.clock_tick().await;
    }
    let path = format!("GET /workspaces/{}/activity", source.workspace_id());
    let before = world.count(&path);
    check_waits(&waited(&source, id, 0).await);
    let first = world.count(&path) - before;
    assert_eq!(first, 3, "back to the delegation");
    let before = world.count(&path);
    check_waits(&waited(&source, id, 20).await);
    let looks = world.requests();
    let listings = looks.iter().filter(|line| line.ends_with("/delegations"));
    let (all, listings) = (world.count(&path) - before, listings.count() - 1);
    assert_eq!(all, first + listings - 1, "one page for each further look");
}

async fn check_error(message: &str) {
    let world = World::new();
    let error = json!({"jsonrpc": "2.0", "id": "x", "error": {"code": -32603, "message": message}});
    let answer = http("200 OK", "", &error.to_string());
    let server = PeerServer::start(Behaviour::Writes(answer)).await;
    let source = world.registered("source").await;
    let target = world.pushed("target", &server.named_url()).await;
    let (id, _) = delegate(&source, target.workspace_id()).await;
    match outcome(&source, id).await {
        DelegationOutcome::Failed(one) => {
            let expect = format!("the agent answered with an error (-32603): {message}");
            assert_eq!(one.error, Some(expect));
            assert_eq!(one.status, DelegationStatus::Failed);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_that_the_target_answers_is_a_failure_and_no_answer() {
    check_error("out of paper").await;
    check_error(&"out of paper ".repeat(50)).await;
}
