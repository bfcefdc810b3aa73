//! Messages to peers on the local platform, which posts them to the agents over real sockets.

use std::time::Duration;

use axum::body::Body;
use molecule_agent::protocol::endpoints::{A2aOutcome, A2aRefusal, Queued};
use molecule_agent::protocol::{ApiError, Message};
use molecule_agent::{AgentError, CallPeer, ErrorKind, FetchInbound, RemoteAgentClient, Route};
use molecule_emulator::{EmulatorConfig, Generation, Quirks};
use serde_json::json;
use tower::ServiceExt as _;

use crate::peer_server::{Behaviour, PeerServer, says};
use crate::world::{World, shout};

/// A platform of the later generation that answers in either way for an agent that polls.
fn world(plain_poll_answer: bool) -> World {
    let quirks = Quirks::of(Generation::B).with_plain_poll_answer(plain_poll_answer);
    World::with(EmulatorConfig::new().with_quirks(quirks))
}

fn by_proxy() -> CallPeer {
    CallPeer::new().with_prefer_direct(false)
}

async fn queued(client: &RemoteAgentClient, to: &RemoteAgentClient, message: Message) -> Queued {
    let reply = client
        .call_peer(to.workspace_id(), message, by_proxy())
        .await;
    match reply.unwrap().reply.outcome {
        A2aOutcome::Queued(queued) => queued,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_for_a_polling_peer_is_queued_however_the_platform_says_so() {
    for plain in [false, true] {
        let world = world(plain);
        let (one, two) = (world.registered("one").await, world.registered("two").await);
        let id = two.workspace_id();
        let reply = one.call_peer(id, "hello", CallPeer::new()).await.unwrap();
        assert_eq!((reply.route, reply.text()), (Route::Proxy, None));
        assert!(
            matches!(reply.reply.outcome, A2aOutcome::Queued(_)),
            "{plain}: {reply:?}"
        );
        let messages = two.fetch_inbound(&FetchInbound::new()).await.unwrap();
        let texts: Vec<_> = messages.iter().map(|message| &message.text).collect();
        assert_eq!(texts, ["hello"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_polling_peer_is_sent_once_however_the_platform_takes_it() {
    for plain in [false, true] {
        let world = world(plain);
        let (one, two) = (world.registered("one").await, world.registered("two").await);
        let agent = world.start(&two, shout);
        world.pass(1).await;
        one.call_peer(two.workspace_id(), "hello", CallPeer::new())
            .await
            .unwrap();
        world.pass(120).await;
        let path = format!("POST /workspaces/{}/a2a", one.workspace_id());
        assert_eq!(world.count(&path), 1, "{plain}");
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_an_agent_drops_waits_in_one_place_and_is_delivered_later() {
    let world = World::new();
    let busy = PeerServer::start(Behaviour::Writes(String::new())).await;
    let one = world.registered("one").await;
    let two = world.pushed("two", &busy.named_url()).await;
    let message = || Message::text("m-1", "hello");
    let first = queued(&one, &two, message()).await;
    assert!(first.queue_id.is_some(), "{first:?}");
    assert_eq!(queued(&one, &two, message()).await, first, "one place");

    let free = PeerServer::start(says("hello to you")).await;
    world.move_to(&two, &free.named_url()).await;
    two.heartbeat(two.beat()).await.unwrap();
    for _ in 0..5000 {
        if free.requests().is_empty() {
            world.clock_tick().await;
        }
    }
    two.heartbeat(two.beat()).await.unwrap();
    let seen = free.requests();
    assert!(seen.len() == 1 && seen[0].contains("hello"), "{seen:?}");
}

/// The agent says that it keeps what it cannot do at once.
async fn has_sessions(world: &World, client: &RemoteAgentClient) {
    let token = client.load_token().await.unwrap().unwrap();
    let beat = json!({"workspace_id": client.workspace_id(), "runtime_metadata": {"capabilities": {"session": true}}});
    let request = http::Request::post("/registry/heartbeat")
        .header("authorization", format!("Bearer {}", token.expose()))
        .body(Body::from(beat.to_string()))
        .unwrap();
    let answer = world.platform.router().oneshot(request).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test]
async fn a_busy_agent_is_an_error_that_says_when_to_come_back_and_nothing_is_sent_twice() {
    let world = World::new();
    let busy = PeerServer::start(Behaviour::Writes(String::new())).await;
    let one = world.registered("one").await;
    let two = world.pushed("two", &busy.named_url()).await;
    has_sessions(&world, &two).await;
    let error = one
        .call_peer(two.workspace_id(), "hello", by_proxy())
        .await
        .unwrap_err();
    let expect = A2aRefusal::Busy {
        retry_after: Some(Duration::from_secs(30)),
        native_session: true,
    };
    match &error {
        AgentError::Api(ApiError::A2a(_, refusal)) => assert_eq!(*refusal, expect),
        other => panic!("{other:?}"),
    }
    assert_eq!(error.kind(), ErrorKind::Temporary);
    assert!(!error.surely_without_effect());
    assert_eq!(busy.requests().len(), 1);
}

#[tokio::test]
async fn neither_way_shows_a_peer_the_token() {
    let world = World::new();
    let server = PeerServer::start(says("hello")).await;
    let peer = world
        .pushed("peer", &server.named_url())
        .await
        .workspace_id();
    let stored = world.registered("alpha").await;
    let token = stored.load_token().await.unwrap().unwrap();
    let builder = world.builder(stored.workspace_id());
    let client = builder.allow_private_peers().build().unwrap();
    for (options, route) in [(CallPeer::new(), Route::Direct), (by_proxy(), Route::Proxy)] {
        let reply = client.call_peer(peer, "hi", options).await.unwrap();
        assert_eq!(
            (reply.route, reply.text().as_deref()),
            (route, Some("hello"))
        );
    }
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    for request in seen {
        let has_header = request.to_lowercase().contains("authorization");
        assert!(
            !request.contains(token.expose()) && !has_header,
            "{request}"
        );
    }
}
