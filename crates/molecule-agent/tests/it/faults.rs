//! Trouble that passes: the agent is online afterwards, has missed no message and answered each once.

mod hostile;
mod injected;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use molecule_agent::InboundMessage;
use molecule_agent::protocol::Message;

use crate::world::{ParseToken as _, Running, Trouble, World, shout};

async fn check_answers(
    world: &World,
    client: &molecule_agent::RemoteAgentClient,
    agent: Running,
    expect: &[&str],
) {
    let id = client.workspace_id();
    assert!(agent.is_running());
    assert_eq!(world.status(id).await, "online");
    assert_eq!(world.notifications(id).await, expect);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_away_for_five_minutes() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-1", "before").await;
    world.pass(10).await;
    world.trouble(|_| Some(Trouble::Refused));
    world.say(id, "m-2", "meanwhile").await;
    world.pass(300).await;
    world.platform.sweep();
    assert_eq!(world.status(id).await, "awaiting_agent");
    world.no_trouble();
    world.pass(90).await;
    world.say(id, "m-3", "after").await;
    world.pass(30).await;
    check_answers(&world, &client, agent, &["BEFORE", "MEANWHILE", "AFTER"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_goes_away_while_the_handler_works() {
    let world = Arc::new(World::new());
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let network = Arc::clone(&world);
    let handler = move |message: InboundMessage| {
        network.trouble(|_| Some(Trouble::Refused));
        shout(message)
    };
    let agent = world.start(&client, handler);
    world.pass(1).await;
    world.say(id, "m-1", "one").await;
    world.pass(300).await;
    world.no_trouble();
    world.pass(90).await;
    check_answers(&world, &client, agent, &["ONE"]).await;
}

/// Two questions are asked, and from the first answer on this happens to every request for an hour.
async fn away_while_it_answers(trouble: Trouble) {
    let world = Arc::new(World::new());
    let (client, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let id = client.workspace_id();
    let agent = world.start(&client, world.slow_echo(5));
    world.pass(1).await;
    world.say(id, "m-1", "one").await;
    peer.send_message(id, Message::text("m-2", "two"))
        .await
        .unwrap();
    world.pass(8).await;
    world.trouble(move |_| Some(trouble));
    world.pass(3600).await;
    world.no_trouble();
    world.pass(120).await;
    assert_eq!(world.notifications(id).await, ["one"], "{trouble:?}");
    let heard = peer.fetch_inbound(&Default::default()).await.unwrap();
    let heard: Vec<_> = heard.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(heard, ["two"], "{trouble:?}");
    assert_eq!(client.watch_status().borrow().dead, 0, "{trouble:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_as_long_as_the_platform_is_away() {
    for status in [404, 500, 502, 503, 504] {
        away_while_it_answers(Trouble::Status(status)).await;
    }
    away_while_it_answers(Trouble::Refused).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_peer_that_the_network_swallowed_is_sent_again() {
    let world = World::new();
    let (client, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let agent = world.start(&client, world.slow_echo(5));
    world.pass(1).await;
    let asked = peer.send_message(client.workspace_id(), Message::text("m-1", "one"));
    asked.await.unwrap();
    world.pass(2).await;
    world.trouble(|_| Some(Trouble::Swallowed));
    world.pass(15).await;
    world.no_trouble();
    world.pass(60).await;
    let heard = peer.fetch_inbound(&Default::default()).await.unwrap();
    assert_eq!(heard.len(), 1);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_peer_outlives_a_refusal_of_the_token_that_passes() {
    let world = World::new();
    let (client, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let agent = world.start(&client, shout);
    world.pass(1).await;
    let asked = peer.send_message(client.workspace_id(), Message::text("m-1", "one"));
    asked.await.unwrap();
    let refused = Trouble::Says(401, r#"{"error":"invalid workspace auth token"}"#);
    world.trouble_at("/a2a", 1, refused);
    world.pass(60).await;
    let heard = peer.fetch_inbound(&Default::default()).await.unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].text, "ONE");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_for_a_minute() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    world.trouble(|_| Some(Trouble::RateLimited(59)));
    let before = world.requests().len();
    world.pass(59).await;
    let during = world.requests().len() - before;
    assert!(
        during < 10,
        "{during} requests while the platform asked for quiet"
    );
    world.no_trouble();
    world.pass(120).await;
    check_answers(&world, &client, agent, &["HELLO"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_rotated_under_a_running_agent() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    let token = world.platform.rotate_tokens(id).unwrap();
    world.say(id, "m-1", "hello").await;
    world.pass(20).await;
    assert!(world.notifications(id).await.is_empty());
    // Another process stores the new token in the file of the agent.
    let file = molecule_agent::token_store::TokenStore::new(client.state_dir());
    file.save(&token.parse_token(), molecule_agent::token_store::Wait::No)
        .unwrap();
    world.pass(90).await;
    check_answers(&world, &client, agent, &["HELLO"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_arrives_although_its_acknowledgement_is_lost_is_not_repeated() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-1", "same").await;
    world.pass(10).await;
    world.trouble_at("/notify", 2, Trouble::AnswerLost);
    world.say(id, "m-2", "same").await;
    world.say(id, "m-3", "other").await;
    world.pass(60).await;
    check_answers(&world, &client, agent, &["SAME", "SAME", "OTHER"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_did_not_arrive_is_repeated() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.trouble_at("/notify", 3, Trouble::Status(503));
    world.say(id, "m-1", "hello").await;
    world.pass(150).await;
    check_answers(&world, &client, agent, &["HELLO"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_platform_refuses_for_good_does_not_block_the_next() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.trouble_at("/notify", 1, Trouble::Status(400));
    world.say(id, "m-1", "refused").await;
    world.say(id, "m-2", "next").await;
    world.pass(20).await;
    check_answers(&world, &client, agent, &["NEXT"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_work_at_most() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let hangs = |_: InboundMessage| std::future::pending::<String>();
    let agent = world.start(&client, hangs);
    world.pass(1).await;
    world.say(id, "m-1", "one").await;
    world.pass(10).await;
    agent.crash().await;
    world.say(id, "m-2", "two").await;
    world.pass(3600).await;
    let agent = world.start(&client, shout);
    world.pass(60).await;
    check_answers(&world, &client, agent, &["ONE", "TWO"]).await;
}

#[tokio::test(start_paused = true)]
async fn states_that_only_registering_leaves() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    for status in ["failed", "hibernated", "awaiting_agent", "offline"] {
        world
            .platform
            .set_status(id, &status.to_owned().into())
            .unwrap();
        world.pass(35).await;
        assert_eq!(world.status(id).await, "online", "from {status}");
    }
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_may_have_arrived_stays_in_doubt_until_the_log_is_read() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    let tries = AtomicUsize::new(0);
    world.trouble(move |request| {
        let notify = request.uri().path().ends_with("/notify");
        match notify.then(|| tries.fetch_add(1, Ordering::Relaxed)) {
            Some(0) => Some(Trouble::AnswerLost),
            Some(1) => Some(Trouble::Refused),
            _ => None,
        }
    });
    world.say(id, "m-1", "hello").await;
    world.pass(150).await;
    check_answers(&world, &client, agent, &["HELLO"]).await;
}

/// The log grew by more than a page between where it ended before the first try and the try that arrived.
#[tokio::test(start_paused = true)]
async fn an_answer_that_arrived_is_found_however_much_the_log_has_grown() {
    let world = World::with(molecule_emulator::EmulatorConfig::new().with_rate_limit(u32::MAX));
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.trouble(|request| {
        let notify = request.uri().path().ends_with("/notify");
        notify.then_some(Trouble::Status(503))
    });
    world.say(id, "m-1", "hello").await;
    world.pass(10).await;
    world.no_trouble();
    let path = format!("/workspaces/{id}/notify");
    for _ in 0..1_100 {
        let noise = serde_json::json!({"message": "noise"});
        world.admin("POST", &path, noise).await;
    }
    world.trouble_at("/notify", 1, Trouble::AnswerLost);
    world.pass(150).await;
    agent.stop().await.unwrap();
    let query = molecule_agent::FetchInbound::new().with_limit(1);
    client.fetch_inbound(&query).await.unwrap();
    let told = world.notifications(id).await;
    let answers = told.iter().filter(|told| *told == "HELLO");
    assert_eq!(answers.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_before_the_first_poll() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.trouble(|_| Some(Trouble::Refused));
    let agent = world.start(&client, shout);
    world.pass(20).await;
    world.no_trouble();
    world.say(id, "m-1", "hello").await;
    world.pass(150).await;
    check_answers(&world, &client, agent, &["HELLO"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_rotated_during_a_call_is_read_again_once() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let before = world.requests().len();
    let token = world.platform.rotate_tokens(client.workspace_id()).unwrap();
    let store = molecule_agent::token_store::TokenStore::new(client.state_dir());
    let stored = std::sync::Once::new();
    world.trouble(move |_| {
        stored.call_once(|| {
            store
                .save(&token.parse_token(), molecule_agent::token_store::Wait::No)
                .unwrap();
        });
        None
    });
    client.heartbeat(client.beat()).await.unwrap();
    assert_eq!(world.requests().len() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_tried_once() {
    let world = World::new();
    let client = world.registered("alpha").await;
    world.platform.rotate_tokens(client.workspace_id()).unwrap();
    let before = world.count("POST /registry/heartbeat");
    client.heartbeat(client.beat()).await.unwrap_err();
    assert_eq!(world.count("POST /registry/heartbeat") - before, 1);
}
