//! Who may call.

use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use serde_json::{Value, json};

use super::world::{World, message, post, read};

async fn ask(world: &World, path: &str, authorization: Option<&str>) -> (u16, String) {
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": message("msg hi")});
    let mut request = post(path);
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    let response = world
        .request(request.body(body.to_string().into()).unwrap())
        .await;
    if response.status() == 401 {
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    read(response).await
}

#[tokio::test(start_paused = true)]
async fn anyone_may_call_unless_there_is_a_token() {
    let world = World::new();
    assert_eq!(ask(&world, "/", None).await.0, 200);
    assert_eq!(ask(&world, "/", Some("Bearer anything")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn callers_show_the_token() {
    let world = World::with(|options| options.with_inbound_token("s3cret"));
    for path in ["/", "/a2a", "/a2a/inbound"] {
        for right in ["Bearer s3cret", "bearer s3cret"] {
            assert_eq!(
                ask(&world, path, Some(right)).await.0,
                200,
                "{path} {right}"
            );
        }
        let wrong = [
            None,
            Some(""),
            Some("s3cret"),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer s3cre"),
            Some("Bearer s3crets"),
            Some("Bearer S3CRET"),
            Some("Basic s3cret"),
        ];
        for wrong in wrong {
            let (status, answer) = ask(&world, path, wrong).await;
            assert_eq!(status, 401, "{path} {wrong:?}");
            assert!(serde_json::from_str::<Value>(&answer).unwrap()["error"].is_string());
        }
    }
    let asked = world.agent.asked();
    assert_eq!(asked, 6);
}

#[test]
fn the_token_is_not_shown() {
    let options = molecule_a2a::ServerOptions::new(molecule_a2a::Card::new("a", ""));
    let shown = format!("{:?}", options.with_inbound_token("s3cret"));
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_web_page_cannot_make_a_browser_call_unless_it_has_the_token() {
    let ask = async |world: &World, origin: Option<&str>, kind: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": message("msg hi")});
        let mut request = http::Request::post("/").header(CONTENT_TYPE, kind);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let request = request.header(AUTHORIZATION, "Bearer s3cret");
        let request = request.body(body.to_string().into()).unwrap();
        let (_, answer) = read(world.request(request).await).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["error"]["code"].as_i64()
    };
    let open = World::new();
    for (origin, kind) in [
        ("https://evil.example", "text/plain"),
        ("null", "application/x-www-form-urlencoded"),
        ("https://evil.example", "application/json"),
        (
            "http://evil.example:8000",
            "application/json; charset=utf-8",
        ),
    ] {
        assert_eq!(
            ask(&open, Some(origin), kind).await,
            Some(-32600),
            "{origin} {kind}"
        );
    }
    assert_eq!(open.agent.asked(), 0);
    assert_eq!(ask(&open, None, "text/plain").await, None);
    let closed = World::with(|options| options.with_inbound_token("s3cret"));
    let page = Some("https://friend.example");
    assert_eq!(ask(&closed, page, "application/json").await, None);
}
