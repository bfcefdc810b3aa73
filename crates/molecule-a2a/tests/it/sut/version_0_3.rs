//! The suite of version 0.3 names no version, and sends messages that do not say whether to wait.

use molecule_a2a::CardProfile;
use serde_json::{Value, json};

use super::hook::Hook;
use super::{Sut, in_task, said_by, with};

const BEGUN: [&str; 2] = ["submitted", "working"];

fn sut() -> Sut {
    Sut::start(CardProfile::Dual, "")
}

fn said(message_id: &str) -> Value {
    let part = json!({"kind": "text", "text": "hello"});
    json!({"message": {"kind": "message", "role": "user", "messageId": message_id, "parts": [part]}})
}

/// The id of a task that has just begun.
async fn start(sut: &Sut) -> Value {
    let mut task = sut.result("message/send", said("test-first")).await;
    let state = task["status"]["state"].as_str().unwrap();
    assert!(BEGUN.contains(&state), "{state}");
    task["id"].take()
}

/// Waits until a task waits for input.
async fn parked(sut: &Sut, id: &Value) -> Value {
    loop {
        let task = sut.result("tasks/get", json!({"id": id})).await;
        match task["status"]["state"].as_str().unwrap() {
            "input-required" => return task,
            state => assert!(BEGUN.contains(&state), "{state}"),
        }
    }
}

#[tokio::test]
async fn a_message_is_answered_at_once_and_its_task_waits_for_input_soon() {
    let sut = sut();
    let id = start(&sut).await;
    parked(&sut, &id).await;
}

#[tokio::test]
async fn a_task_goes_on_with_more_messages_and_keeps_them() {
    let sut = sut();
    let id = start(&sut).await;
    // While it works as well as later.
    let task = sut
        .result("message/send", in_task(said("test-second"), &id))
        .await;
    assert_eq!(task["id"], id);
    parked(&sut, &id).await;
    sut.result("message/send", in_task(said("test-third"), &id))
        .await;
    let task = parked(&sut, &id).await;
    assert_eq!(
        said_by(&task, "user"),
        ["test-first", "test-second", "test-third"]
    );
}

#[tokio::test]
async fn as_much_of_the_history_is_told_as_is_asked_for() {
    let sut = sut();
    let id = start(&sut).await;
    sut.result("message/send", in_task(said("test-second"), &id))
        .await;
    let task = sut
        .result("tasks/get", json!({"id": id, "historyLength": 1}))
        .await;
    assert_eq!(task["history"].as_array().map(Vec::len), Some(1), "{task}");
    let negative = json!({"id": id, "historyLength": -1});
    assert_eq!(sut.error("tasks/get", negative).await, -32602);
}

#[tokio::test]
async fn a_task_can_be_cancelled_once() {
    let sut = sut();
    let id = json!({"id": start(&sut).await});
    let task = sut.result("tasks/cancel", id.clone()).await;
    assert_eq!(task["status"]["state"], "canceled");
    assert_eq!(sut.error("tasks/cancel", id).await, -32002);
    assert_eq!(
        sut.error("tasks/cancel", json!({"id": "nope"})).await,
        -32001
    );
}

#[tokio::test]
async fn a_task_that_waits_for_input_can_be_cancelled() {
    let sut = sut();
    let id = start(&sut).await;
    parked(&sut, &id).await;
    let task = sut.result("tasks/cancel", json!({"id": id})).await;
    assert_eq!(task["status"]["state"], "canceled");
}

#[tokio::test]
async fn a_stream_opens_with_the_task_and_ends_when_that_waits() {
    let stream = sut().stream("message/stream", said("test-stream")).await;
    let events = stream.rest().await;
    assert_eq!(events[0]["kind"], "task");
    let last = events.last().unwrap();
    assert_eq!(last["kind"], "status-update");
    assert_eq!(last["final"], true);
    assert_eq!(last["status"]["state"], "input-required");
}

#[tokio::test]
async fn who_subscribes_again_hears_more_of_a_task_that_keeps_telling() {
    let sut = sut();
    let params = said("test-resubscribe-message-id-1");
    let mut first = sut.stream("message/stream", params).await;
    let task = first.next().await.unwrap();
    let again = sut
        .stream("tasks/resubscribe", json!({"id": task["id"]}))
        .await;
    let again = again.rest().await;
    assert!(again.len() > 3, "only {} events", again.len());
    assert_eq!(again.last().unwrap()["status"]["state"], "completed");
    assert_eq!(first.rest().await.last(), again.last());
}

#[tokio::test]
async fn a_stream_that_is_refused_says_so_in_its_only_event() {
    let sut = sut();
    let call = super::call("tasks/resubscribe", &json!({"id": "nope"}));
    let (head, body) = sut.answer("POST /", &call).await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let event: Value = serde_json::from_str(body.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(event["error"]["code"], -32001);
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_the_status_200() {
    let sut = sut();
    let refused = [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":"#,
            -32700,
        ),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"message/send","params":{}}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":{"a":1},"method":"message/send","params":{}}"#,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"params":{}}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{}}"#,
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"":"x"}}"#,
            -32602,
        ),
    ];
    for (body, code) in refused {
        assert_eq!(sut.raw(body).await["error"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn a_message_that_lacks_something_is_refused() {
    let sut = sut();
    let message = said("test-incomplete")["message"].take();
    let broken = [
        with(message.clone(), "parts", json!([])),
        with(message.clone(), "messageId", Value::Null),
        with(message.clone(), "role", Value::Null),
        with(
            message,
            "parts",
            json!([{"type": "unsupported_type", "text": "x"}]),
        ),
    ];
    for message in broken {
        let params = json!({"message": message});
        let code = sut.error("message/send", params.clone()).await;
        assert_eq!(code, -32602, "{params}");
    }
}

#[tokio::test]
async fn webhooks_are_kept_told_and_deleted() {
    let sut = sut();
    let mut hook = Hook::start().await;
    let id = start(&sut).await;
    let config = json!({"id": "hook", "url": hook.url, "token": "secret"});
    let set = json!({"taskId": id, "pushNotificationConfig": config});
    let found = sut.result("tasks/pushNotificationConfig/set", set).await;
    assert_eq!(found["pushNotificationConfig"]["url"], hook.url);
    sut.result("tasks/cancel", json!({"id": id})).await;
    let (head, body) = hook.next_with("canceled").await;
    assert!(head.contains("x-a2a-notification-token: secret"), "{head}");
    assert_eq!((&body["kind"], &body["id"]), (&json!("task"), &id));
    let delete = json!({"id": id, "pushNotificationConfigId": "hook"});
    let answer = sut
        .call("tasks/pushNotificationConfig/delete", delete)
        .await;
    assert_eq!(answer.get("result"), Some(&Value::Null), "{answer}");
    let list = sut
        .result("tasks/pushNotificationConfig/list", json!({"id": id}))
        .await;
    assert_eq!(list, json!([]));
}

#[tokio::test]
async fn the_card_is_of_version_0_3_alone_if_that_is_its_profile() {
    let sut = Sut::start(CardProfile::V03, "");
    let (_, body) = sut.answer("GET /.well-known/agent-card.json", "").await;
    let card: Value = serde_json::from_str(&body).unwrap();
    assert!(
        card["protocolVersion"].as_str().unwrap().starts_with("0.3"),
        "{card}"
    );
    assert_eq!(card["url"], format!("http://{}/", sut.address));
    assert!(card.get("supportedInterfaces").is_none(), "{card}");
}
