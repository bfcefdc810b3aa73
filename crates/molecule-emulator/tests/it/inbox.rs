//! Messages for agents that poll, and what the user gets back.

use serde_json::json;

use crate::world::{World, texts};

const PROBE: &str = "?since_id=00000000-0000-0000-0000-000000000000&limit=1";

#[tokio::test]
async fn a_message_for_a_polling_agent_is_a_row_of_its_log() {
    let world = World::start().await;
    let (sender, poller) = (world.poller("sender").await, world.poller("poller").await);
    let call = world
        .message(&poller, "m-1", "hello")
        .header("x-workspace-id", &sender.id);
    let answer = call.bearer(&sender.token).send().await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        (&answer.json()["queued"], &answer.json()["queue_depth"]),
        (&json!(true), &json!(1))
    );

    let rows = world.activity(&poller, "?type=a2a_receive").await.json();
    let row = &rows[0];
    assert_eq!(row["id"], answer.json()["queue_id"]);
    assert_eq!(
        (&row["method"], &row["source_id"]),
        (&json!("message/send"), &json!(sender.id))
    );
    assert_eq!(row["request_body"]["params"]["message"]["messageId"], "m-1");
    assert_eq!(texts(&rows), ["hello"]);
}

#[tokio::test]
async fn a_cursor_walks_through_the_log_and_misses_nothing() {
    let world = World::start().await;
    let poller = world.poller("poller").await;
    world.say(&poller, "zero").await;
    let mut cursor = world.activity(&poller, "").await.json()[0]["id"].clone();
    for text in ["one", "two", "three", "four", "five"] {
        world.say(&poller, text).await;
    }
    let mut seen = Vec::new();
    loop {
        let query = format!("?since_id={}&limit=2", cursor.as_str().unwrap());
        let page = world.activity(&poller, &query).await.json();
        seen.extend(texts(&page));
        match page.as_array().unwrap().last() {
            Some(last) => cursor = last["id"].clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["one", "two", "three", "four", "five"]);
}

#[tokio::test]
async fn a_cursor_of_nobody_of_another_or_of_last_week_is_gone() {
    let world = World::start().await;
    let (poller, other) = (world.poller("poller").await, world.poller("other").await);
    world.say(&other, "foreign").await;
    world.say(&poller, "old").await;
    let id_of = |rows: serde_json::Value| rows[0]["id"].as_str().unwrap().to_owned();
    let foreign = id_of(world.activity(&other, "").await.json());
    let old = id_of(world.activity(&poller, "").await.json());
    assert_eq!(world.activity(&poller, PROBE).await.status, 410);
    assert_eq!(
        world
            .activity(&poller, &format!("?since_id={foreign}"))
            .await
            .status,
        410
    );
    assert_eq!(
        world
            .activity(&poller, &format!("?since_id={old}"))
            .await
            .summary(),
        (200, json!([]))
    );
    world.advance(8 * 24 * 3600);
    assert_eq!(
        world
            .activity(&poller, &format!("?since_id={old}"))
            .await
            .status,
        410
    );
}

#[tokio::test]
async fn generation_a_ignores_the_cursor() {
    let world = World::generation_a().await;
    let workspace = world.create("w").await;
    world
        .register(&workspace, &json!({ "url": "http://localhost:1" }))
        .await;
    world.say(&workspace, "first").await;
    let answer = world.activity(&workspace, PROBE).await;
    assert_eq!(
        (answer.status.as_u16(), texts(&answer.json())),
        (200, vec!["first".to_owned()])
    );
}

#[tokio::test]
async fn rows_can_be_narrowed_by_age_and_by_peer() {
    let world = World::start().await;
    let (peer, poller) = (world.poller("peer").await, world.poller("poller").await);
    let call = world
        .message(&poller, "m", "from peer")
        .header("x-workspace-id", &peer.id);
    call.bearer(&peer.token).send().await;
    world.advance(100);
    world.register(&poller, &json!({})).await;
    world.say(&poller, "from user").await;
    for (query, expect) in [
        (String::new(), vec!["from user", "from peer"]),
        ("?since_secs=50".to_owned(), vec!["from user"]),
        (format!("?peer_id={}", peer.id), vec!["from peer"]),
        (
            "?before_ts=2026-01-01T00:01:00Z".to_owned(),
            vec!["from peer"],
        ),
        ("?limit=1".to_owned(), vec!["from user"]),
        ("?source=agent".to_owned(), vec!["from peer"]),
    ] {
        assert_eq!(
            texts(&world.activity(&poller, &query).await.json()),
            expect,
            "{query}"
        );
    }
    assert_eq!(world.activity(&poller, "?peer_id=nobody").await.status, 400);
    assert_eq!(
        world.activity(&poller, "?before_ts=yesterday").await.status,
        400
    );
}

#[tokio::test]
async fn a_conversation_can_be_read_back() {
    let world = World::start().await;
    let poller = world.poller("poller").await;
    world.say(&poller, "ping").await;
    world.advance(1);
    let notify =
        json!({ "message": "pong", "attachments": [{ "uri": "workspace:/a", "name": "a" }] });
    let path = format!("/workspaces/{}/notify", poller.id);
    world
        .post(&path, &notify)
        .bearer(&poller.token)
        .send()
        .await;

    let path = format!("/workspaces/{}/chat-history", poller.id);
    let history = world
        .get(&path)
        .bearer(world.platform.admin_token())
        .send()
        .await
        .json();
    assert_eq!(history["reached_end"], true);
    let said: Vec<_> = history["messages"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&said[0]["role"], &said[0]["content"]),
        (&json!("user"), &json!("ping"))
    );
    assert_eq!(
        (&said[1]["role"], &said[1]["content"]),
        (&json!("agent"), &json!("pong"))
    );
    assert_eq!(said[1]["attachments"][0]["name"], "a");

    let earlier = world
        .get(&format!("{path}?before_ts=2026-01-01T00:00:01Z"))
        .bearer(&poller.token)
        .send()
        .await
        .json();
    let earlier: Vec<_> = earlier["messages"].as_array().unwrap().iter().collect();
    assert_eq!((earlier.len(), &earlier[0]["content"]), (1, &json!("ping")));

    let last = world
        .get(&format!("{path}?limit=1"))
        .bearer(&poller.token)
        .send()
        .await
        .json();
    assert_eq!(
        (last["messages"][0]["content"].clone(), &last["reached_end"]),
        (json!("pong"), &json!(false))
    );
}

#[tokio::test]
async fn a_paused_or_removed_agent_gets_no_messages() {
    let world = World::start().await;
    let poller = world.poller("poller").await;
    let path = format!("/workspaces/{}/pause", poller.id);
    world
        .post(&path, &json!({}))
        .bearer(&poller.token)
        .send()
        .await;
    let refused = json!({ "error": "workspace has no URL", "status": "paused" });
    assert_eq!(world.say(&poller, "lost").await.summary(), (503, refused));
    assert_eq!(
        world.activity(&poller, "").await.summary(),
        (200, json!([]))
    );
    world
        .delete(&format!("/workspaces/{}", poller.id))
        .send()
        .await;
    assert_eq!(world.say(&poller, "lost").await.status, 410);
}

#[tokio::test]
async fn an_agent_that_is_lost_finds_its_messages_when_it_is_back() {
    let world = World::start().await;
    let poller = world.poller("poller").await;
    world.advance(120);
    assert_eq!(world.status(&poller).await, "awaiting_agent");
    assert_eq!(world.say(&poller, "are you there").await.status, 202);
    world.register(&poller, &json!({})).await;
    assert_eq!(
        texts(&world.activity(&poller, "").await.json()),
        ["are you there"]
    );
}
