//! The agent card over HTTP.

use axum::body::Body;
use axum::response::Response;
use http::Request;
use molecule_a2a::{Card, CardProfile, Skill};
use serde_json::{Value, json};

use super::world::{World, post, read};

const PATH: &str = "/.well-known/agent-card.json";

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.request(request.body(Body::empty()).unwrap()).await
}

async fn card(world: &World, headers: &[(&str, &str)]) -> Value {
    let (_, body) = read(get(world, PATH, headers).await).await;
    serde_json::from_str(&body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_card_is_at_both_places_and_under_the_reported_path() {
    let world = World::with(|options| options.with_path("/me").with_inbound_token("t"));
    let mut bodies = Vec::new();
    for base in ["", "/me"] {
        for path in [PATH, "/.well-known/agent.json"] {
            let (status, body) = read(get(&world, &format!("{base}{path}"), &[]).await).await;
            assert_eq!(status, 200, "{base}{path}");
            bodies.push(body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let card: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(card["url"], "http://agent.example/");
    assert_eq!(
        card["capabilities"],
        json!({"streaming": true, "pushNotifications": true})
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_knows_the_card_does_not_get_it_again() {
    let world = World::new();
    let first = get(&world, PATH, &[]).await;
    let headers = first.headers().clone();
    assert!(
        headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("max-age=")
    );
    assert_eq!(headers["last-modified"], "Thu, 01 Jan 2026 00:00:00 GMT");
    let etag = headers["etag"].to_str().unwrap();
    for known in [etag, &format!("W/{etag}"), &format!("\"x\", {etag}"), "*"] {
        let again = get(&world, PATH, &[("if-none-match", known)]).await;
        assert_eq!(again.headers()["etag"], etag);
        assert_eq!(read(again).await, (304, String::new()), "{known}");
    }
    let other = get(&world, PATH, &[("if-none-match", "\"x\"")]).await;
    assert_eq!(other.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn another_card_has_another_tag() {
    let tag = async |name: &str| {
        let world = World::with(|_| molecule_a2a::ServerOptions::new(Card::new(name, "http://a/")));
        get(&world, PATH, &[]).await.headers()["etag"].clone()
    };
    assert_ne!(tag("a").await, tag("b").await);
    assert_eq!(tag("a").await, tag("a").await);
}

#[tokio::test(start_paused = true)]
async fn the_profile_says_for_whom_the_card_is() {
    let written = async |profile| {
        let card = Card::new("a", "http://a/")
            .with_profile(profile)
            .with_skill(Skill::new("s", "S").with_tag("t").with_example("do s"));
        let world = World::with(|_| molecule_a2a::ServerOptions::new(card));
        self::card(&world, &[]).await
    };
    let dual = written(CardProfile::Dual).await;
    assert!(dual.get("url").is_some() && dual.get("supportedInterfaces").is_some());
    let v1 = written(CardProfile::V1).await;
    assert!(v1.get("url").is_none() && v1.get("protocolVersion").is_none());
    assert_eq!(v1["supportedInterfaces"][0]["protocolVersion"], "1.0");
    let v03 = written(CardProfile::V03).await;
    assert_eq!(
        (&v03["protocolVersion"], &v03["preferredTransport"]),
        (&json!("0.3.0"), &json!("JSONRPC"))
    );
    assert!(v03.get("supportedInterfaces").is_none());
    assert_eq!(v03["skills"][0]["examples"], json!(["do s"]));
}

#[tokio::test(start_paused = true)]
async fn forwarded_addresses_are_believed_only_where_they_are_trusted() {
    let headers = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "public.example"),
    ];
    let careful = World::new();
    assert_eq!(
        card(&careful, &headers).await["url"],
        "http://agent.example/"
    );
    let trusting = World::with(|options| options.with_forwarded(true));
    assert_eq!(
        card(&trusting, &headers).await["url"],
        "https://public.example/"
    );
    assert_eq!(card(&trusting, &[]).await["url"], "http://agent.example/");
    for wrong in ["a b", "", "a/b", "a?b"] {
        let headers = [("x-forwarded-host", wrong)];
        assert_eq!(
            card(&trusting, &headers).await["url"],
            "http://agent.example/",
            "{wrong}"
        );
    }
    let headers = [
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-host", "a"),
    ];
    assert_eq!(
        card(&trusting, &headers).await["url"],
        "http://agent.example/"
    );
}

#[tokio::test(start_paused = true)]
async fn the_extended_card_is_for_callers_with_the_token() {
    let card = || Card::new("echo", "http://a/").with_extended(json!({"description": "all of it"}));
    let ask = async |world: &World, method: &str, token: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        let request = post("/").header("authorization", format!("Bearer {token}"));
        let request = request.body(body.to_string().into()).unwrap();
        let (_, answer) = read(world.request(request).await).await;
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let world = World::with(|_| molecule_a2a::ServerOptions::new(card()).with_inbound_token("t"));
    for method in ["agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard"] {
        let answer = ask(&world, method, "t").await;
        assert_eq!(answer["result"]["description"], "all of it", "{method}");
        assert_eq!(answer["result"]["name"], "echo");
    }
    let open = World::with(|_| molecule_a2a::ServerOptions::new(card()));
    let without = World::new();
    for world in [open, without] {
        let answer = ask(&world, "GetExtendedAgentCard", "t").await;
        assert_eq!(answer["error"]["code"], -32007);
    }
}
