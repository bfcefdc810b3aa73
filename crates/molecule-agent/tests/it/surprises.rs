//! What platforms, peers, handlers and disks do that nobody expects of them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use molecule_agent::protocol::{ActivityId, Message};
use molecule_agent::transport::testing::{ScriptedTransport, answer};
use molecule_agent::transport::{Clock as _, Request, Transport as _};
use molecule_agent::{
    AgentError, AgentLoop, CancellationToken, Connect, InboundLog, InboundMessage, Journal,
    PlatformUrl, PollOptions, RemoteAgentClient, Since, StopReason, WorkspaceId,
};
use molecule_emulator::EmulatorConfig;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::{ParseToken as _, Trouble, World, shout};

/// A message of any shape from the canvas user.
async fn raw_say(world: &World, to: WorkspaceId, message: Value) {
    let body =
        json!({"jsonrpc":"2.0","id":"x","method":"message/send","params":{"message":message}});
    let request = http::Request::post(format!("/workspaces/{to}/a2a"))
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = world.platform.router().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
}

/// Everything that the log hands on, acknowledged batch by batch.
async fn drain(log: &mut InboundLog) -> Vec<ActivityId> {
    let mut ids = Vec::new();
    loop {
        let batch = log.poll().await.unwrap();
        ids.extend(batch.items.iter().map(|item| item.id));
        log.acknowledge(&batch.items).await.unwrap();
        if !batch.more {
            return ids;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_nested_too_deep_to_read_does_not_deafen_the_agent() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    raw_say(&world, id, json!({"role":"user","messageId":"deep","parts":[{"kind":"text","text":"deep"}],"metadata":{"a":deep}})).await;
    world.say(id, "m-2", "next").await;
    world.pass(3600).await;
    let got = world.notifications(id).await;
    assert!(got.contains(&"NEXT".to_owned()), "after an hour: {got:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_too_large_for_one_answer_together_are_all_answered() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, async |m: InboundMessage| m.text.len().to_string());
    world.pass(1).await;
    for n in 0..12 {
        world
            .say(id, &format!("m-{n}"), &"x".repeat(1_000_000))
            .await;
        world.clock_tick().await;
    }
    world.pass(3600).await;
    let got = world.notifications(id).await;
    assert_eq!(got.len(), 12, "after an hour: {}", got.len());
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_cannot_be_reached_does_not_block_others() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agent = world.start(&two, shout);
    world.pass(1).await;
    let path = format!("/workspaces/{}/a2a", one.workspace_id());
    world.trouble(move |r| (r.uri().path() == path).then_some(Trouble::Status(503)));
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    world.clock_tick().await;
    world.say(two.workspace_id(), "m-2", "canvas").await;
    world.pass(3600).await;
    let got = world.notifications(two.workspace_id()).await;
    let tries = world.count(&format!("POST /workspaces/{}/a2a", one.workspace_id()));
    let status = world.status(two.workspace_id()).await;
    assert_eq!(
        got,
        ["CANVAS"],
        "after an hour; {tries} tries, status {status}"
    );
    agent.stop().await.unwrap();
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_in_the_platforms_words_does_not_block_others() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agent = world.start(&two, shout);
    world.pass(1).await;
    let refusal = r#"{"error":"invalid caller auth token"}"#;
    let path = format!("/workspaces/{}/a2a", one.workspace_id());
    world.trouble(move |r| (r.uri().path() == path).then_some(Trouble::Says(401, refusal)));
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    world.clock_tick().await;
    world.say(two.workspace_id(), "m-2", "canvas").await;
    world.pass(60).await;
    assert_eq!(world.notifications(two.workspace_id()).await, ["CANVAS"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_hears_an_answer_once_although_its_acknowledgement_is_lost() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let h = heard.clone();
    let a1 = world.start(&one, move |m: InboundMessage| {
        h.lock().unwrap().push(m.text.clone());
        async {}
    });
    let a2 = world.start(&two, shout);
    world.pass(1).await;
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    let path = format!("/workspaces/{}/a2a", one.workspace_id());
    world.trouble_at(path, 2, Trouble::AnswerLost);
    world.pass(120).await;
    assert_eq!(*heard.lock().unwrap(), ["HELLO"]);
    a1.stop().await.unwrap();
    a2.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_while_may_hold_more_than_one_window() {
    let world = World::with(EmulatorConfig::new().with_rate_limit(1_000_000));
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    for n in 0..601 {
        world.say(id, &format!("m-{n}"), &format!("{n}")).await;
        world.clock_tick().await;
    }
    let d = InboundLog::open(
        client.clone(),
        None,
        Since::Last(Duration::from_secs(86400)),
    )
    .await
    .unwrap();
    assert_eq!(d.skipped(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_cursor_file_is_a_first_run() {
    let world = World::new();
    let client = world.registered("alpha").await;
    world.say(client.workspace_id(), "m-1", "old").await;
    world.pass(3600).await;
    std::fs::write(client.state_dir().join("cursor"), "").unwrap();
    let d = InboundLog::open(client.clone(), None, Since::default())
        .await
        .unwrap();
    assert_eq!(d.poll().await.unwrap().items.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_agent_stops_at_once_whatever_its_poll_waits_for() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, shout);
    world.pass(10).await;
    world.trouble(|_| Some(Trouble::RateLimited(59)));
    world.pass(10).await;
    let before = world.clock_seconds();
    agent.stop().await.unwrap();
    let took = world.clock_seconds() - before;
    assert!(took < 2, "took {took} s to stop an idle agent");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_before_it_waits_is_a_failing_handler() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let agent = world.start(&client, |m: InboundMessage| {
        if m.text == "panic" {
            panic!("sync")
        }
        async { "ok" }
    });
    world.pass(1).await;
    world.say(client.workspace_id(), "m-1", "panic").await;
    world.pass(30).await;
    assert!(agent.is_running(), "{:?}", agent.ended().await);
}

#[tokio::test(start_paused = true)]
async fn no_platform_url_that_is_accepted_makes_a_client_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut bad = Vec::new();
    for text in [
        "http://a\"b",
        "http://a{b}",
        "http://a`b",
        "http://a|b",
        "http://exa_mple",
        "http://a'b",
        "http://a!b",
        "http://münchen.de",
        "http://h/a|b",
        "http://h/a^b",
        "http://h/a[b]",
        "http://h/%zz",
        "http://h/a\\b",
        "http://h/ä",
        "http://h/a'b",
        "http://a~b",
        "http://a;b",
        "http://a=b",
        "http://a$b",
        "http://a&b",
        "http://a*b",
        "http://a,b",
        "http://a(b)",
    ] {
        let Ok(url) = text.parse::<PlatformUrl>() else {
            continue;
        };
        let d = dir.path().to_owned();
        let r = std::panic::catch_unwind(move || {
            let _ = RemoteAgentClient::builder(
                "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap(),
                url,
            )
            .state_dir(d)
            .transport(ScriptedTransport::answers([answer(200, "{}")]))
            .build();
        });
        if r.is_err() {
            bad.push(text);
        }
    }
    let long = format!("http://h/{}", "a".repeat(70_000));
    if let Ok(url) = long.parse::<PlatformUrl>() {
        let d = dir.path().to_owned();
        if std::panic::catch_unwind(move || {
            let _ = RemoteAgentClient::builder(
                "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap(),
                url,
            )
            .state_dir(d)
            .transport(ScriptedTransport::answers([answer(200, "{}")]))
            .build();
        })
        .is_err()
        {
            bad.push("long path");
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

#[tokio::test(start_paused = true)]
async fn secrets_in_an_answer_that_cannot_be_read_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    for body in [r#"{"PIN": 424242}"#, r#"["hunter2"]"#, r#""hunter2""#] {
        let client = RemoteAgentClient::builder(
            "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap(),
            "http://localhost:1".parse().unwrap(),
        )
        .state_dir(dir.path())
        .transport(ScriptedTransport::answers([answer(200, body)]))
        .build()
        .unwrap();
        let error = client.pull_secrets().await.unwrap_err();
        let text = format!(
            "{error:?} {}",
            std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default()
        );
        assert!(
            !text.contains("424242") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_updated_card_survives_coming_back() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    client
        .update_card(molecule_agent::AgentCard::named("new-name"))
        .await
        .unwrap();
    world
        .platform
        .set_status(id, &"failed".to_owned().into())
        .unwrap();
    world.pass(40).await;
    let row = world
        .admin("GET", &format!("/workspaces/{id}"), Value::Null)
        .await;
    assert_eq!(row["agent_card"]["name"], "new-name");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_200_that_is_not_the_platforms_is_not_taken_for_sent() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.trouble_at("/notify", 1, Trouble::Status(200));
    world.say(id, "m", "hello").await;
    world.pass(60).await;
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_equal_answer_of_an_earlier_run_is_not_taken_for_this_one() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.say(id, "m-1", "x").await;
    world.clock_tick().await;
    world.say(id, "m-2", "y").await;
    world.pass(5).await;
    // first run answers m-1 only
    let cancel = CancellationToken::new();
    let c2 = cancel.clone();
    let client2 = client.clone();
    let everything = client.poll_delivery(PollOptions::new().with_since(Since::All));
    let reason = client2
        .run_agent_loop(
            move |_: InboundMessage| {
                c2.cancel();
                async { "OK" }
            },
            everything,
            AgentLoop::new(),
            &cancel,
        )
        .await
        .unwrap();
    assert_eq!(reason, StopReason::Cancelled);
    assert_eq!(world.notifications(id).await, ["OK"]);
    world.trouble_at("/notify", 1, Trouble::Status(503));
    let agent = world.start(&client, async |_: InboundMessage| "OK");
    world.pass(60).await;
    assert_eq!(world.notifications(id).await, ["OK", "OK"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_agent_ends_with_the_last_wanted_beat() {
    let world = World::new();
    let (id, token) = world.workspace("a").await;
    let client = world
        .builder(id)
        .token(token.parse_token())
        .state_poll_interval(Duration::from_secs(3600))
        .build()
        .unwrap();
    client.register().await.unwrap();
    let agent = world.start_with(&client, shout, AgentLoop::new().with_max_iterations(3));
    assert_eq!(agent.ended().await.unwrap(), StopReason::MaxIterations);
    assert!(world.clock_seconds() <= 60, "{}", world.clock_seconds());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stays_outlasts_an_outage_while_it_comes_back() {
    let world = World::new();
    let client = world.client("alpha").await;
    let id = client.workspace_id();
    let cancel = CancellationToken::new();
    let (c, k) = (client.clone(), cancel.clone());
    let task =
        tokio::spawn(async move { c.connect(shout, Connect::new().with_stay(true), &k).await });
    world.pass(1).await;
    world
        .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
        .await;
    world.pass(60).await;
    world.trouble(|r| (r.uri().path() == "/registry/register").then_some(Trouble::Refused));
    world
        .admin("POST", &format!("/workspaces/{id}/resume"), Value::Null)
        .await;
    world.pass(120).await;
    world.no_trouble();
    world.pass(60).await;
    assert!(!task.is_finished(), "{:?}", task.await);
    cancel.cancel();
}

#[tokio::test(start_paused = true)]
async fn rows_of_the_same_microsecond_at_the_edge_of_a_window_are_not_lost() {
    let world = World::with(EmulatorConfig::new().with_rate_limit(1_000_000));
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    for n in 0..601 {
        world.say(id, &format!("m-{n}"), &format!("{n}")).await;
        if n % 3 == 0 {
            world.clock_tick().await;
        }
    }
    let mut d = InboundLog::open(client.clone(), None, Since::All)
        .await
        .unwrap();
    let ids = drain(&mut d).await;
    assert_eq!(ids.len(), 601);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 601);
}

#[tokio::test(start_paused = true)]
async fn any_duration_can_be_the_last_while() {
    for d in [
        Duration::from_millis(500),
        Duration::from_secs(10_000_000_000),
        Duration::MAX,
    ] {
        let world = World::new();
        let client = world.registered("alpha").await;
        let r = InboundLog::open(client.clone(), None, Since::Last(d)).await;
        assert!(r.is_ok(), "{d:?} {:?}", r.unwrap_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_cannot_be_kept_while_draining_is_an_error() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let dir = world.disk().join("c");
    let options = PollOptions::new().with_cursor_file(dir.join("cursor"));
    let d2 = dir.clone();
    // With a journal on disk the place in the log is kept before the message is handled.
    let volatile = AgentLoop::new().with_journal(Journal::volatile());
    let polling = client.poll_delivery(options);
    let agent = World::run(&client, world.slow_echo(10), polling, volatile);
    world.pass(1).await;
    world.say(id, "m", "x").await;
    world.pass(6).await;
    std::fs::remove_dir_all(&d2).unwrap();
    std::fs::write(&d2, "").unwrap();
    let r = agent.stop().await;
    assert!(
        r.is_err(),
        "{r:?} although the place in the log was not saved"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_with_nothing_is_not_told_again() {
    // a peer behind the proxy that answers 200 with an empty body (allowed by the contract)
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agent = world.start(&two, shout);
    world.pass(1).await;
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    let path = format!("/workspaces/{}/a2a", one.workspace_id());
    world.trouble(move |r| (r.uri().path() == path).then_some(Trouble::Status(200)));
    world.pass(600).await;
    let tries = world.count(&format!("POST /workspaces/{}/a2a", one.workspace_id()));
    assert_eq!(tries, 1, "the same answer was sent {tries} times");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_delivered_twice_is_answered_once() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    world.clock_tick().await;
    world.say(id, "m-1", "hello").await;
    world.pass(60).await;
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn looking_needs_no_token_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let client = world.client("alpha").await;
    std::fs::set_permissions(
        client.state_dir().join(".auth_token"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let r = client.look().await;
    assert!(r.is_ok(), "{r:?}");
}

#[tokio::test(start_paused = true)]
async fn only_a_400_means_that_the_platform_lacks_poll_mode() {
    let world = World::new();
    let client = world.client("alpha").await;
    for s in [413, 409, 422] {
        world.trouble(move |r| {
            (r.uri().path() == "/registry/register").then_some(Trouble::Status(s))
        });
        let e = client.register().await.unwrap_err();
        assert!(
            !matches!(e, AgentError::PollModeUnsupported { .. }),
            "{s} {e}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_agents_directory_is_private_also_without_a_token_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let (id, token) = world.workspace("a").await;
    let client = world
        .builder(id)
        .token(token.parse_token())
        .build()
        .unwrap();
    client.register().await.unwrap();
    let _ = InboundLog::open(client.clone(), None, Since::Now)
        .await
        .unwrap();
    let mode = std::fs::metadata(client.state_dir())
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o700, "{mode:o}");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_row_does_not_hide_older_windows() {
    // 500-element page with one broken row, older page behind it
    let row = |n: u32| json!({"id": format!("00000000-0000-4000-8000-{n:012}"), "created_at": format!("2026-01-01T00:{:02}:{:02}Z", n / 60, n % 60), "activity_type":"a2a_receive","method":"message/send","status":"ok","source_id":null,"summary":"s"});
    let transport = ScriptedTransport::new(move |r: Request| {
        let q = r.uri().query().unwrap_or_default().to_owned();
        let a = if q.contains("since_id") {
            answer(410, "{}")
        } else if q.contains("before_ts") {
            answer(200, json!([row(1), row(0)]).to_string())
        } else {
            let mut v: Vec<Value> = (2..502).rev().map(row).collect();
            v[7] = json!({"id": 7});
            answer(200, json!(v).to_string())
        };
        std::future::ready(Ok(a))
    });
    let dir = tempfile::tempdir().unwrap();
    let client = RemoteAgentClient::builder(
        "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap(),
        "http://localhost:1".parse().unwrap(),
    )
    .state_dir(dir.path())
    .transport(transport)
    .build()
    .unwrap();
    let mut d = InboundLog::open(client, None, Since::All).await.unwrap();
    assert_eq!(drain(&mut d).await.len(), 501);
}
#[tokio::test(start_paused = true)]
async fn a_paused_peer_does_not_block_the_canvas_user() {
    let world = World::new();
    let (one, two) = (world.registered("one").await, world.registered("two").await);
    let agent = world.start(&two, shout);
    world.pass(1).await;
    one.send_message(two.workspace_id(), Message::text("m-1", "hello"))
        .await
        .unwrap();
    world
        .admin(
            "POST",
            &format!("/workspaces/{}/pause", one.workspace_id()),
            Value::Null,
        )
        .await;
    world.say(two.workspace_id(), "m-2", "canvas").await;
    world.pass(600).await;
    let got = world.notifications(two.workspace_id()).await;
    assert_eq!(got, ["CANVAS"], "the peer is paused");
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopping_during_a_registration_does_not_lose_the_issued_token() {
    let world = World::new();
    let (id, _) = world.workspace("alpha").await;
    world.platform.revoke_tokens(id).unwrap();
    let inner = world.network();
    let clock = world.clock.clone();
    let slow = ScriptedTransport::new(move |r: Request| {
        let (inner, clock) = (inner.clone(), clock.clone());
        async move {
            let is = r.uri().path() == "/registry/register";
            let answer = inner.send(r).await;
            if is {
                clock.sleep(Duration::from_secs(3)).await;
            }
            answer
        }
    });
    let client = world.builder(id).transport(slow).build().unwrap();
    let cancel = CancellationToken::new();
    let k = cancel.clone();
    let clock = world.clock.clone();
    tokio::spawn(async move {
        clock.sleep(Duration::from_secs(1)).await;
        k.cancel();
    });
    let _ = client.connect(shout, Connect::new(), &cancel).await;
    world.pass(60).await;
    assert!(
        client.load_token().await.unwrap().is_some(),
        "the only token is lost"
    );
}
