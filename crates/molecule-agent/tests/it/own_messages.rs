//! An agent never answers itself, and two agents do not answer each other for ever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use molecule_agent::protocol::{Message, Role};
use molecule_agent::transport::Clock as _;
use molecule_agent::{FetchInbound, InboundMessage, RemoteAgentClient, WorkspaceId};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::{World, shout};

async fn echo(message: InboundMessage) -> String {
    message.text
}

/// How many messages went to this workspace.
fn sent_to(world: &World, id: WorkspaceId) -> usize {
    world.count(&format!("POST /workspaces/{id}/a2a"))
}

#[tokio::test(start_paused = true)]
async fn own_notifications_are_not_answered() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    client.notify("by the way", &[]).await.unwrap();
    world.say(id, "m-1", "hello").await;
    world.pass(600).await;
    assert_eq!(world.notifications(id).await, ["by the way", "HELLO"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_to_oneself_is_not_answered() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, echo);
    world.pass(1).await;
    let to_oneself = client.send_message(id, Message::text("m-1", "hello"));
    to_oneself.await.unwrap();
    world.pass(600).await;
    assert_eq!(sent_to(&world, id), 1);
    assert!(world.notifications(id).await.is_empty());
    let log = format!("/workspaces/{id}/activity");
    let rows = world.admin("GET", &log, Value::Null).await;
    let own =
        |row: &Value| row["source_id"] == id.to_string() && row["activity_type"] == "a2a_receive";
    assert!(
        rows.as_array().unwrap().iter().any(own),
        "it is in the log: {rows}"
    );
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_echoes_stop_after_the_answer() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agents = [world.start(&one, echo), world.start(&two, echo)];
    world.pass(1).await;
    let ask = one.send_message(two.workspace_id(), Message::text("m-1", "hello"));
    ask.await.unwrap();
    world.pass(600).await;
    assert_eq!(sent_to(&world, two.workspace_id()), 1, "the question");
    assert_eq!(sent_to(&world, one.workspace_id()), 1, "the answer");
    for agent in agents {
        agent.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn two_echoes_that_ask_each_other_at_once_stop_after_both_answers() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agents = [world.start(&one, echo), world.start(&two, echo)];
    world.pass(1).await;
    for (from, to, id) in [(&one, &two, "m-1"), (&two, &one, "m-2")] {
        let ask = from.send_message(to.workspace_id(), Message::text(id, "hello"));
        ask.await.unwrap();
    }
    world.pass(600).await;
    for client in [&one, &two] {
        assert_eq!(sent_to(&world, client.workspace_id()), 2);
    }
    for agent in agents {
        agent.stop().await.unwrap();
    }
}

/// What an agent of another kind makes of a message that it takes: the message that it sends back.
type Answer = fn(&InboundMessage) -> Value;

/// Polls and answers whatever comes, answers included, as other clients do.
async fn answer_everything(
    world: Arc<World>,
    client: RemoteAgentClient,
    to: WorkspaceId,
    answer: Answer,
) {
    let mut seen = Vec::new();
    loop {
        let messages = client.fetch_inbound(&FetchInbound::new()).await.unwrap();
        for message in messages {
            if !seen.contains(&message.activity_id) {
                seen.push(message.activity_id);
                other_says(&world, &client, to, answer(&message)).await;
            }
        }
        world.clock.sleep(Duration::from_secs(5)).await;
    }
}

/// A message of any shape, under the token of its sender.
async fn other_says(world: &World, from: &RemoteAgentClient, to: WorkspaceId, message: Value) {
    let body = json!({"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": message}});
    let token = from.load_token().await.unwrap().unwrap();
    let request = http::Request::post(format!("/workspaces/{to}/a2a"))
        .header("x-workspace-id", from.workspace_id().to_string())
        .header("authorization", format!("Bearer {}", token.expose()))
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = world.platform.router().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
}

/// The agent of this crate, with `echo`, and a peer of another kind that begins. How many messages the agent heard, and how many it sent.
async fn check_other_kind(answer: Answer, expect: (usize, usize)) {
    let world = Arc::new(World::new());
    let (ours, other) = (
        world.registered("ours").await,
        world.registered("other").await,
    );
    let heard: Arc<Mutex<usize>> = Arc::default();
    let count = Arc::clone(&heard);
    let agent = world.start(&ours, move |message: InboundMessage| {
        *count.lock().unwrap() += 1;
        echo(message)
    });
    world.pass(1).await;
    let (id, peer) = (ours.workspace_id(), other.workspace_id());
    let first = json!({"role": "user", "messageId": "m-1", "parts": [{"kind": "text", "text": "good morning"}]});
    other_says(&world, &other, id, first).await;
    let peer_lives = tokio::spawn(answer_everything(Arc::clone(&world), other, id, answer));
    world.pass(600).await;
    assert_eq!((*heard.lock().unwrap(), sent_to(&world, peer)), expect);
    peer_lives.abort();
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_answers_are_marked_ends_it_at_once() {
    // As the Python SDK answers: the role is all there is.
    let answer: Answer =
        |message| json!({"role": "agent", "parts": [{"kind": "text", "text": message.text}]});
    check_other_kind(answer, (2, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_answers_look_like_questions_is_not_answered_for_ever() {
    let answer: Answer =
        |message| json!({"role": "user", "parts": [{"kind": "text", "text": message.text}]});
    check_other_kind(answer, (5, 4)).await;
    // Without a role, and with the other spelling of a part.
    let answer: Answer = |message| json!({"parts": [{"type": "text", "text": message.text}]});
    check_other_kind(answer, (5, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_quotes_each_answer_is_not_answered_for_ever() {
    let answer: Answer = |message| json!({"role": "user", "parts": [{"kind": "text", "text": format!("you said: {}", message.text)}]});
    check_other_kind(answer, (5, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_heard_and_says_that_it_is_one() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agent = world.start(&two, shout);
    world.pass(1).await;
    let ask = one.send_message(two.workspace_id(), Message::text("m-1", "hello"));
    ask.await.unwrap();
    world.pass(60).await;
    let heard = one.fetch_inbound(&FetchInbound::new()).await.unwrap();
    assert_eq!(
        (heard[0].text.as_str(), heard[0].role),
        ("HELLO", Role::Agent)
    );
    agent.stop().await.unwrap();
}
