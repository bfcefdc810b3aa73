//! Each mistake of the platform, made and not made.

use molecule_emulator::{EmulatorConfig, Generation, Quirks};
use molecule_protocol::transcripts::Behaviour;
use serde_json::{Value, json};

use crate::world::{Workspace, World};

async fn with(quirks: Quirks) -> World {
    World::with(EmulatorConfig::new().with_quirks(quirks)).await
}

async fn removed(world: &World) -> Workspace {
    let workspace = world.create("gone").await;
    let push = json!({ "delivery_mode": "push", "url": "http://localhost:1" });
    world.register(&workspace, &push).await;
    let path = format!("/workspaces/{}", workspace.id);
    assert_eq!(world.delete(&path).send().await.status, 200);
    workspace
}

#[tokio::test]
async fn the_defaults_follow_the_generation() {
    let (a, b) = (Quirks::of(Generation::A), Quirks::of(Generation::B));
    assert_eq!(EmulatorConfig::new().quirks(), b);
    let config = EmulatorConfig::new().with_generation(Generation::A);
    assert_eq!(config.quirks(), a);
    let only_a: Vec<_> = a
        .names()
        .into_iter()
        .filter(|name| !b.names().contains(name))
        .collect();
    assert_eq!(
        only_a,
        [
            "silent_status_enum",
            "search_panics",
            "removed_beats",
            "removed_receives",
            "removed_is_shown",
            "sweep_needs_provisioner"
        ]
    );
}

#[tokio::test]
async fn a_status_that_cannot_be_stored_is_answered_all_the_same() {
    for (silent, expect) in [(true, "provisioning"), (false, "awaiting_agent")] {
        let world = with(Quirks::none().with_silent_status_enum(silent)).await;
        let workspace = world.create("w").await;
        assert_eq!(world.status(&workspace).await, expect);
    }
}

#[tokio::test]
async fn a_search_among_peers_without_a_role_panics_or_works() {
    for (panics, expect) in [(true, 500), (false, 200)] {
        let world = with(Quirks::none().with_search_panics(panics)).await;
        let (me, _) = (world.create("me").await, world.create("peer").await);
        let path = format!("/registry/{}/peers?q=peer", me.id);
        let answer = world.get(&path).bearer(&me.token).send().await;
        assert_eq!(answer.status, expect);
        assert_eq!(answer.body.is_empty(), panics);
    }
}

#[tokio::test]
async fn a_removed_workspace_is_ignored_or_told() {
    for (quirk, beat, shown, message) in [(true, 200, 200, 502), (false, 401, 410, 410)] {
        let quirks = Quirks::none()
            .with_removed_beats(quirk)
            .with_removed_receives(quirk)
            .with_removed_is_shown(quirk);
        let world = with(quirks).await;
        let agent = world.agent().await;
        let workspace = world.pusher("gone", &agent).await;
        drop(agent);
        world
            .delete(&format!("/workspaces/{}", workspace.id))
            .send()
            .await;
        assert_eq!(world.beat(&workspace).await.status, beat);
        let path = format!("/workspaces/{}", workspace.id);
        assert_eq!(world.get(&path).send().await.status, shown);
        let body = json!({ "method": "message/send", "params": { "message": { "parts": [] } } });
        let admin = world.platform.admin_token();
        let sent = world.post(&format!("{path}/a2a"), &body).bearer(admin);
        assert_eq!(sent.send().await.status, message);
    }
}

#[tokio::test]
async fn registering_a_removed_id_gives_a_dead_token_or_none() {
    let world = with(Quirks::none().with_dead_tokens(true)).await;
    let gone = removed(&world).await;
    let push = json!({ "delivery_mode": "push", "url": "http://localhost:1" });
    let answer = world.register(&gone, &push).await;
    let token = answer.json()["auth_token"].as_str().unwrap().to_owned();
    let path = format!("/workspaces/{}/state", gone.id);
    assert_eq!(world.get(&path).bearer(&token).send().await.status, 401);
    let world = with(Quirks::none()).await;
    let gone = removed(&world).await;
    assert_eq!(world.register(&gone, &push).await.status, 410);
}

#[tokio::test]
async fn a_refused_url_is_explained_or_not() {
    for (hidden, expect) in [(true, true), (false, false)] {
        let world = with(Quirks::none().with_hidden_reason(hidden)).await;
        let workspace = world.create("w").await;
        let push = json!({ "delivery_mode": "push", "url": "http://127.0.0.1:9" });
        let answer = world.register(&workspace, &push).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"] == "invalid request body", expect);
    }
}

#[tokio::test]
async fn a_timeout_header_ends_a_dispatch_or_is_ignored() {
    let slow = || Behaviour {
        echo: true,
        delay_ms: 6_000,
        ..Behaviour::default()
    };
    for (ignored, expect) in [(true, 200), (false, 202)] {
        let world = with(Quirks::of(Generation::B).with_ignored_timeout(ignored)).await;
        let agent = world.agent().await;
        let target = world.pusher("target", &agent).await;
        agent.behave(slow());
        let call = world.message(&target, "m-1", "hi").header("x-timeout", "2");
        let sent = tokio::spawn(call.send());
        agent.wait_for(1).await;
        world.advance(2);
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        world.advance(4);
        assert_eq!(sent.await.unwrap().status, expect);
    }
}

#[tokio::test]
async fn who_registers_unknown_ids_is_a_container_or_external() {
    for (quirk, expect) in [(true, "langgraph"), (false, "external")] {
        let world = with(Quirks::none().with_containers_by_registration(quirk)).await;
        let id = "00000000-0000-4000-8000-000000000001";
        let body = json!({ "id": id, "url": "http://localhost:9", "agent_card": null });
        let answer = world.post("/registry/register", &body).send().await;
        assert_eq!(answer.status, 200);
        let row = world.get(&format!("/workspaces/{id}")).send().await.json();
        assert_eq!(row["runtime"], expect);
    }
}

#[tokio::test]
async fn a_resumed_external_workspace_fails_or_waits_for_its_agent() {
    for (quirk, expect) in [(true, "failed"), (false, "awaiting_agent")] {
        let world = with(Quirks::none().with_failing_restart(quirk)).await;
        let workspace = world.poller("w").await;
        for action in ["pause", "resume"] {
            let path = format!("/workspaces/{}/{action}", workspace.id);
            let call = world.post(&path, &json!({})).bearer(&workspace.token);
            assert_eq!(call.send().await.status, 200);
        }
        assert_eq!(world.status(&workspace).await, expect);
        world.register(&workspace, &json!({})).await;
        assert_eq!(world.status(&workspace).await, "online");
    }
}

#[tokio::test]
async fn the_canvas_is_open_to_anyone_or_to_the_administrator() {
    for (open, expect) in [(true, 202), (false, 401)] {
        let world = with(Quirks::none().with_open_canvas(open)).await;
        let target = world.poller("target").await;
        assert_eq!(world.say(&target, "hi").await.status, expect);
        let call = world.message(&target, "m", "hi");
        let admin = call.bearer(world.platform.admin_token());
        assert_eq!(admin.send().await.status, 202);
    }
}

#[tokio::test]
async fn an_id_in_capitals_is_another_one_or_the_same() {
    for (sensitive, expect) in [(true, 401), (false, 200)] {
        let world = with(Quirks::none().with_case_sensitive_ids(sensitive)).await;
        let me = world.poller("me").await;
        let path = format!("/workspaces/{}/state", me.id.to_uppercase());
        let answer = world.get(&path).bearer(&me.token).send().await;
        assert_eq!(answer.status, expect);
    }
}

#[tokio::test]
async fn a_host_without_a_provisioner_may_not_notice_silence() {
    for (quirk, expect) in [(true, "online"), (false, "awaiting_agent")] {
        let quirks = Quirks::none().with_sweep_needs_provisioner(quirk);
        let config = EmulatorConfig::new()
            .with_quirks(quirks)
            .with_provisioner(false);
        let world = World::with(config).await;
        let me = world.poller("me").await;
        world.advance(120);
        assert_eq!(world.status(&me).await, expect);
        world.advance(120);
        assert_eq!(world.status(&me).await, "awaiting_agent", "the key ran out");
    }
}

#[tokio::test]
async fn a_message_for_a_polling_agent_may_look_like_its_answer() {
    let world = with(Quirks::of(Generation::B).with_plain_poll_answer(true)).await;
    let poller = world.poller("poller").await;
    let answer = world.say(&poller, "hi").await;
    let queued: Value =
        json!({ "delivery_mode": "poll", "method": "message/send", "status": "queued" });
    assert_eq!(answer.summary(), (200, queued));
    let rows = world.activity(&poller, "").await.json();
    assert_eq!(rows.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rows_may_describe_their_message_a_second_time() {
    let world = with(Quirks::of(Generation::B).with_described_rows(true)).await;
    let (peer, poller) = (world.poller("peer").await, world.poller("poller").await);
    let call = world.message(&poller, "m", "hello");
    let call = call.header("x-workspace-id", &peer.id).bearer(&peer.token);
    call.send().await;
    world.say(&poller, "hi").await;
    let rows = world.activity(&poller, "").await.json();
    let by_user = &rows[0]["data"];
    assert_eq!(
        (&by_user["source"], &by_user["peer_id"], &by_user["text"]),
        (&json!("canvas_user"), &Value::Null, &json!("hi"))
    );
    let by_peer = &rows[1]["data"];
    assert_eq!(
        (&by_peer["peer_id"], &by_peer["peer_name"], &by_peer["text"]),
        (&json!(peer.id), &json!("peer"), &json!("hello"))
    );
    assert_eq!(by_peer["activity_id"], rows[1]["id"]);
}

#[tokio::test]
async fn the_edge_lets_through_who_names_the_platform_as_origin() {
    let world = World::with(EmulatorConfig::new().with_edge(true)).await;
    let origin = world.platform.url();
    let body = json!({ "name": "w", "runtime": "external", "external": true });
    let create = world
        .post("/workspaces", &body)
        .bearer(world.platform.admin_token());
    let refused = create.clone().send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.body.is_empty()),
        (404, true)
    );
    let created = create.header("origin", &origin).send().await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let token = created.json()["connection"]["auth_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let workspace = Workspace { id, token };
    assert_eq!(world.register(&workspace, &json!({})).await.status, 200);
    assert_eq!(world.beat(&workspace).await.status, 200);
    for path in [
        format!("/workspaces/{}/activity", workspace.id),
        format!("/registry/{}/peers", workspace.id),
    ] {
        let call = world.get(&path).bearer(&workspace.token);
        for foreign in ["https://elsewhere.example", &format!("{origin}/")] {
            let answer = call.clone().header("origin", foreign).send().await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (404, String::new())
            );
        }
        assert_eq!(call.clone().send().await.status, 404);
        assert_eq!(call.header("origin", &origin).send().await.status, 200);
    }
}

/// The table of switches in the README.
#[test]
fn the_readme_lists_every_switch_with_its_defaults() {
    let readme = include_str!("../../README.md");
    let on = |generation: Generation, name: &str| Quirks::of(generation).names().contains(&name);
    let section = readme.split("## Switches").nth(1).unwrap();
    let table = section.split("\n## ").next().unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
    let mut listed = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        assert_eq!(cells[2] == "on", on(Generation::A, name), "{name} in A");
        assert_eq!(cells[3] == "on", on(Generation::B, name), "{name} in B");
        listed.push(name);
    }
    let all = Quirks::all().names();
    assert_eq!(listed, all);
}
