//! Messages to peers, over real sockets to the peer.

mod hostile;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_agent::protocol::endpoints::{A2aOutcome, A2aRefusal, PeerInfo};
use molecule_agent::protocol::{ApiError, FilePart, Message, Part, PartTag};
use molecule_agent::transport::testing::answer;
use molecule_agent::transport::{BoxError, BoxFuture, ForeignTransport, Resolve};
use molecule_agent::{AgentError, CallPeer, ErrorKind, Route};
use serde_json::{Value, json};

use crate::peer_server::{Behaviour, Directory, ME, PEER, PeerServer, TOKEN, http, peer, says};

#[tokio::test]
async fn a_peer_is_called_directly_and_sees_nothing_of_the_platforms() {
    let server = PeerServer::start(says("hello")).await;
    let directory = Directory::saying(&server.url());
    let answer = directory
        .client()
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap();
    assert_eq!(
        (answer.route, answer.text().as_deref()),
        (Route::Direct, Some("hello"))
    );

    let seen = server.requests().remove(0);
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /a2a http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-workspace-id: {ME}")), "{head}");
    assert!(
        !seen.contains(TOKEN) && !seen.contains("org-of-the-platform"),
        "{seen}"
    );
    for name in ["authorization", "origin", "cookie", "x-molecule-org-id"] {
        assert!(!head.contains(name), "{head}");
    }
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body["params"]["message"]["messageId"],
        answer.message_id.as_str()
    );
    assert!(directory.proxied().is_empty());
    let asked = &directory.platform.requests()[0];
    assert_eq!(asked.headers()["authorization"], format!("Bearer {TOKEN}"));
}

#[tokio::test]
async fn a_private_address_is_not_called_unless_that_is_allowed() {
    let server = PeerServer::start(says("hello")).await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "2130706433",
    ] {
        let directory = Directory::saying(&format!("http://{host}:{port}/"));
        let client = directory.builder().build().unwrap();
        let answer = client
            .call_peer(peer(), "hi", CallPeer::new())
            .await
            .unwrap();
        assert_eq!(
            (answer.route, answer.text().as_deref()),
            (Route::Proxy, Some("by proxy"))
        );
    }
    assert!(server.requests().is_empty());
}

/// A name server under a stranger's control.
#[derive(Debug)]
struct Names(IpAddr);

impl Resolve for Names {
    fn resolve(&self, _: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, BoxError>> {
        Box::pin(std::future::ready(Ok(vec![self.0])))
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_not_called() {
    let server = PeerServer::start(says("hello")).await;
    let url = format!("http://agent.example:{}/", server.address.port());
    let directory = Directory::saying(&url);
    for (allow, expect) in [(false, Route::Proxy), (true, Route::Direct)] {
        let foreign = ForeignTransport::builder()
            .with_system_roots(false)
            .with_local_addresses(allow)
            .with_resolver(Arc::new(Names("127.0.0.1".parse().unwrap())));
        let client = directory.builder().peer_transport(foreign.build().unwrap());
        let answer = client
            .build()
            .unwrap()
            .call_peer(peer(), "hi", CallPeer::new())
            .await;
        assert_eq!(answer.unwrap().route, expect);
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_points() {
    let other = PeerServer::start(says("elsewhere")).await;
    for location in [
        other.url(),
        "http://localhost:8080/registry/register".to_owned(),
    ] {
        for status in [
            "302 Found",
            "307 Temporary Redirect",
            "308 Permanent Redirect",
        ] {
            let head = http(status, &format!("Location: {location}\r\n"), "");
            let server = PeerServer::start(Behaviour::Writes(head)).await;
            let directory = Directory::saying(&server.url());
            let error = directory
                .client()
                .call_peer(peer(), "hi", CallPeer::new())
                .await
                .unwrap_err();
            assert!(
                matches!(
                    &error,
                    AgentError::Api(ApiError::A2a(_, A2aRefusal::ByAgent { .. }))
                ),
                "{error:?}"
            );
            assert_eq!((server.requests().len(), directory.proxied().len()), (1, 0));
            assert_eq!(
                directory.platform.requests().len(),
                1,
                "only asked where the peer is"
            );
        }
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_peer_that_hangs_up_may_have_the_message_so_it_is_not_sent_again() {
    let server = PeerServer::start(Behaviour::Writes(String::new())).await;
    let directory = Directory::saying(&server.url());
    let client = directory.client();
    let message = Message::text("m-7", "hi");
    let error = client
        .call_peer(peer(), message, CallPeer::new())
        .await
        .unwrap_err();
    match &error {
        AgentError::DeliveryUnknown {
            target, message_id, ..
        } => {
            assert_eq!((target, message_id.as_str()), (&peer(), "m-7"));
        }
        other => panic!("{other:?}"),
    }
    assert!(!error.surely_without_effect() && error.to_string().contains("m-7"));
    assert_eq!((server.requests().len(), directory.proxied().len()), (1, 0));
    // The address may have been wrong, so the platform is asked again.
    client
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap_err();
    assert_eq!(directory.discoveries(), 2);
}

#[tokio::test]
async fn a_refused_connection_sends_the_same_message_through_the_platform() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let directory = Directory::saying(&url);
    let client = directory.client();
    let answer = client
        .call_peer(peer(), Message::text("m-7", "hi"), CallPeer::new())
        .await
        .unwrap();
    assert_eq!(
        (answer.route, answer.message_id.as_str()),
        (Route::Proxy, "m-7")
    );
    let sent = &directory.proxied()[0];
    assert_eq!(
        (&sent["id"], &sent["params"]["message"]["messageId"]),
        (&json!("m-7"), &json!("m-7"))
    );
    client
        .call_peer(peer(), "again", CallPeer::new())
        .await
        .unwrap();
    assert_eq!(directory.discoveries(), 2, "the dead address was forgotten");
}

#[tokio::test]
async fn whatever_a_peer_answers_memory_and_time_are_bounded() {
    let deep = "[".repeat(100_000);
    let check = async |behaviour: Behaviour, timeout: Duration, unknown: bool| {
        let server = PeerServer::start(behaviour.clone()).await;
        let directory = Directory::saying(&server.url());
        let options = CallPeer::new().with_timeout(timeout);
        let result = directory.client().call_peer(peer(), "hi", options).await;
        match result {
            Err(AgentError::DeliveryUnknown { .. }) if unknown => {}
            Ok(answer) if !unknown => assert_eq!(answer.reply.outcome, A2aOutcome::Unreadable),
            other => panic!("{behaviour:?} gave {other:?}"),
        }
        assert!(
            directory.proxied().is_empty(),
            "{behaviour:?} was sent again"
        );
    };
    let (long, short) = (Duration::from_secs(30), Duration::from_secs(2));
    let endless = Behaviour::Endless(http("200 OK", "", "\""), "x");
    check(endless, long, true).await;
    check(
        Behaviour::Endless("HTTP/1.1 200 OK\r\n".to_owned(), "X-Header: x\r\n"),
        long,
        true,
    )
    .await;
    check(Behaviour::Drips(http("200 OK", "", "")), short, true).await;
    let gzip = http("200 OK", "Content-Encoding: gzip\r\n", "x");
    check(Behaviour::Writes(gzip), long, true).await;
    check(
        Behaviour::Writes(http("200 OK", "Content-Length: 99\r\n", "{}")),
        long,
        true,
    )
    .await;
    check(Behaviour::Writes("garbage\r\n\r\n".to_owned()), long, true).await;
    for body in [deep.as_str(), "<html>", "", "null", r#"{"queued":true}"#] {
        check(Behaviour::Writes(http("200 OK", "", body)), long, false).await;
    }
}

#[tokio::test]
async fn a_peers_own_refusal_is_not_taken_for_the_platforms() {
    let body = r#"{"error":"invalid caller auth token"}"#;
    let server = PeerServer::start(Behaviour::Writes(http("401 Unauthorized", "", body))).await;
    let directory = Directory::saying(&server.url());
    let error = directory
        .client()
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    assert_eq!(
        directory.platform.requests().len(),
        1,
        "the token is not in question"
    );
}

#[tokio::test]
async fn a_json_rpc_error_is_an_outcome() {
    let body = r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32601,"message":"no such method"}}"#;
    let server = PeerServer::start(Behaviour::Writes(http("200 OK", "", body))).await;
    let directory = Directory::saying(&server.url());
    let answer = directory
        .client()
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap();
    match &answer.reply.outcome {
        A2aOutcome::Failed(error) => assert_eq!(error.code, Some(-32601)),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        answer.reply.envelope().unwrap()["error"]["message"],
        "no such method"
    );
}

#[tokio::test]
async fn parts_of_every_kind_arrive_in_the_spelling_that_was_asked_for() {
    let server = PeerServer::start(says("thanks")).await;
    let directory = Directory::saying(&server.url());
    let message = Message::text("m-1", "look")
        .with_part(Part::Data(json!({"rows": 2})))
        .with_part(Part::File(FilePart::from_bytes(b"1,2").with_name("t.csv")))
        .with_part_tag(PartTag::Type);
    directory
        .client()
        .call_peer(peer(), message, CallPeer::new())
        .await
        .unwrap();
    let seen = server.requests().remove(0);
    let body: Value = serde_json::from_str(seen.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body["params"]["message"]["parts"],
        json!([{"type": "text", "text": "look"}, {"type": "data", "data": {"rows": 2}},
            {"type": "file", "file": {"bytes": "MSwy", "name": "t.csv"}}])
    );
}

#[tokio::test]
async fn names_that_only_containers_know_are_not_tried() {
    for url in [
        "http://ws-08eea8db-eed:8000",
        "http://host.docker.internal:9",
        "remote://no-inbound",
        "",
    ] {
        let directory = Directory::saying(url);
        let client = directory.builder().build().unwrap();
        let answer = client
            .call_peer(peer(), "hi", CallPeer::new())
            .await
            .unwrap();
        assert_eq!(answer.route, Route::Proxy, "{url}");
    }
}

#[tokio::test]
async fn what_the_platform_would_not_take_is_not_sent_at_all() {
    let server = PeerServer::start(says("hello")).await;
    let directory = Directory::saying(&server.url());
    let error = directory
        .client()
        .call_peer(peer(), "x".repeat(1 << 20), CallPeer::new())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::MessageTooLarge {
                limit: 1_048_576,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        (server.requests().len(), directory.platform.requests().len()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_an_address_is_called_through_the_platform_at_once() {
    let unavailable = r#"{"error":"workspace not available","status":"paused"}"#;
    let directory = Directory::answering(move |request| {
        if request.uri().path().starts_with("/registry/") {
            return answer(503, unavailable);
        }
        answer(503, r#"{"error":"workspace has no URL","status":"paused"}"#)
    });
    let client = directory.client();
    assert_eq!(client.discover_peer(peer()).await.unwrap(), None);
    let error = client
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Temporary);
    assert!(error.to_string().contains("paused"), "{error}");
    assert_eq!((directory.discoveries(), directory.proxied().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_cannot_say_where_a_peer_is_may_deliver_all_the_same() {
    let directory = Directory::answering(|request| {
        if request.uri().path().starts_with("/registry/") {
            return answer(502, "<html>");
        }
        crate::peer_server::by_proxy()
    });
    let answer = directory
        .client()
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap();
    assert_eq!(answer.route, Route::Proxy);
    assert_eq!(
        directory.discoveries(),
        5,
        "once, and then with three retries"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_out_of_bounds_is_an_error_before_anything_is_sent() {
    let directory = Directory::answering(|_| {
        answer(
            403,
            r#"{"error":"not authorized to discover this workspace"}"#,
        )
    });
    let error = directory
        .client()
        .call_peer(peer(), "hi", CallPeer::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert!(directory.proxied().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_proxy_alone_is_asked_where_that_is_wanted() {
    let directory = Directory::saying("http://agent.example/");
    let options = CallPeer::new().with_prefer_direct(false);
    let answer = directory
        .client()
        .call_peer(peer(), "hi", options)
        .await
        .unwrap();
    assert_eq!((answer.route, directory.discoveries()), (Route::Proxy, 0));
    let sent = &directory.platform.requests()[0];
    assert_eq!(sent.headers()["x-workspace-id"], ME);
    assert_eq!(sent.headers()["authorization"], format!("Bearer {TOKEN}"));
}

#[tokio::test(start_paused = true)]
async fn every_outcome_of_the_proxy_has_its_kind() {
    let check = async |status: u16, body: &'static str, expect: ErrorKind| {
        let directory = Directory::answering(move |_| answer(status, body));
        let options = CallPeer::new().with_prefer_direct(false);
        let error = directory
            .client()
            .call_peer(peer(), "hi", options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), expect, "{error}");
        assert_eq!(
            directory.proxied().len(),
            1,
            "a message is never repeated: {error}"
        );
    };
    check(
        503,
        r#"{"error":"x","busy":true,"native_session":true}"#,
        ErrorKind::Temporary,
    )
    .await;
    check(503, r#"{"error":"x","waking":true}"#, ErrorKind::Temporary).await;
    check(
        402,
        r#"{"error":"workspace budget limit exceeded"}"#,
        ErrorKind::Usage,
    )
    .await;
    check(403, r#"{"error":"access denied: x"}"#, ErrorKind::Usage).await;
    check(404, r#"{"error":"workspace not found"}"#, ErrorKind::Usage).await;
    check(404, r#"{"error":"Not Found"}"#, ErrorKind::Unexpected).await;
    check(500, r#"{"error":"agent exploded"}"#, ErrorKind::Temporary).await;
    check(429, r#"{"error":"slow down"}"#, ErrorKind::Temporary).await;
    check(
        502,
        r#"{"error":"failed to reach workspace agent"}"#,
        ErrorKind::Temporary,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_401_through_the_proxy_is_the_peers_unless_the_platform_refuses_the_token_elsewhere_too()
{
    let check = async |state: u16, expect: ErrorKind| {
        let refusal = r#"{"error":"invalid caller auth token"}"#;
        let directory = Directory::answering(move |request| match request.uri().path() {
            path if path.ends_with("/a2a") => answer(401, refusal),
            path if path.ends_with("/state") => answer(
                state,
                json!({"workspace_id": ME, "status": "online", "paused": false, "deleted": false})
                    .to_string(),
            ),
            _ => answer(
                200,
                json!({"id": ME, "name": "me", "status": "online"}).to_string(),
            ),
        });
        let options = CallPeer::new().with_prefer_direct(false);
        let error = directory
            .client()
            .call_peer(peer(), "hi", options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), expect, "{error}");
        assert_eq!(directory.proxied().len(), 1);
    };
    check(200, ErrorKind::Unexpected).await;
    check(401, ErrorKind::Authentication).await;
}

/// A peer behind a guard of its own has had the message: only the platform's own refusal is about the token.
#[tokio::test(start_paused = true)]
async fn a_peers_401_is_not_answered_with_the_same_message_again_although_the_token_was_rotated() {
    let check = async |refusal: &'static str, times: usize| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "token-one").unwrap();
        let rotated = file.clone();
        let directory = Directory::answering(move |request| {
            if !request.uri().path().ends_with("/a2a") {
                let state = json!({"workspace_id": ME, "status": "online", "paused": false, "deleted": false});
                return answer(200, state.to_string());
            }
            std::fs::write(&rotated, "another-token").unwrap();
            answer(401, refusal)
        });
        let client = directory
            .builder_without_token()
            .token_file(file)
            .build()
            .unwrap();
        let options = CallPeer::new().with_prefer_direct(false);
        client.call_peer(peer(), "hi", options).await.unwrap_err();
        assert_eq!(directory.proxied().len(), times, "{refusal}");
    };
    check(r#"{"error":"Unauthorized"}"#, 1).await;
    check(r#"{"error":"invalid caller auth token"}"#, 2).await;
}

fn listed() -> Directory {
    let peers = json!([
        {"id": PEER, "name": "Desk", "role": null, "url": "http://agent.example/a2a", "status": "online",
            "agent_card": {"name": "Desk", "skills": [{"id": "sql"}], "capabilities": {"streaming": true}}},
        {"id": "09fcd653-770d-4a82-aa8e-51e10e642a53", "name": "Writer", "role": "writes", "url": ""},
        {"name": "nobody"},
    ]);
    Directory::answering(move |request| match request.uri().path() {
        path if path.ends_with("/peers") => answer(200, peers.to_string()),
        _ => answer(
            200,
            json!({"id": PEER, "name": "Desk", "url": "http://later.example/"}).to_string(),
        ),
    })
}

#[tokio::test(start_paused = true)]
async fn where_peers_are_is_remembered_for_five_minutes() {
    let directory = listed();
    let clock = Arc::new(molecule_agent::transport::testing::SimulatedClock::new());
    let client = directory.builder().clock(clock.clone()).build().unwrap();
    client.get_peers().await.unwrap();
    let at = async || {
        client
            .discover_peer(peer())
            .await
            .unwrap()
            .unwrap()
            .to_string()
    };
    let wait = async |seconds| {
        molecule_agent::transport::Clock::sleep(&*clock, Duration::from_secs(seconds)).await;
    };
    wait(299).await;
    assert_eq!(
        (at().await.as_str(), directory.discoveries()),
        ("http://agent.example/a2a", 0)
    );
    wait(1).await;
    assert_eq!(
        (at().await.as_str(), directory.discoveries()),
        ("http://later.example/", 1)
    );
    at().await;
    assert_eq!(directory.discoveries(), 1);
    client.invalidate_peer_url(peer());
    at().await;
    assert_eq!(directory.discoveries(), 2);
}

#[tokio::test(start_paused = true)]
async fn peers_are_found_by_what_they_can_do() {
    let directory = listed();
    let client = directory.client();
    let names = |peers: Vec<PeerInfo>| peers.into_iter().map(|p| p.name).collect::<Vec<_>>();
    assert_eq!(names(client.get_peers().await.unwrap()), ["Desk", "Writer"]);
    assert_eq!(
        names(client.find_peers_with_skill("SQL").await.unwrap()),
        ["Desk"]
    );
    assert_eq!(
        names(
            client
                .find_peers_with_capability("streaming")
                .await
                .unwrap()
        ),
        ["Desk"]
    );
    assert_eq!(
        names(client.search_peers("WRITES").await.unwrap()),
        ["Writer"]
    );
    assert!(
        client
            .find_peers_with_skill("fly")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_card_without_a_bottom_hides_no_peer() {
    let deep = "[".repeat(1000) + &"]".repeat(1000);
    let body =
        format!(r#"[{{"id":"{ME}","agent_card":{{"x":{deep}}}}},{{"id":"{PEER}","name":"good"}}]"#);
    let directory = Directory::answering(move |_| answer(200, body.clone()));
    let peers = directory.client().get_peers().await.unwrap();
    assert_eq!(peers.len(), 2);
    assert_eq!(peers[1].name, "good");
}
