//! What the stub answers, over real sockets.

use std::sync::Arc;

use molecule_agent::stub::{StubError, StubRuntime};
use molecule_transport::testing::{ScriptedTransport, answer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{ID, Lines, StubRuntimeAt, config, exchange, run, within_limit};

/// A stub that a platform takes without a word.
fn bind() -> StubRuntime {
    let platform = ScriptedTransport::new(|_| async { Ok(answer(200, "{}")) });
    let config = config("http://platform:8080").with_transport(Arc::new(platform));
    StubRuntime::bind(config, |_| ()).unwrap()
}

fn stub() -> StubRuntimeAt {
    run(bind())
}

/// The answer with the id of its message, which is made up, replaced by `*`.
fn without_message_id(body: &str) -> String {
    let (before, after) = body.split_once(r#""messageId":""#).expect("a message id");
    let (id, end) = after.split_once('"').unwrap();
    assert_eq!(id.len(), 36, "{id} is a UUID");
    format!(r#"{before}"messageId":"*"{end}"#)
}

const OK: &str = r#"{"jsonrpc":"2.0","id":"custom-id-123","result":{"kind":"message","role":"agent","parts":[{"kind":"text","text":"STUB OK"}],"messageId":"*"}}"#;

#[tokio::test]
async fn a_message_on_any_path_is_answered_with_stub_ok_in_compact_json() {
    let stub = stub();
    let message = r#"{"jsonrpc": "2.0", "id": "custom-id-123", "method": "message/send", "params": {"message": {}}}"#;
    for path in ["/", "/a2a", "/any/where?x=1", "/health"] {
        let (head, body) = stub.request("POST", path, message).await;
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert_eq!(without_message_id(&body), OK);
    }
}

#[tokio::test]
async fn an_unknown_method_is_an_error_with_status_200() {
    let request = r#"{"id":7,"method":"tasks/get"}"#;
    let (head, body) = stub().request("POST", "/", request).await;
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    assert_eq!(
        body,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"method not found: tasks/get"}}"#
    );
}

#[tokio::test]
async fn a_body_that_says_nothing_is_answered_all_the_same() {
    let stub = stub();
    for body in ["", "{not json", "[1,2]", "\"text\""] {
        let (head, answer) = stub.request("POST", "/", body).await;
        assert!(head.starts_with("http/1.1 200 ok"), "{body:?}: {head}");
        assert!(answer.contains(r#""text":"STUB OK""#), "{body:?}: {answer}");
    }
    let without_length = "POST / HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n\r\n";
    let (_, answer) = exchange(&stub, without_length).await;
    assert!(answer.contains(r#""text":"STUB OK""#), "{answer}");
}

#[tokio::test]
async fn any_get_says_that_the_stub_is_alive() {
    let stub = stub();
    for path in ["/", "/health", "/.well-known/agent.json"] {
        let (head, body) = stub.request("GET", path, "").await;
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        assert_eq!(
            body,
            format!(r#"{{"status":"ok","stub":true,"workspace_id":"{ID}"}}"#)
        );
    }
    let (head, body) = stub.request("HEAD", "/", "").await;
    assert!(
        head.starts_with("http/1.1 200 ok") && body.is_empty(),
        "{head} {body}"
    );
}

#[tokio::test]
async fn other_http_methods_are_not_implemented() {
    let stub = stub();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let (head, _) = stub.request(method, "/", "").await;
        assert!(head.starts_with("http/1.1 501"), "{method}: {head}");
    }
}

#[tokio::test]
async fn a_message_of_a_mebibyte_is_read_and_one_of_ten_is_refused() {
    let stub = stub();
    let message = |size: usize| format!(r#"{{"id":7,"params":"{}"}}"#, "x".repeat(size));
    let (_, body) = stub.request("POST", "/", &message(1024 * 1024)).await;
    assert!(
        body.starts_with(r#"{"jsonrpc":"2.0","id":7,"result""#),
        "{body}"
    );
    let (head, _) = stub
        .request("POST", "/", &"x".repeat(10 * 1024 * 1024 + 1))
        .await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
}

#[tokio::test]
async fn many_messages_at_once_are_each_answered_under_their_own_id() {
    let stub = stub();
    let sends = (0..256).map(|id| {
        let stub = StubRuntimeAt(stub.0);
        tokio::spawn(async move {
            let (_, body) = stub
                .request("POST", "/", &format!(r#"{{"id":{id}}}"#))
                .await;
            assert!(
                body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"#)),
                "{body}"
            );
        })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
}

#[tokio::test]
async fn it_listens_before_it_does_anything_else() {
    let platform = ScriptedTransport::new(|_| async { Ok(answer(200, "{}")) });
    let lines = Lines::default();
    let config = config("http://platform:8080/")
        .with_hostname("4f2a")
        .with_register_url("http://stub:1")
        .with_transport(Arc::new(platform.clone()));
    let stub = StubRuntime::bind(config, lines.sink()).unwrap();
    TcpStream::connect(stub.local_addr())
        .await
        .expect("the stub listens");
    let listening = format!("listening on :{}", stub.local_addr().port());
    let booting = "booting: platform=http://platform:8080 self_url=http://stub:1 hostname=4f2a";
    assert_eq!(lines.all(), [booting, &listening]);
    assert!(platform.requests().is_empty());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = bind();
    let config = config("http://platform:8080").with_listen(first.local_addr());
    let error = StubRuntime::bind(config, |_| ()).unwrap_err();
    assert!(matches!(error, StubError::Listen { address, .. } if address == first.local_addr()));
    assert!(
        error.to_string().contains(&first.local_addr().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_stopped_stub_is_gone() {
    let stub = bind();
    let address = stub.local_addr();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(stub.run(cancel.clone()));
    StubRuntimeAt(address).request("GET", "/", "").await;
    cancel.cancel();
    within_limit(running).await.unwrap().unwrap();
    TcpStream::connect(address)
        .await
        .expect_err("nothing listens there any more");
}
