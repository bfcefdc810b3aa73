//! Every fault that the local platform can be told to commit, and what becomes of the agent.

use std::time::Duration;

use molecule_agent::token_store::{TokenStore, Wait};
use molecule_agent::transport::Clock as _;
use molecule_agent::{AgentError, RemoteAgentClient};
use molecule_emulator::{Fault, FaultRule};
use serde_json::json;

use crate::world::{ParseToken as _, World, shout};

/// A call of the client.
#[derive(Clone, Copy, Debug)]
enum Call {
    Register,
    Heartbeat,
    PullSecrets,
    Notify,
}

impl Call {
    fn path(self) -> &'static str {
        match self {
            Self::Register => "/registry/register",
            Self::Heartbeat => "/registry/heartbeat",
            Self::PullSecrets => "/workspaces/*/secrets/values",
            Self::Notify => "/workspaces/*/notify",
        }
    }

    async fn make(self, client: &RemoteAgentClient) -> Result<(), AgentError> {
        match self {
            Self::Register => client.register().await.map(drop),
            Self::Heartbeat => client.heartbeat(client.beat()).await,
            Self::PullSecrets => client.pull_secrets().await.map(drop),
            Self::Notify => client.notify("hello", &[]).await,
        }
    }
}

/// How a call ends: the word for its error, or `ok`; after how many requests to the faulty route, and how many seconds.
async fn check(call: Call, fault: Fault, times: u64, expect: &str) {
    let world = World::new();
    let client = world.registered("alpha").await;
    let secret = json!({"key": "KEY", "value": "value"});
    let path = format!("/workspaces/{}/secrets", client.workspace_id());
    world.admin("POST", &path, secret).await;
    world.inject(
        FaultRule::new(fault.clone())
            .with_path(call.path())
            .with_times(times),
    );
    let start = world.clock.now();
    let ended = call.make(&client).await;
    let seconds = (world.clock.now() - start).as_secs();
    let seen = world.platform.faults()[0].seen;
    let word = ended.map_or_else(|error| word(&error), |()| "ok".to_owned());
    let found = format!("{word}, {seen} requests, {seconds} s");
    assert_eq!(found, expect, "{call:?} {fault:?}");
    let shown = world.notifications(client.workspace_id()).await.len();
    let delivered = matches!(call, Call::Notify) && takes_effect(&fault);
    assert_eq!(shown, usize::from(delivered), "{call:?} {fault:?}");
}

/// Whether the platform did its work although its answer is no good.
fn takes_effect(fault: &Fault) -> bool {
    !matches!(fault, Fault::Answer { .. } | Fault::DropBefore)
        && !matches!(fault, Fault::Latency { ms } if *ms > 10_000)
}

/// The variant of an error, and of what is in it.
pub(super) fn word(error: &AgentError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(', '{'])
        .filter(|word| !word.is_empty())
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

const EVER: u64 = u64::MAX;

#[tokio::test(start_paused = true)]
async fn latency_is_waited_out_or_times_out() {
    let seconds = |seconds| Fault::latency(Duration::from_secs(seconds));
    check(Call::Register, seconds(9), 1, "ok, 1 requests, 9 s").await;
    check(Call::Notify, seconds(9), 1, "ok, 1 requests, 9 s").await;
    check(Call::Heartbeat, seconds(60), 1, "ok, 2 requests, 11 s").await;
    check(
        Call::PullSecrets,
        seconds(60),
        EVER,
        "Transport Timeout, 4 requests, 47 s",
    )
    .await;
    check(
        Call::Notify,
        seconds(60),
        1,
        "Transport Timeout, 1 requests, 10 s",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_kept_where_the_call_may_be_repeated() {
    let limited = Fault::rate_limited;
    check(Call::Register, limited(Some(5)), 1, "ok, 2 requests, 5 s").await;
    check(
        Call::Heartbeat,
        limited(Some(59)),
        2,
        "ok, 3 requests, 118 s",
    )
    .await;
    check(Call::PullSecrets, limited(None), 2, "ok, 3 requests, 3 s").await;
    check(
        Call::PullSecrets,
        limited(None),
        EVER,
        "Api RateLimited, 4 requests, 7 s",
    )
    .await;
    check(
        Call::Heartbeat,
        limited(Some(3600)),
        1,
        "Transport RetryAfterTooLong, 1 requests, 0 s",
    )
    .await;
    check(
        Call::Notify,
        limited(Some(5)),
        1,
        "Api RateLimited, 1 requests, 0 s",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_a_failure_is_tried_again() {
    let refused = || Fault::answer(422, r#"{"error":"no"}"#);
    let check_all = async |fault: fn() -> Fault, times, expect: [&str; 4]| {
        let calls = [
            Call::Register,
            Call::Heartbeat,
            Call::PullSecrets,
            Call::Notify,
        ];
        for (call, expect) in calls.into_iter().zip(expect) {
            check(call, fault(), times, expect).await;
        }
    };
    check_all(refused, EVER, ["Api Rejected, 1 requests, 0 s"; 4]).await;
    let failing = || Fault::status(503);
    let again = "ok, 3 requests, 3 s";
    check_all(
        failing,
        2,
        [again, again, again, "Api Unavailable, 1 requests, 0 s"],
    )
    .await;
    let never = "Api Unavailable, 4 requests, 7 s";
    check_all(
        failing,
        EVER,
        [never, never, never, "Api Unavailable, 1 requests, 0 s"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again_where_the_call_may_be_repeated() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::HalfClose] {
        check(Call::Register, fault.clone(), 1, "ok, 2 requests, 1 s").await;
        check(Call::Heartbeat, fault.clone(), 1, "ok, 2 requests, 1 s").await;
        check(Call::PullSecrets, fault.clone(), 2, "ok, 3 requests, 3 s").await;
        let never = "Transport Interrupted, 4 requests, 7 s";
        check(Call::Heartbeat, fault.clone(), EVER, never).await;
        let once = "Transport Interrupted, 1 requests, 0 s";
        check(Call::Notify, fault, 1, once).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_asked_for_again_where_the_call_may_be_repeated() {
    let cut = || Fault::Truncate { bytes: 3 };
    check(Call::Register, cut(), 1, "ok, 2 requests, 1 s").await;
    check(Call::Heartbeat, cut(), 1, "ok, 2 requests, 1 s").await;
    check(Call::PullSecrets, cut(), 1, "ok, 2 requests, 1 s").await;
    check(
        Call::PullSecrets,
        cut(),
        EVER,
        "Transport Truncated, 4 requests, 7 s",
    )
    .await;
    check(
        Call::Notify,
        cut(),
        1,
        "Transport Truncated, 1 requests, 0 s",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn garbage_is_never_taken_for_an_answer() {
    let garbled = "Api Malformed, 1 requests, 0 s";
    for call in [
        Call::Register,
        Call::Heartbeat,
        Call::PullSecrets,
        Call::Notify,
    ] {
        check(call, Fault::garbage(), 1, garbled).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_token_is_said_to_be_lost() {
    let world = World::new();
    let (id, _) = world.workspace("alpha").await;
    world.platform.revoke_tokens(id).unwrap();
    world.inject(
        FaultRule::new(Fault::DropAfter)
            .with_path("/registry/register")
            .with_times(1),
    );
    let client = world.builder(id).build().unwrap();
    let error = client.register().await.unwrap_err();
    assert!(matches!(error, AgentError::NoToken(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_rotates_under_a_call_is_rejected_until_the_new_one_is_stored() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let rotation = Fault::rotate_token("the-new-token");
    world.inject(
        FaultRule::new(rotation)
            .with_path(Call::PullSecrets.path())
            .with_times(1),
    );
    let error = client.pull_secrets().await.unwrap_err();
    assert!(
        matches!(error, AgentError::TokenRejected { .. }),
        "{error:?}"
    );
    store(&client, "the-new-token");
    client.pull_secrets().await.unwrap();
}

fn store(client: &RemoteAgentClient, token: &str) {
    let store = TokenStore::new(client.state_dir());
    store.save(&token.parse_token(), Wait::No).unwrap();
}

/// An agent that runs while this goes wrong is online in the end, and has answered each message once and in order.
async fn outlives(rules: impl IntoIterator<Item = FaultRule>) -> World {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-0", "before").await;
    world.pass(6).await;
    rules.into_iter().for_each(|rule| world.inject(rule));
    for n in 1..=5 {
        world
            .say(id, &format!("m-{n}"), &format!("during {n}"))
            .await;
        world.pass(13).await;
    }
    world.pass(60).await;
    assert!(world.platform.faults().iter().all(|rule| rule.fired > 0));
    world.platform.clear_faults();
    world.pass(150).await;
    world.say(id, "m-9", "after").await;
    world.pass(30).await;
    assert!(agent.is_running());
    assert_eq!(world.status(id).await, "online");
    let expect = [
        "BEFORE", "DURING 1", "DURING 2", "DURING 3", "DURING 4", "DURING 5", "AFTER",
    ];
    assert_eq!(world.notifications(id).await, expect);
    agent.stop().await.unwrap();
    world
}

/// Every second request of the agent, whatever it asks for.
fn half(fault: Fault) -> [FaultRule; 4] {
    [
        "/registry/heartbeat",
        "/workspaces/*/activity",
        "/workspaces/*/notify",
        "/workspaces/*/state",
    ]
    .map(|path| FaultRule::new(fault.clone()).with_path(path).with_every(2))
}

#[tokio::test(start_paused = true)]
async fn an_agent_outlives_latency() {
    outlives([FaultRule::new(Fault::latency(Duration::from_secs(3)))]).await;
    outlives(half(Fault::latency(Duration::from_secs(30)))).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_outlives_refusals() {
    outlives(half(Fault::rate_limited(7))).await;
    outlives(half(Fault::rate_limited(None))).await;
    outlives(half(Fault::status(500))).await;
    outlives(half(Fault::answer(503, "<html>"))).await;
    outlives(half(Fault::status(404))[..2].to_vec()).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_outlives_broken_connections() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::HalfClose] {
        outlives(half(fault)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_outlives_damaged_bodies() {
    outlives(half(Fault::Truncate { bytes: 4 })).await;
    outlives(half(Fault::garbage())).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_answers_each_row_once_although_it_comes_twice() {
    outlives([FaultRule::new(Fault::DuplicateRows)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_id_is_answered_once_although_its_row_comes_twice() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.inject(FaultRule::new(Fault::DuplicateRows));
    let agent = world.start(&client, shout);
    world.pass(1).await;
    let parts = json!([{"kind": "text", "text": "hello"}]);
    let body = json!({"method": "message/send", "params": {"message": {"role": "user", "messageId": null, "parts": parts}}});
    world
        .admin("POST", &format!("/workspaces/{id}/a2a"), body)
        .await;
    world.pass(30).await;
    assert_eq!(
        world.notifications(id).await.len(),
        2,
        "the rows are listed twice here, too"
    );
    world.platform.clear_faults();
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_answers_in_order_although_rows_come_out_of_it() {
    let world = outlives([FaultRule::new(Fault::ReorderRows)]).await;
    let client = world.registered("beta").await;
    let id = client.workspace_id();
    world.inject(FaultRule::new(Fault::ReorderRows));
    let agent = world.start(&client, shout);
    world.pass(1).await;
    for n in 1..=4 {
        world.say(id, &format!("m-{n}"), &format!("{n}")).await;
        world.clock_tick().await;
    }
    world.pass(30).await;
    world.platform.clear_faults();
    assert_eq!(world.notifications(id).await, ["1", "2", "3", "4"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_finds_its_place_again_when_its_cursor_was_pruned() {
    outlives([FaultRule::new(Fault::PrunedCursor)]).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_goes_on_with_the_token_that_is_stored_after_a_rotation() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, shout);
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    let rule = FaultRule::new(Fault::rotate_token("the-new-token"));
    world.inject(rule.with_path("/workspaces/*/notify").with_times(1));
    world.pass(20).await;
    assert!(world.notifications(id).await.is_empty());
    store(&client, "the-new-token");
    world.pass(90).await;
    assert!(agent.is_running());
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    agent.stop().await.unwrap();
}
