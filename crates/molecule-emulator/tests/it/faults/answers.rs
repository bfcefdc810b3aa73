//! Answers that are late, other than the platform's, or wrong.

use std::time::Duration;

use molecule_emulator::{Fault, FaultRule};
use serde_json::json;

use crate::world::{World, texts};

#[tokio::test]
async fn an_answer_comes_in_place_of_the_platforms() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let check = async |fault: Fault, status: u16, retry_after: Option<&str>, body: &str| {
        let rule = world.at_notify(fault);
        let answer = world.notify(&workspace, "hello").send().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("retry-after"), retry_after);
        assert_eq!(answer.text(), body);
        let is_json = answer.header("content-type").is_some();
        assert_eq!(is_json, body.starts_with('{'), "{answer:?}");
        world.platform.platform().remove_fault(rule);
    };
    let limited = r#"{"error":"rate limit exceeded"}"#;
    check(Fault::rate_limited(30), 429, Some("30"), limited).await;
    check(Fault::rate_limited(None), 429, None, limited).await;
    check(Fault::status(502), 502, None, "").await;
    check(Fault::answer(200, "<html>"), 200, None, "<html>").await;
    let refused = r#"{"error":"no"}"#;
    check(Fault::answer(422, refused), 422, None, refused).await;
    assert!(world.shown(&workspace).await.is_empty());
}

#[tokio::test]
async fn latency_is_the_platforms_time_and_adds_up() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    world.at_notify(Fault::latency(Duration::from_secs(3)));
    world.at_notify(Fault::latency(Duration::from_secs(2)));
    let late = tokio::spawn(world.notify(&workspace, "hello").send());
    while world.fired() != [1, 1] {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    world.advance(4);
    assert!(world.shown(&workspace).await.is_empty());
    world.advance(1);
    assert_eq!(late.await.unwrap().status, 200);
    assert_eq!(world.shown(&workspace).await, ["hello"]);
}

#[tokio::test]
async fn the_first_fault_decides_and_later_rules_do_not_count_it() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    world.add(FaultRule::new(Fault::status(500)).with_times(1));
    world.add(FaultRule::new(Fault::status(501)).with_times(1));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.notify(&workspace, "x").send().await.status.as_u16());
    }
    assert_eq!(statuses, [500, 501, 200]);
}

#[tokio::test]
async fn garbage_replaces_the_body_alone() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    world.at_notify(Fault::garbage());
    let answer = world.notify(&workspace, "hello").send().await;
    assert_eq!(answer.status, 200);
    let json = Some("application/json; charset=utf-8");
    assert_eq!(answer.header("content-type"), json);
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
    assert!(std::str::from_utf8(&answer.body).is_err());
    world.platform.platform().clear_faults();
    let body = Some("null".to_owned());
    world.at_notify(Fault::Garbage { body });
    assert_eq!(
        world.notify(&workspace, "hello").send().await.text(),
        "null"
    );
    assert_eq!(world.shown(&workspace).await, ["hello", "hello"]);
}

#[tokio::test]
async fn rows_come_twice_or_backwards() {
    let world = World::start().await;
    let workspace = world.poller("w").await;
    for text in ["a", "b"] {
        world.say(&workspace, text).await;
        world.advance(1);
    }
    let rows = async || texts(&world.activity(&workspace, "?type=a2a_receive").await.json());
    assert_eq!(rows().await, ["b", "a"]);
    world.add(FaultRule::new(Fault::DuplicateRows).with_times(1));
    world.add(FaultRule::new(Fault::ReorderRows).with_times(1));
    assert_eq!(rows().await, ["b", "b", "a", "a"]);
    assert_eq!(rows().await, ["a", "b"]);
    assert_eq!(rows().await, ["b", "a"]);
}

#[tokio::test]
async fn a_cursor_that_was_valid_is_gone() {
    let world = World::start().await;
    let workspace = world.poller("w").await;
    world.say(&workspace, "a").await;
    let rows = world.activity(&workspace, "").await.json();
    let query = format!("?since_id={}", rows[0]["id"].as_str().unwrap());
    let valid = world.activity(&workspace, &query).await;
    assert_eq!(valid.summary(), (200, json!([])));
    world.add(FaultRule::new(Fault::PrunedCursor).with_times(1));
    assert_eq!(world.activity(&workspace, "").await.status, 200);
    let pruned = world.activity(&workspace, &query).await;
    let unknown = "?since_id=00000000-0000-0000-0000-000000000000";
    let unknown = world.activity(&workspace, unknown).await;
    assert_eq!(pruned.summary(), unknown.summary());
    assert_eq!(pruned.status, 410);
    assert_eq!(world.activity(&workspace, &query).await.status, 200);
}

#[tokio::test]
async fn a_token_rotates_under_a_request() {
    let world = World::start().await;
    let mut workspace = world.create("w").await;
    world.add(
        FaultRule::new(Fault::rotate_token("chosen-token"))
            .with_skip(1)
            .with_times(1),
    );
    assert_eq!(world.notify(&workspace, "a").send().await.status, 200);
    assert_eq!(world.notify(&workspace, "b").send().await.status, 401);
    assert_eq!(world.notify(&workspace, "c").send().await.status, 401);
    workspace.token = "chosen-token".to_owned();
    assert_eq!(world.notify(&workspace, "d").send().await.status, 200);
    assert_eq!(world.shown(&workspace).await, ["a", "d"]);
}
