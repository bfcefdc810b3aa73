//! The end of a server.

use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::{MemoryTaskStore, TaskState, TaskStore};
use molecule_transport::testing::ManualClock;
use molecule_transport::{Clock as _, SystemClock};
use serde_json::json;

use super::sockets::{Running, request};
use super::world::message;

#[tokio::test]
async fn calls_in_work_are_answered_and_new_ones_are_told_to_come_back() {
    let running = Running::new(Arc::new(SystemClock::new()), |options| options);
    let mut waiting = running.connect().await;
    waiting
        .write(request("message/send", &message("wait hi")))
        .await;
    running.agent.waits.notified().await;
    let mut other = running.connect().await;
    other.call("message/send", message("msg hi")).await;
    running.stop.cancel();
    // The server hears of it a moment later.
    let refused = loop {
        let heard = other.call("message/send", message("msg hi")).await;
        if heard.status() != "200" {
            break heard;
        }
    };
    assert_eq!(refused.status(), "503");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    assert!(refused.json()["error"].is_string());
    let mut new = running.connect().await;
    new.write("GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(new.hear().await.unwrap().status(), "503");
    assert!(!running.ended.is_finished());
    running.agent.go.notify_one();
    assert_eq!(
        waiting.hear().await.unwrap().json()["result"]["parts"][0]["text"],
        "hi"
    );
    running.ended.await.unwrap();
}

#[tokio::test]
async fn a_server_without_work_ends_at_once() {
    let running = Running::new(Arc::new(ManualClock::new()), |options| options);
    let mut idle = running.connect().await;
    idle.call("message/send", message("msg hi")).await;
    running.stop.cancel();
    running.ended.await.unwrap();
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn tasks_go_on_and_their_streams_hear_the_end() {
    let running = Running::new(Arc::new(SystemClock::new()), |options| options);
    let mut stream = running.connect().await;
    stream
        .write(request("message/stream", &message("held")))
        .await;
    stream.until("\n\n").await.unwrap();
    running.agent.waits.notified().await;
    running.stop.cancel();
    running.agent.go.notify_one();
    let last = stream.until("0\r\n\r\n").await.unwrap();
    assert!(last.contains(r#""state":"completed""#), "{last}");
    running.ended.await.unwrap();
}

#[tokio::test]
async fn what_is_not_done_in_time_is_given_up_and_kept_as_failed() {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryTaskStore::new(Arc::new(clock.clone())));
    let running = Running::new(Arc::new(clock.clone()), |options| {
        options
            .with_task_store(store.clone())
            .with_drain_timeout(Duration::from_secs(3))
    });
    let mut client = running.connect().await;
    let mut params = message("stubborn");
    params["configuration"] = json!({"blocking": false});
    let heard = client.call("message/send", params).await;
    let id = heard.json()["result"]["id"].as_str().unwrap().to_owned();
    client
        .write(request("message/send", &message("wait for ever")))
        .await;
    running.agent.waits.notified().await;
    running.stop.cancel();
    while !running.ended.is_finished() {
        clock.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    assert!(client.is_closed().await);
    let task = store.load(&id).await.unwrap().unwrap().task;
    assert_eq!(task.status.state, TaskState::Failed);
}

#[tokio::test]
async fn a_call_that_is_given_up_holds_the_server_for_no_longer_than_its_answer_may_take() {
    let clock = ManualClock::new();
    let running = Running::new(Arc::new(clock.clone()), |options| {
        options.with_drain_timeout(Duration::from_secs(3))
    });
    let mut client = running.connect().await;
    client
        .write(request("message/send", &message("wait for ever")))
        .await;
    running.agent.waits.notified().await;
    let before = clock.now();
    running.stop.cancel();
    while !running.ended.is_finished() {
        tokio::task::yield_now().await;
        clock.advance(Duration::from_millis(10));
    }
    let took = clock.now() - before;
    let timeout_and_last_words = Duration::from_secs(3) + Duration::from_secs(2);
    assert!(
        took < timeout_and_last_words + Duration::from_secs(1),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_stream_of_a_task_that_waits_does_not_hold_the_server() {
    let running = Running::new(Arc::new(ManualClock::new()), |options| options);
    let mut client = running.connect().await;
    let heard = client.call("message/send", message("ask")).await;
    let id = heard.json()["result"]["id"].clone();
    client
        .write(request("tasks/resubscribe", &json!({"id": id})))
        .await;
    client.until("\n\n").await.unwrap();
    running.stop.cancel();
    running.ended.await.unwrap();
    assert!(client.until("0\r\n\r\n").await.is_some());
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let running = Running::new(Arc::new(SystemClock::new()), |options| options);
    let mut idle = running.connect().await;
    idle.call("message/send", message("msg hi")).await;
    let mut waiting = running.connect().await;
    waiting
        .write(request("message/send", &message("wait hi")))
        .await;
    running.agent.waits.notified().await;
    running.ended.abort();
    assert!(idle.is_closed().await && waiting.is_closed().await);
}
