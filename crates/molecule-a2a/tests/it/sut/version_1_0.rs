//! The suite of version 1.0 says what it wants with the beginning of a message's id.

use molecule_a2a::CardProfile;
use serde_json::{Value, json};

use super::hook::Hook;
use super::{Sut, in_task, said_by, with};

fn sut() -> Sut {
    Sut::start(CardProfile::V1, "A2A-Version: 1.0\r\n")
}

fn said(message_id: &str) -> Value {
    json!({"message": {"role": "ROLE_USER", "messageId": message_id, "parts": [{"text": "hello"}]}})
}

/// The task of an answer, which has to be in this state.
async fn task_in(sut: &Sut, message_id: &str, state: &str) -> Value {
    let mut answer = sut.result("SendMessage", said(message_id)).await;
    let task = answer["task"].take();
    let state = format!("TASK_STATE_{state}");
    assert_eq!(task["status"]["state"], state, "{message_id}");
    task
}

async fn streamed(sut: &Sut, message_id: &str) -> Vec<Value> {
    let stream = sut.stream("SendStreamingMessage", said(message_id)).await;
    stream.rest().await
}

#[tokio::test]
async fn a_task_is_completed_with_a_greeting() {
    let task = task_in(&sut(), "tck-complete-task-1", "COMPLETED").await;
    assert_eq!(
        task["status"]["message"]["parts"][0]["text"],
        "Hello from TCK"
    );
    assert!(task["contextId"].is_string(), "{task}");
}

#[tokio::test]
async fn a_message_may_be_the_whole_answer() {
    let answer = sut()
        .result("SendMessage", said("tck-message-response-1"))
        .await;
    let message = &answer["message"];
    assert_eq!(message["parts"][0]["text"], "Direct message response");
    assert_eq!(message["role"], "ROLE_AGENT");
}

#[tokio::test]
async fn artifacts_are_of_every_kind() {
    let sut = sut();
    let output = |key: &str, value: &str| json!({key: value, "filename": "output.txt", "mediaType": "text/plain"});
    let artifacts = [
        ("text", json!({"text": "Generated text content"})),
        ("file", output("raw", "dGNr")),
        ("file-url", output("url", "https://example.com/output.txt")),
        ("data", json!({"data": {"key": "value", "count": 42}})),
    ];
    for (kind, part) in artifacts {
        let task = task_in(&sut, &format!("tck-artifact-{kind}-1"), "COMPLETED").await;
        assert_eq!(task["artifacts"][0]["parts"], json!([part]), "{kind}");
    }
}

#[tokio::test]
async fn a_task_that_waits_for_input_is_completed_by_the_next_message() {
    let sut = sut();
    let task = task_in(&sut, "tck-input-required-1", "INPUT_REQUIRED").await;
    let next = in_task(said("tck-complete-task-1"), &task["id"]);
    let done = sut.result("SendMessage", next).await["task"].take();
    assert_eq!(done["status"]["state"], "TASK_STATE_COMPLETED");
    assert_eq!(done["id"], task["id"]);
    assert_eq!(done["contextId"], task["contextId"]);
    let ids = said_by(&done, "ROLE_USER");
    assert_eq!(ids, ["tck-input-required-1", "tck-complete-task-1"]);
}

#[tokio::test]
async fn a_task_may_wait_for_a_sign_in() {
    task_in(&sut(), "tck-auth-required-1", "AUTH_REQUIRED").await;
}

#[tokio::test]
async fn a_rejected_task_is_an_error() {
    let answer = sut().call("SendMessage", said("tck-reject-task-1")).await;
    assert_eq!(answer["error"]["message"], "rejected", "{answer}");
}

#[tokio::test]
async fn an_answer_waits_for_the_end_unless_it_shall_not() {
    let sut = sut();
    let task = task_in(&sut, "tck-delayed-complete-1", "COMPLETED").await;
    assert_eq!(
        task["status"]["message"]["parts"][0]["text"],
        "Done after delay"
    );
    let at_once = json!({"returnImmediately": true});
    let params = with(said("tck-delayed-complete-2"), "configuration", at_once);
    let answer = sut.result("SendMessage", params).await;
    let state = answer["task"]["status"]["state"].as_str().unwrap();
    assert!(
        ["TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"].contains(&state),
        "{state}"
    );
}

#[tokio::test]
async fn any_other_message_completes() {
    let sut = sut();
    for id in ["tck-something-new", "not even one of theirs"] {
        task_in(&sut, id, "COMPLETED").await;
    }
}

#[tokio::test]
async fn the_same_message_again_is_another_task() {
    let sut = sut();
    let first = task_in(&sut, "tck-input-required-1", "INPUT_REQUIRED").await;
    let second = task_in(&sut, "tck-input-required-1", "INPUT_REQUIRED").await;
    assert_ne!(first["id"], second["id"]);
}

/// What an event is, in a word, and the text of an artifact.
fn kind(event: &Value) -> String {
    let artifact = &event["artifactUpdate"]["artifact"]["parts"][0]["text"];
    let state = &event["statusUpdate"]["status"]["state"];
    let words = [
        artifact.as_str(),
        state.as_str(),
        event["task"].is_object().then_some("task"),
    ];
    words.into_iter().flatten().collect()
}

#[tokio::test]
async fn streams_open_with_the_task_and_end_with_it() {
    let sut = sut();
    let streams = [
        ("tck-stream-001", vec!["Stream hello from TCK"]),
        ("tck-stream-003", vec!["Stream task lifecycle"]),
        ("tck-stream-ordering-001", vec!["Ordered output"]),
        ("tck-stream-artifact-text", vec!["Streamed text content"]),
        ("tck-stream-artifact-chunked", vec!["chunk-1 ", "chunk-2"]),
    ];
    for (id, pieces) in streams {
        let kinds: Vec<_> = streamed(&sut, id).await.iter().map(kind).collect();
        let begin = vec!["task", "TASK_STATE_WORKING"];
        let expected = [begin, pieces, vec!["TASK_STATE_COMPLETED"]].concat();
        assert_eq!(kinds, expected, "{id}");
    }
    let kinds: Vec<_> = streamed(&sut, "tck-stream-002")
        .await
        .iter()
        .map(kind)
        .collect();
    assert_eq!(kinds, ["task", "TASK_STATE_COMPLETED"]);
}

#[tokio::test]
async fn a_file_is_streamed() {
    let events = streamed(&sut(), "tck-stream-artifact-file").await;
    let artifact = &events[2]["artifactUpdate"]["artifact"];
    assert_eq!(artifact["parts"][0]["raw"], "dGNr", "{events:?}");
}

#[tokio::test]
async fn the_last_piece_of_an_artifact_says_that_it_is_the_last() {
    let events = streamed(&sut(), "tck-stream-artifact-chunked").await;
    let [first, second] = [2, 3].map(|index| &events[index]["artifactUpdate"]);
    assert_eq!(
        first["artifact"]["artifactId"],
        second["artifact"]["artifactId"]
    );
    assert_ne!(first["lastChunk"], true, "{first}");
    assert_eq!(second["append"], true, "{second}");
    assert_eq!(second["lastChunk"], true, "{second}");
}

#[tokio::test]
async fn a_task_keeps_telling_for_who_subscribes_again() {
    let sut = sut();
    let params = said("test-resubscribe-message-id-1");
    let mut first = sut.stream("SendStreamingMessage", params).await;
    let task = first.next().await.unwrap()["task"].take();
    let again = sut
        .stream("SubscribeToTask", json!({"id": task["id"]}))
        .await;
    let again = again.rest().await;
    assert_eq!(again[0]["task"]["id"], task["id"]);
    assert!(again.len() > 3, "only {} events", again.len());
}

#[tokio::test]
async fn every_subscriber_hears_the_same_and_none_that_another_left() {
    let sut = sut();
    let task = task_in(&sut, "tck-input-required-1", "INPUT_REQUIRED").await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = sut
            .stream("SubscribeToTask", json!({"id": task["id"]}))
            .await;
        assert_eq!(stream.next().await.unwrap()["task"]["id"], task["id"]);
        streams.push(stream);
    }
    drop(streams.pop());
    let next = in_task(said("tck-complete-task-1"), &task["id"]);
    sut.result("SendMessage", next).await;
    let second = streams.pop().unwrap().rest().await;
    assert_eq!(streams.pop().unwrap().rest().await, second);
    assert_eq!(
        second.last().map(kind).as_deref(),
        Some("TASK_STATE_COMPLETED")
    );
}

#[tokio::test]
async fn a_task_that_is_over_takes_no_more() {
    let sut = sut();
    let task = task_in(&sut, "tck-complete-task-1", "COMPLETED").await;
    let id = json!({"id": task["id"]});
    let more = in_task(said("tck-terminal"), &task["id"]);
    assert_eq!(sut.error("SendMessage", more).await, -32004);
    assert_eq!(sut.error("SubscribeToTask", id.clone()).await, -32004);
    assert_eq!(sut.error("CancelTask", id).await, -32002);
}

#[tokio::test]
async fn what_does_not_fit_the_task_is_refused() {
    let sut = sut();
    let task = task_in(&sut, "tck-input-required-1", "INPUT_REQUIRED").await;
    let mut elsewhere = in_task(said("tck-mismatch"), &task["id"]);
    elsewhere["message"]["contextId"] = json!("another conversation");
    assert_eq!(sut.error("SendMessage", elsewhere).await, -32602);
    let unknown = in_task(said("tck-multi-004"), &json!("nope"));
    assert_eq!(sut.error("SendMessage", unknown).await, -32001);
    assert_eq!(
        sut.error("SubscribeToTask", json!({"id": "nope"})).await,
        -32001
    );
}

#[tokio::test]
async fn content_of_an_unknown_kind_is_refused() {
    let part = json!({"raw": "dGNr", "mediaType": "application/x-unsupported-tck-type"});
    let mut params = said("tck-send-003");
    params["message"]["parts"] = json!([part]);
    assert_eq!(sut().error("SendMessage", params).await, -32005);
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_refused() {
    let sut = Sut::start(CardProfile::V1, "A2A-Version: 9.9\r\n");
    assert_eq!(
        sut.error("SendMessage", said("tck-complete-task")).await,
        -32009
    );
}

#[tokio::test]
async fn an_error_says_its_reason() {
    let answer = sut().call("GetTask", json!({"id": "nope"})).await;
    assert_eq!(answer["error"]["code"], -32001);
    let info = &answer["error"]["data"][0];
    assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(info["reason"], "TASK_NOT_FOUND");
    assert_eq!(info["domain"], "a2a-protocol.org");
}

#[tokio::test]
async fn the_card_is_of_its_version_alone_and_can_be_cached() {
    let (head, body) = sut().answer("GET /.well-known/agent-card.json", "").await;
    for name in ["cache-control: ", "max-age=", "etag: ", "last-modified: "] {
        assert!(head.contains(name), "no {name} in {head}");
    }
    let card: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(card["supportedInterfaces"][0]["protocolBinding"], "JSONRPC");
    for name in ["url", "protocolVersion", "preferredTransport"] {
        assert!(card.get(name).is_none(), "{name} in {card}");
    }
}

#[tokio::test]
async fn calls_are_taken_at_the_address_of_the_card_with_a_slash_behind_it() {
    let sut = sut();
    let (_, body) = sut.answer("GET /.well-known/agent-card.json", "").await;
    let card: Value = serde_json::from_str(&body).unwrap();
    let url = card["supportedInterfaces"][0]["url"].as_str().unwrap();
    let host = format!("http://{}", sut.address);
    let path = url.strip_prefix(&host).unwrap().trim_end_matches('/');
    let call = super::call("GetTask", &json!({"id": "nope"}));
    let (_, body) = sut.answer(&format!("POST {path}/"), &call).await;
    assert!(body.contains("TASK_NOT_FOUND"), "{url}: {body}");
}

#[tokio::test]
async fn a_stream_that_is_refused_is_no_stream() {
    let sut = sut();
    let params = in_task(said("tck-stream-001"), &json!("nope"));
    assert_eq!(sut.error("SendStreamingMessage", params).await, -32001);
    let params = json!({"id": "nope"});
    assert_eq!(sut.error("SubscribeToTask", params).await, -32001);
    let params = said("tck-reject-task");
    assert_eq!(sut.error("SendStreamingMessage", params).await, -32004);
}

#[tokio::test]
async fn a_webhook_is_told_with_its_credentials() {
    let sut = sut();
    let mut hook = Hook::start().await;
    let bearer = json!({"scheme": "Bearer", "credentials": "secret"});
    let config = json!({"id": "hook", "url": hook.url, "authentication": bearer});
    let configuration = json!({"taskPushNotificationConfig": config});
    let params = with(said("tck-input-required-1"), "configuration", configuration);
    let task = sut.result("SendMessage", params).await["task"].take();
    let next = in_task(said("tck-complete-task-1"), &task["id"]);
    sut.result("SendMessage", next).await;
    let (head, body) = hook.next_with("TASK_STATE_COMPLETED").await;
    assert!(head.contains("authorization: bearer secret"), "{head}");
    assert_eq!(body["statusUpdate"]["taskId"], task["id"], "{body}");
}

#[tokio::test]
async fn a_webhook_can_be_set_for_a_task_that_is_over_and_deleted_twice() {
    let sut = sut();
    let task = task_in(&sut, "tck-complete-task-1", "COMPLETED").await;
    let url = "https://example.com/tck-push-webhook";
    let config = json!({"taskId": task["id"], "id": "push", "url": url});
    sut.result("CreateTaskPushNotificationConfig", config).await;
    let id = json!({"taskId": task["id"], "id": "push"});
    let found = sut
        .result("GetTaskPushNotificationConfig", id.clone())
        .await;
    assert_eq!(found["url"], url);
    for _ in 0..2 {
        sut.result("DeleteTaskPushNotificationConfig", id.clone())
            .await;
    }
    let answer = sut.call("GetTaskPushNotificationConfig", id).await;
    assert!(answer["error"].is_object(), "{answer}");
}
