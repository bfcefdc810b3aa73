//! What holds for every request.

use molecule_emulator::{EmulatorConfig, Platform};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Call;
use crate::world::World;

#[tokio::test]
async fn header_names_are_spelled_as_go_spells_them() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.platform.address()).await.unwrap();
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    for line in [
        "HTTP/1.1 200 OK\r\n",
        "\r\nContent-Type: application/json; charset=utf-8\r\n",
        "\r\nX-Ratelimit-Limit: 600\r\n",
        "\r\nX-Ratelimit-Remaining: 599\r\n",
        "\r\nX-Ratelimit-Reset: 59\r\n",
        "\r\nX-Frame-Options: DENY\r\n",
        "\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains\r\n",
    ] {
        assert!(answer.contains(line), "{line:?} in {answer}");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_plain_text_not_found() {
    let world = World::start().await;
    for (method, path) in [
        ("GET", "/nope"),
        ("GET", "/registry/register"),
        ("PUT", "/health"),
    ] {
        let answer = Call::new(&world.platform, method, path).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (404, "404 page not found")
        );
        assert_eq!(answer.header("content-type"), Some("text/plain"));
    }
}

#[tokio::test]
async fn a_trailing_slash_redirects_and_keeps_the_query() {
    let world = World::start().await;
    let answer = world
        .post("/registry/register/?x=1", &json!({}))
        .send()
        .await;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some("/registry/register?x=1"));
    assert_eq!(answer.text(), "");
}

#[tokio::test]
async fn an_origin_must_be_the_platform_itself_or_the_canvas() {
    let world = World::start().await;
    let own = world.platform.url();
    let slash = format!("{own}/");
    let secure = own.replace("http", "https");
    for (origin, expect) in [
        (own.as_str(), 200),
        (&secure, 200),
        (&slash, 403),
        ("null", 403),
        ("http://localhost:3000", 200),
        ("https://other.example", 403),
    ] {
        let answer = world.get("/health").header("origin", origin).send().await;
        assert_eq!(answer.status, expect, "{origin}");
        assert_eq!(answer.text().is_empty(), expect == 403, "{origin}");
    }
}

#[tokio::test]
async fn the_canvas_may_ask_before_it_sends() {
    let world = World::start().await;
    let call = Call::new(&world.platform, "OPTIONS", "/registry/register");
    let answer = call.header("origin", "http://localhost:3000").send().await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
}

#[tokio::test]
async fn refusals_carry_the_security_headers_too() {
    let world = World::with(EmulatorConfig::new().with_rate_limit(1)).await;
    let foreign = world.get("/health").header("origin", "null").send().await;
    let limited = world.get("/health").send().await;
    for (answer, expect) in [(foreign, 403), (limited, 429)] {
        assert_eq!(answer.status, expect);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("x-ratelimit-limit").is_some());
    }
}

#[tokio::test]
async fn a_tenant_answers_nothing_without_its_organisation() {
    let world = World::with(EmulatorConfig::new().with_org_id("org-1")).await;
    let hidden = world.get("/workspaces").send().await;
    assert_eq!((hidden.status.as_u16(), hidden.text().as_str()), (404, ""));
    assert_eq!(world.get("/health").send().await.status, 200);
    let named = world
        .get("/workspaces")
        .header("x-molecule-org-id", "org-1");
    let named = named.bearer(world.platform.admin_token()).send().await;
    assert_eq!(named.summary(), (200, json!([])));
}

#[tokio::test]
async fn the_platform_answers_without_a_socket() {
    use http_body_util::{BodyExt, Empty};
    use hyper::service::Service;

    let platform = Platform::new(EmulatorConfig::new()).unwrap();
    let service = hyper_util::service::TowerToHyperService::new(platform.router());
    let request = http::Request::get("/health")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = service.call(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn no_debug_output_shows_the_administrators_token() {
    let config = EmulatorConfig::new().with_admin_token("very-secret-administrator");
    let world = World::with(config.clone()).await;
    assert_eq!(world.platform.admin_token(), "very-secret-administrator");
    let shown = format!(
        "{config:?} {:?} {:?}",
        world.platform,
        world.platform.platform()
    );
    assert!(!shown.contains("very-secret"), "{shown}");
}
