//! An agent that runs: it takes messages, answers each once, and stops when it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::protocol::Message;
use molecule_agent::transport::Clock as _;
use molecule_agent::{AgentLoop, FetchInbound, HandlerOutcome, InboundMessage, Sender, StopReason};
use serde_json::Value;

use crate::world::{World, shout};

#[tokio::test(start_paused = true)]
async fn the_canvas_user_is_answered() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    world.pass(10).await;
    world.say(id, "m-2", "again").await;
    world.pass(60).await;
    assert_eq!(world.notifications(id).await, ["HELLO", "AGAIN"]);
    assert_eq!(agent.stop().await.unwrap(), StopReason::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_answered_and_two_agents_do_not_answer_each_other_for_ever() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let heard: Arc<Mutex<Vec<InboundMessage>>> = Arc::default();
    let record = {
        let heard = Arc::clone(&heard);
        move |message: InboundMessage| {
            heard.lock().unwrap().push(message.clone());
            shout(message)
        }
    };
    let first = world.start(&one, record);
    let second = world.start(&two, shout);
    world.pass(1).await;
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    world.pass(600).await;
    {
        let heard = heard.lock().unwrap();
        let texts: Vec<_> = heard.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["HELLO"]);
        assert_eq!(heard[0].sender, Sender::Peer(two.workspace_id()));
        assert_eq!(heard[0].metadata["in_reply_to"], "m-1");
    }
    assert_eq!(
        world.count(&format!("POST /workspaces/{}/a2a", two.workspace_id())),
        1
    );
    assert_eq!(
        world.count(&format!("POST /workspaces/{}/a2a", one.workspace_id())),
        1
    );
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_minutes_does_not_hold_up_heartbeats() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let clock = world.clock.clone();
    let slow = move |message: InboundMessage| {
        let rest = clock.sleep(Duration::from_secs(120));
        async move {
            rest.await;
            message.text.to_uppercase()
        }
    };
    let agent = world.start(&client, slow);
    world.pass(1).await;
    world.say(id, "m-1", "one").await;
    world.say(id, "m-2", "two").await;
    for _ in 0..26 {
        world.pass(10).await;
        assert_eq!(world.status(id).await, "online");
    }
    assert_eq!(world.notifications(id).await, ["ONE", "TWO"]);
    assert!(world.count("POST /registry/heartbeat") >= 8);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_platform_stops_the_agent() {
    let world = World::new();
    for (action, expect) in [
        ("pause", StopReason::Paused),
        ("delete", StopReason::Removed),
    ] {
        let client = world.registered(action).await;
        let id = client.workspace_id();
        let agent = world.start(&client, shout);
        world.pass(1).await;
        match action {
            "pause" => {
                world
                    .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
                    .await
            }
            _ => {
                world
                    .admin(
                        "DELETE",
                        &format!("/workspaces/{id}?confirm=true"),
                        Value::Null,
                    )
                    .await
            }
        };
        assert_eq!(agent.ended().await.unwrap(), expect);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_handler_may_finish_when_the_agent_stops() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let slow = world.slow_echo(20);
    let agent = world.start(&client, slow.clone());
    world.pass(1).await;
    world.say(id, "m-1", "in time").await;
    world.pass(6).await;
    agent.stop().await.unwrap();
    assert_eq!(world.notifications(id).await, ["in time"]);

    let agent = world.start_with(
        &client,
        slow,
        AgentLoop::new().with_drain_timeout(Duration::from_secs(5)),
    );
    world.say(id, "m-2", "too late").await;
    world.pass(6).await;
    agent.stop().await.unwrap();
    assert_eq!(world.notifications(id).await, ["in time"]);

    let agent = world.start(&client, shout);
    world.pass(10).await;
    agent.stop().await.unwrap();
    assert_eq!(
        world.notifications(id).await,
        ["in time", "TOO LATE"],
        "what was not finished is handled again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_handler_is_told_to_the_sender_and_counted_in_the_heartbeat() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let fails = async |message: InboundMessage| match message.text.as_str() {
        "panic" => panic!("on purpose"),
        _ => HandlerOutcome::Error("exit status 1".to_owned()),
    };
    let agent = world.start(&client, fails);
    world.pass(1).await;
    world.say(id, "m-1", "x").await;
    world.say(id, "m-2", "panic").await;
    world.pass(40).await;
    assert_eq!(
        world.notifications(id).await,
        [
            "Agent error: exit status 1",
            "Agent error: the handler panicked"
        ]
    );
    assert_eq!(world.status(id).await, "degraded");
    assert!(agent.is_running());
    world.pass(120).await;
    assert_eq!(
        world.status(id).await,
        "online",
        "the rate is that of the last minute"
    );
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_to_say_is_not_said() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, async |_: InboundMessage| HandlerOutcome::Nothing);
    world.pass(1).await;
    world.say(client.workspace_id(), "m-1", "x").await;
    world.pass(60).await;
    assert!(world.notifications(client.workspace_id()).await.is_empty());
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_not_sent() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, async |_: InboundMessage| "");
    world.pass(1).await;
    world.say(client.workspace_id(), "m-1", "x").await;
    world.pass(60).await;
    assert_eq!(
        world.count(&format!(
            "POST /workspaces/{}/notify",
            client.workspace_id()
        )),
        0
    );
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_nobody_sent_is_not_answered() {
    let world = World::new();
    let client = world.registered("alpha").await;
    world.say(client.workspace_id(), "m-1", "x").await;
    let mut message = client
        .fetch_inbound(&FetchInbound::new())
        .await
        .unwrap()
        .remove(0);
    message.sender =
        serde_json::from_value::<molecule_agent::protocol::ActivityRow>(serde_json::json!({
        "id": message.activity_id, "created_at": message.created_at, "activity_type": "a2a_receive",
        "source_id": "system:cron"}))
        .map(|row| match row.inbound(&client.workspace_id()) {
            molecule_agent::protocol::Inbound::Message(message) => message.sender,
            other => panic!("{other:?}"),
        })
        .unwrap();
    let before = world.requests().len();
    let error = client.reply(&message, "y").await.unwrap_err();
    assert!(error.to_string().contains("\"system:cron\""), "{error}");
    assert_eq!(world.requests().len(), before);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_peer_has_the_same_id_each_time() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    let message = two
        .fetch_inbound(&FetchInbound::new())
        .await
        .unwrap()
        .remove(0);
    two.reply(&message, "a").await.unwrap();
    two.reply(&message, "a").await.unwrap();
    let heard = one.fetch_inbound(&FetchInbound::new()).await.unwrap();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].message_id, heard[1].message_id);
}

#[tokio::test(start_paused = true)]
async fn no_further_message_is_taken_once_the_agent_is_to_stop() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let slow = world.slow_echo(10);
    let agent = world.start(&client, slow);
    world.pass(1).await;
    world.say(id, "m-1", "one").await;
    world.clock_tick().await;
    world.say(id, "m-2", "two").await;
    world.pass(6).await;
    let row = world
        .admin("GET", &format!("/workspaces/{id}"), Value::Null)
        .await;
    assert_eq!(row["active_tasks"], 0, "beaten before the message came");
    agent.stop().await.unwrap();
    assert_eq!(world.notifications(id).await, ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_says_that_a_message_is_being_handled() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, |_: InboundMessage| {
        std::future::pending::<String>()
    });
    world.pass(1).await;
    world.say(id, "m-1", "one").await;
    world.pass(40).await;
    let row = world
        .admin("GET", &format!("/workspaces/{id}"), Value::Null)
        .await;
    assert_eq!(row["active_tasks"], 1);
    agent.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_does_not_wait_for_the_poll_interval() {
    let world = World::with(molecule_emulator::EmulatorConfig::new().with_rate_limit(1_000_000));
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.say(id, "m-first", "first").await;
    let agent = world.start(&client, async |_: InboundMessage| HandlerOutcome::Nothing);
    world.pass(1).await;
    for number in 0..501 {
        client.notify(&number.to_string(), &[]).await.unwrap();
    }
    world.say(id, "m-last", "last").await;
    let polls = world.count(&format!("GET /workspaces/{id}/activity"));
    world.pass(5).await;
    assert_eq!(
        world.count(&format!("GET /workspaces/{id}/activity")) - polls,
        2
    );
    agent.stop().await.unwrap();
}

/// How often an answer to a peer is sent when the platform says this of it.
async fn tries_to_answer(status: u16, body: &'static str) -> usize {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agent = world.start(&two, shout);
    world.pass(1).await;
    let path = format!("/workspaces/{}/a2a", one.workspace_id());
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    let answers = path.clone();
    world.trouble(move |request| {
        (request.uri().path() == answers).then_some(crate::world::Trouble::Says(status, body))
    });
    world.pass(7200).await;
    world.no_trouble();
    agent.stop().await.unwrap();
    world.count(&format!("POST {path}"))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_sent_again_only_where_that_may_help() {
    let check = async |status, body: &'static str, expect| {
        assert_eq!(
            tries_to_answer(status, body).await,
            expect,
            "{status} {body}"
        );
    };
    check(200, "<html>not json</html>", 1).await;
    check(202, r#"{"queued":true,"queue_id":"q"}"#, 1).await;
    check(200, r#"{"error":{"code":-32000,"message":"no"}}"#, 1).await;
    check(401, r#"{"error":"Unauthorized"}"#, 1).await;
    check(403, r#"{"error":"access denied: x"}"#, 1).await;
    check(402, r#"{"error":"workspace budget limit exceeded"}"#, 1).await;
    check(
        502,
        r#"{"error":"failed to read agent response","delivery_confirmed":true}"#,
        1,
    )
    .await;
    check(
        502,
        r#"{"error":"failed to read agent response","delivery_confirmed":false}"#,
        10,
    )
    .await;
    check(503, r#"{"error":"x","busy":true,"retry_after":30}"#, 10).await;
    check(
        503,
        r#"{"error":"workspace has no URL","status":"paused"}"#,
        10,
    )
    .await;
    check(500, r#"{"error":"agent exploded"}"#, 10).await;
    check(429, r#"{"error":"slow down"}"#, 10).await;
}
