//! Where the original client and the platform disagree: what this one does there. PARITY.md has the whole list.

use molecule_agent::protocol::endpoints::Discovery;
use molecule_agent::protocol::{Message, WorkspaceStatus};
use molecule_agent::{
    CallPeer, CancellationToken, ErrorKind, FetchInbound, HeartbeatLoop, Route, Sender, StopReason,
};
use molecule_emulator::{ContainerSpec, EmulatorConfig, Generation};
use serde_json::{Value, json};

use crate::peer_server::{PeerServer, says};
use crate::world::{ParseToken as _, Trouble, World, shout};

/// Where an agent is said to listen; nothing is posted there.
const ELSEWHERE: &str = "http://localhost:9101";

#[tokio::test(start_paused = true)]
async fn a_deletion_ends_the_agent_on_both_generations() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation));
        let client = world.pushed("alpha", ELSEWHERE).await;
        let path = format!("/workspaces/{}?confirm=true", client.workspace_id());
        world.admin("DELETE", &path, Value::Null).await;
        assert!(client.poll_state().await.unwrap().deleted);
        let reason = client
            .run_heartbeat_loop(HeartbeatLoop::new(), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(reason, StopReason::Removed, "{generation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_registration_brings_back_what_a_pause_took_away_on_both_generations() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation));
        let client = world.pushed("alpha", ELSEWHERE).await;
        let id = client.workspace_id();
        for action in ["pause", "resume"] {
            let path = format!("/workspaces/{id}/{action}");
            world.admin("POST", &path, Value::Null).await;
        }
        client.register().await.unwrap();
        assert_eq!(world.status(id).await, "online", "{generation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_peer_says_who_answers_and_what_it_answers() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    let asked = two.fetch_inbound(&FetchInbound::new()).await.unwrap();
    two.reply(&asked[0], "hello to you").await.unwrap();
    let sent = world.network().requests();
    let reply = sent
        .iter()
        .rfind(|request| request.uri().path().ends_with("/a2a"))
        .unwrap();
    assert_eq!(
        reply.headers()["x-workspace-id"],
        two.workspace_id().to_string()
    );
    assert!(!reply.headers().contains_key("x-source-workspace-id"));
    let rows = world
        .admin(
            "GET",
            &format!("/workspaces/{}/activity", one.workspace_id()),
            Value::Null,
        )
        .await;
    assert_eq!(rows[0]["source_id"], two.workspace_id().to_string());
    let message = &rows[0]["request_body"]["params"]["message"];
    assert_eq!(message["metadata"]["in_reply_to"], "m-1");
}

#[tokio::test(start_paused = true)]
async fn messages_can_be_narrowed_by_sender_and_by_time_and_come_oldest_first() {
    let world = World::new();
    let (peer, client) = (
        world.registered("peer").await,
        world.registered("alpha").await,
    );
    let id = client.workspace_id();
    world.say(id, "m-1", "from the user").await;
    world.pass(10).await;
    peer.send_message(id, Message::text("m-2", "from the peer"))
        .await
        .unwrap();
    let all = FetchInbound::new();
    let of_peer = FetchInbound::new().with_peer(peer.workspace_id());
    let messages = client.fetch_inbound(&all).await.unwrap();
    assert_eq!(messages[1].sender, Sender::Peer(peer.workspace_id()));
    let before = FetchInbound::new().with_before(messages[1].created_at);
    let after = FetchInbound::new().with_since_id(messages[0].activity_id);
    for (query, expect) in [
        (all, vec!["from the user", "from the peer"]),
        (of_peer, vec!["from the peer"]),
        (before, vec!["from the user"]),
        (after, vec!["from the peer"]),
    ] {
        let messages = client.fetch_inbound(&query).await.unwrap();
        let texts: Vec<_> = messages.iter().map(|message| &message.text).collect();
        assert_eq!(texts, expect, "{query:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_the_defaults_stays_online_and_one_that_fails_half_of_the_time_is_degraded() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    for _ in 0..30 {
        world.pass(10).await;
        world.platform.sweep();
        assert_eq!(world.status(id).await, "online");
    }
    agent.stop().await.unwrap();
    let failing = client.beat().with_errors(0.5, "every other message fails");
    client.heartbeat(failing).await.unwrap();
    assert_eq!(world.status(id).await, "degraded");
}

#[tokio::test(start_paused = true)]
async fn a_workspaces_token_can_be_given_and_the_loop_awaited() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let client = world
        .builder(id)
        .token(token.parse_token())
        .build()
        .unwrap();
    client.register().await.unwrap();
    let options = HeartbeatLoop::new().with_max_iterations(1);
    let reason = client
        .run_heartbeat_loop(options, &CancellationToken::new())
        .await;
    assert_eq!(reason.unwrap().as_str(), "max_iterations");
    assert_eq!(world.status(id).await, "online");
}

#[tokio::test(start_paused = true)]
async fn an_administrators_token_gets_no_secrets_and_the_error_says_whose_it_should_be() {
    let world = World::new();
    let (id, _) = world.workspace("alpha").await;
    let admin = world.builder(id).token("admin".parse_token()).build();
    let error = admin.unwrap().pull_secrets().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_away_is_told_from_one_that_is_out_of_bounds() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation));
        let client = world.pushed("alpha", ELSEWHERE).await;
        let peer = world.pushed("peer", "http://localhost:9102/a2a").await;
        let id = peer.workspace_id();
        let url = client.discover_peer(id).await.unwrap().unwrap();
        assert_eq!(url.as_str(), "http://localhost:9102/a2a");
        client.invalidate_peer_url(id);
        let path = format!("/workspaces/{id}/pause");
        world.admin("POST", &path, Value::Null).await;
        let status = Some(WorkspaceStatus::Paused);
        let away = client.look_up_peer(id).await.unwrap();
        assert_eq!(away, Discovery::Unavailable { status });
        assert_eq!(client.discover_peer(id).await.unwrap(), None);
        let nobody = "99c068b6-5999-43c5-a38c-731adb21acaf".parse().unwrap();
        let error = client.discover_peer(nobody).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{generation:?}: {error}");
    }
}

#[tokio::test]
async fn a_container_is_called_through_the_platform() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation));
        let server = PeerServer::start(says("from the container")).await;
        let client = world.pushed("alpha", ELSEWHERE).await;
        let container = ContainerSpec::new("beta", server.url());
        let (id, _) = world.platform.provision(&container).unwrap();
        let online = WorkspaceStatus::Online;
        world.platform.set_status(id, &online).unwrap();
        let url = client.discover_peer(id).await.unwrap().unwrap();
        assert!(url.is_container_only(), "{url}");
        let reply = client.call_peer(id, "hi", CallPeer::new()).await.unwrap();
        assert_eq!(reply.text().as_deref(), Some("from the container"));
        assert_eq!((reply.route, server.requests().len()), (Route::Proxy, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_a_role_has_none_and_its_tier_is_what_the_platform_says() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation));
        let client = world.pushed("alpha", ELSEWHERE).await;
        let known =
            json!({"name": "known", "runtime": "external", "role": "translator", "tier": 1});
        world.admin("POST", "/workspaces", known).await;
        world.workspace("plain").await;
        let peers = client.get_peers().await.unwrap();
        let told: Vec<_> = peers
            .iter()
            .map(|peer| (peer.name.as_str(), peer.role.as_deref(), peer.tier))
            .collect();
        let expect = [
            ("known", Some("translator"), Some(1)),
            ("plain", None, Some(3)),
        ];
        assert_eq!(told, expect, "{generation:?}");
        world.trouble_at("/peers", 1, Trouble::Says(200, WITHOUT_TIER));
        assert_eq!(client.get_peers().await.unwrap()[0].tier, None);
    }
}

const WITHOUT_TIER: &str = r#"[{"id":"1eb82460-07e2-423a-bd6f-9ca0b2c552f7","name":"p"}]"#;
