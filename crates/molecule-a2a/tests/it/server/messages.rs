//! Messages that are answered with messages, and what is no call at all.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use molecule_a2a::{A2aError, Card, Incoming, Limits, Message, ServerOptions, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::world::{World, message, message_v1, post, read};

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_as_the_platform_reads_it() {
    let world = World::new();
    let body = json!({"jsonrpc": "2.0", "id": "custom-id-123", "method": "message/send", "params": message("msg hi")});
    let (status, answer) = world.post_bytes("/", body.to_string()).await;
    assert_eq!(status, 200);
    for bytes in [
        r#""role":"agent""#,
        r#""kind":"text""#,
        r#""kind":"message""#,
        r#""id":"custom-id-123""#,
        r#""text":"hi""#,
    ] {
        assert!(answer.contains(bytes), "{bytes} {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_come_back_with_their_type() {
    let world = World::new();
    for id in ["7", "\"7\"", "null", "1.5"] {
        let params = message("msg hi");
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"message/send","params":{params}}}"#);
        let (_, answer) = world.post_bytes("/", body).await;
        assert!(answer.contains(&format!(r#""id":{id}"#)), "{id} {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn parts_are_tagged_by_kind_or_by_type() {
    let world = World::new();
    let params = |tag: &str, value: &str| {
        let mut params = message("");
        params["message"]["parts"] = json!([{tag: value, "text": "msg hi"}]);
        params
    };
    for tag in ["kind", "type"] {
        let answer = world.result("message/send", params(tag, "text")).await;
        assert_eq!(answer["parts"][0]["text"], "hi", "{tag}");
        let refused = world
            .error("message/send", params(tag, "unsupported_type"))
            .await;
        assert_eq!(refused, -32602, "{tag}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_versions_are_spoken_on_one_address() {
    let world = World::new();
    let answer = world.send("msg hi").await;
    assert_eq!(answer["role"], "agent");
    let answer = world.result("SendMessage", message_v1("msg hi")).await;
    assert_eq!(answer["message"]["role"], "ROLE_AGENT");
    assert_eq!(answer["message"]["parts"], json!([{"text": "hi"}]));
}

#[tokio::test(start_paused = true)]
async fn a_version_is_named_in_the_header_or_in_the_query() {
    let world = World::new();
    let ask = async |header: Option<&str>, path: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": message_v1("msg hi")});
        let request = post(path).header("a2a-version", header.unwrap_or(""));
        let request = request.body(body.to_string().into()).unwrap();
        let (status, answer) = read(world.request(request).await).await;
        assert_eq!(status, 200);
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    assert_eq!(
        ask(Some("1.0"), "/").await["result"]["message"]["role"],
        "ROLE_AGENT"
    );
    for (header, path) in [(Some("9.9"), "/"), (None, "/?A2A-Version=9.9")] {
        let error = &ask(header, path).await["error"];
        assert_eq!(error["code"], -32009, "{error}");
        assert_eq!(error["data"][0]["reason"], "VERSION_NOT_SUPPORTED");
    }
    assert_eq!(ask(Some("0.3"), "/").await["error"]["code"], -32601);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_call_is_an_error_of_json_rpc_at_status_200() {
    let world = World::new();
    for (body, code) in [
        (r#"{"jsonrpc":"2.0","#.to_owned(), -32700),
        (r#"{"jsonrpc":"1.0","id":1,"method":"message/send"}"#.into(), -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"message/send"}"#.into(), -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#.into(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nonexistent/method"}"#.into(), -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list","params":{}}"#.into(), -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"":1}}"#.into(), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"x","historyLength":-1}}"#.into(), -32602),
        (String::new(), -32700),
    ] {
        let (status, answer) = world.post_bytes("/", body.clone()).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, answer["error"]["code"].as_i64()), (200, Some(code)), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_without_parts_id_or_role_is_refused() {
    let world = World::new();
    for member in ["messageId", "role", "parts"] {
        let mut params = message("msg hi");
        params["message"].as_object_mut().unwrap().remove(member);
        assert_eq!(
            world.error("message/send", params).await,
            -32602,
            "{member}"
        );
    }
    let mut params = message("msg hi");
    params["message"]["parts"] = json!([]);
    assert_eq!(world.error("message/send", params).await, -32602);
    assert_eq!(world.agent.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_of_text_is_taken_and_more_than_the_limit_is_not() {
    let world = World::new();
    let text = format!("msg {}", "x".repeat(1_000_000));
    assert_eq!(
        world.send(&text).await["parts"][0]["text"]
            .as_str()
            .unwrap()
            .len(),
        1_000_000
    );
    let (status, answer) = world.post_bytes("/", "x".repeat((1 << 20) + 1)).await;
    assert_eq!(status, 200);
    assert!(answer.contains(r#""id":null"#) && answer.contains("-32600"));
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_body_can_be_set() {
    let world = World::with(|options| options.with_limits(Limits::default().with_body_bytes(100)));
    let (status, answer) = world.post_bytes("/", "x".repeat(101)).await;
    assert_eq!(status, 200);
    assert!(
        answer.contains("-32600") && answer.contains("100 bytes"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_given_up() {
    let world = World::new();
    let body = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, axum::Error>>());
    let (status, answer) = world.post_bytes("/", body).await;
    assert_eq!(status, 200);
    assert!(answer.contains("too slowly"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn messages_are_taken_at_every_spelling_of_the_address() {
    let world = World::with(|options| options.with_path("/agents/me"));
    let body = || json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": message("msg hi")});
    for base in ["", "/agents/me"] {
        for end in ["/", "/a2a", "/a2a/"] {
            let path = format!("{base}{end}");
            let (status, answer) = world.post_bytes(&path, body().to_string()).await;
            assert!(
                status == 200 && answer.contains(r#""text":"hi""#),
                "{path} {answer}"
            );
        }
    }
    let (status, _) = world.post_bytes("/agents/me", body().to_string()).await;
    assert_eq!(status, 200);
    let (status, answer) = world.post_bytes("/elsewhere", body().to_string()).await;
    assert_eq!((status, &*answer), (404, r#"{"error":"not found"}"#));
}

#[tokio::test(start_paused = true)]
async fn the_agent_says_that_it_is_there() {
    let world = World::with(|options| options.with_path("/me"));
    for path in ["/", "/health", "/me", "/a2a"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (status, answer) = read(world.request(request).await).await;
        assert_eq!((status, &*answer), (200, r#"{"status":"ok"}"#), "{path}");
    }
    let request = Request::builder().method(Method::DELETE).uri("/");
    let answer = world.request(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 405);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_and_fifty_six_messages_at_once_are_answered() {
    let world = World::new();
    let texts: Vec<_> = (0..256).map(|index| format!("msg {index}")).collect();
    let answers = texts.iter().map(|text| world.send(text));
    let answers = futures_util::future::join_all(answers).await;
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer["parts"][0]["text"], index.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_sees_metadata_and_a_context_of_the_conversation() {
    let world = World::new();
    let mut params = message("metadata");
    params["metadata"] = json!({"history": [{"role": "user", "parts": []}]});
    let answer = world.result("message/send", params).await;
    let seen: Value = serde_json::from_str(answer["parts"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(seen, json!({"history": [{"role": "user", "parts": []}]}));

    let answer = world.send("context").await;
    assert_eq!(answer["parts"][0]["text"], answer["contextId"]);
    assert_eq!(answer["contextId"].as_str().unwrap().len(), 36);
    let mut params = message("context");
    params["message"]["contextId"] = "c-1".into();
    let answer = world.result("message/send", params).await;
    assert_eq!(
        (&answer["parts"][0]["text"], &answer["contextId"]),
        (&json!("c-1"), &json!("c-1"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_costs_stands_where_the_platform_reads_it() {
    let world = World::new();
    assert_eq!(world.send("usage").await["usage"]["input_tokens"], 1);
    assert_eq!(world.send("hi").await["usage"]["output_tokens"], 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_panics_fails_one_call_and_answers_the_next() {
    let world = World::new();
    let failed = world.call("message/send", message("panic")).await;
    assert_eq!(failed["error"]["code"], -32603);
    assert!(!failed.to_string().contains("test wants"), "{failed}");
    assert_eq!(world.send("msg hi").await["parts"][0]["text"], "hi");
}

#[tokio::test(start_paused = true)]
async fn an_agent_refuses_in_its_own_words() {
    assert_eq!(
        World::new().error("message/send", message("refuse")).await,
        -32005
    );
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_an_agent() {
    let agent =
        async |incoming: Incoming| Ok::<_, A2aError>(Message::agent(incoming.message.text()));
    let router = router(Arc::new(agent), ServerOptions::new(Card::new("echo", "")));
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": message("hi")});
    let request = post("/").body(Body::from(body.to_string())).unwrap();
    let (_, answer) = read(router.oneshot(request).await.unwrap()).await;
    assert!(answer.contains(r#""text":"hi""#), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_limit_are_told_to_come_back() {
    let limits = Limits::default().with_load(1, 1, 10);
    let world = World::with(|options| options.with_limits(limits));
    let waiting = world.send("wait hi");
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => unreachable!("nobody let it go"),
        () = world.agent.waits.notified() => {}
    }
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": message("msg hi")});
    let request = post("/").body(body.to_string().into()).unwrap();
    let refused = world.request(request).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let (_, answer) = read(refused).await;
    assert!(serde_json::from_str::<Value>(&answer).unwrap()["error"].is_string());
    world.agent.go.notify_one();
    waiting.await;
    world.send("msg hi").await;
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_the_limit_are_told_to_come_back() {
    let limits = Limits::default().with_load(1, 1, 10);
    let world = World::with(|options| options.with_limits(limits));
    let first = world.stream("message/stream", message("sleep 60")).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": message("hi")});
    let ask = async || {
        let request = post("/").body(Body::from(body.to_string())).unwrap();
        world.request(request).await.status().as_u16()
    };
    assert_eq!(ask().await, 503);
    // It is no call in work.
    world.send("msg hi").await;
    drop(first);
    assert_eq!(ask().await, 200);
}
