//! The route of the Python SDK's server.

use serde_json::{Value, json};

use super::world::{World, message};

const PATH: &str = "/a2a/inbound";

async fn ask(world: &World, body: Value) -> (u16, Value) {
    let (status, answer) = world.post_bytes(PATH, body.to_string()).await;
    (status, serde_json::from_str(&answer).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_flat_request_is_answered_in_the_shape_of_the_original() {
    let world = World::new();
    for body in [
        json!({"task_id": "t", "parts": [{"type": "text", "text": "msg hi"}], "idempotency_key": "k"}),
        json!({"message": "msg hi"}),
        json!({"text": "msg hi"}),
        json!({"message": {"parts": [{"kind": "text", "text": "msg hi"}]}}),
    ] {
        let (status, answer) = ask(&world, body.clone()).await;
        assert_eq!(
            (status, &answer["status"]),
            (200, &json!("ok")),
            "{body} {answer}"
        );
        assert_eq!(answer["result"]["parts"][0]["text"], "hi", "{body}");
        assert_eq!(answer.as_object().unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_sees_what_else_stood_there() {
    let body = json!({"task_id": "t", "parts": [{"type": "text", "text": "metadata"}]});
    let (_, answer) = ask(&World::new(), body).await;
    assert_eq!(answer["result"]["parts"][0]["text"], r#"{"task_id":"t"}"#);
}

#[tokio::test(start_paused = true)]
async fn json_rpc_is_answered_as_json_rpc_and_says_that_it_went_well() {
    let world = World::with(|options| options.with_path(PATH));
    let body =
        json!({"jsonrpc": "2.0", "id": 5, "method": "message/send", "params": message("msg hi")});
    let (status, answer) = ask(&world, body).await;
    assert_eq!(
        (status, &answer["status"], &answer["id"]),
        (200, &json!("ok"), &json!(5))
    );
    assert_eq!(answer["result"]["parts"][0]["text"], "hi");
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "x"});
    let (status, answer) = ask(&world, body).await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32601)));
    assert_eq!(answer.get("status"), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_has_a_status_of_its_own() {
    let world = World::new();
    for body in ["", "{", "[]", "7", "{}", r#"{"parts":[{"type":"video"}]}"#] {
        let (status, answer) = world.post_bytes(PATH, body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    let (status, answer) = ask(&world, json!({"text": "panic"})).await;
    assert_eq!(
        (status, &answer["error"]),
        (500, &json!("the agent failed"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_request_under_its_key_is_answered_once() {
    let world = World::new();
    let body = json!({"text": "msg hi", "idempotency_key": "k"});
    assert_eq!(ask(&world, body.clone()).await, ask(&world, body).await);
    assert_eq!(world.agent.asked(), 1);
}
