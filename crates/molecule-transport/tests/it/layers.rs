//! All layers together.

use std::time::Duration;

use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{
    CallOptions, Request, RetryPolicy, StackOptions, Transport, TransportError, stack,
};

use crate::calls::{PLATFORM, TOKEN, bearer, clock, get, options};

fn asked() -> CallOptions {
    CallOptions::new()
        .with_repeatable(true)
        .with_authorize(true)
}

fn request() -> Request {
    asked().attach(get(&format!("{PLATFORM}/x")))
}

#[tokio::test(start_paused = true)]
async fn a_call_of_the_platform_carries_everything_the_settings_say() {
    let clock = clock();
    let transport = ScriptedTransport::answers([answer(503, ""), answer(200, "ok")]);
    let options = options(&clock)
        .with_tokens(bearer())
        .with_org_id("org-1".parse().unwrap());
    let response = stack(transport.clone(), options).send(request()).await;
    assert_eq!(response.unwrap().status(), 200);
    for sent in transport.requests() {
        let headers = sent.headers();
        assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(headers["x-molecule-org-id"], "org-1");
        assert_eq!(headers["origin"], PLATFORM);
    }
    assert_eq!(transport.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_peer_carries_nothing() {
    let clock = clock();
    let transport = ScriptedTransport::answers([answer(200, "ok")]);
    let options = options(&clock)
        .with_tokens(bearer())
        .with_org_id("org-1".parse().unwrap());
    let peer = asked().attach(get("http://peer:9000/a2a"));
    stack(transport.clone(), options).send(peer).await.unwrap();
    assert!(transport.requests()[0].headers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_settings_reach_their_layers() {
    let clock = clock();
    let transport = ScriptedTransport::answers([answer(503, "")]);
    let options = options(&clock)
        .with_origin_header(false)
        .with_retry(RetryPolicy::new().with_max_retries(0));
    let response = stack(transport.clone(), options).send(request()).await;
    assert_eq!(response.unwrap().status(), 503);
    assert!(transport.requests()[0].headers().is_empty());
    assert_eq!(clock.now(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn tokens_cross_public_networks_in_the_clear_only_when_that_is_allowed() {
    let send = async |allow: bool| {
        let transport = ScriptedTransport::new(async |_| Ok(answer(200, "")));
        let options = StackOptions::new("http://acme.example".parse().unwrap(), clock())
            .with_tokens(bearer())
            .with_insecure_http(allow);
        let request = asked().attach(get("http://acme.example/x"));
        stack(transport, options).send(request).await.map(drop)
    };
    let refused = send(false).await.unwrap_err();
    assert!(
        matches!(refused, TransportError::InsecureBearer { .. }),
        "{refused:?}"
    );
    send(true).await.unwrap();
}
