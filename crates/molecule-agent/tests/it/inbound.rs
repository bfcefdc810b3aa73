//! Where the agent is in the log: nothing twice, nothing lost.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use molecule_agent::{
    AgentError, ErrorKind, EventsMode, FetchInbound, InboundLog, PollOptions, RemoteAgentClient,
    Since,
};

use crate::world::{World, shout};

async fn texts(delivery: &InboundLog) -> Vec<String> {
    let batch = delivery.poll().await.unwrap();
    batch
        .items
        .into_iter()
        .filter_map(|item| item.message)
        .map(|message| message.text)
        .collect()
}

async fn open(client: &RemoteAgentClient, since: Since) -> InboundLog {
    InboundLog::open(client.clone(), None, since).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_run_handles_what_came_in_the_last_30_seconds() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.say(id, "m-1", "old").await;
    world.say(id, "m-2", "older than 30 s").await;
    world.pass(31).await;
    world.say(id, "m-3", "recent").await;
    let delivery = open(&client, Since::default()).await;
    assert_eq!(delivery.skipped(), 2);
    assert_eq!(texts(&delivery).await, ["recent"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_run_may_handle_all_or_nothing() {
    let world = World::new();
    for (name, since, expect) in [
        ("all", Since::All, vec!["old", "new"]),
        ("now", Since::Now, vec![]),
    ] {
        let client = world.registered(name).await;
        world.say(client.workspace_id(), "m-1", "old").await;
        world.pass(3600).await;
        world.say(client.workspace_id(), "m-2", "new").await;
        assert_eq!(texts(&open(&client, since).await).await, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_run_before_the_first_message_misses_none_after_a_restart() {
    let world = World::new();
    let client = world.registered("alpha").await;
    drop(open(&client, Since::default()).await);
    world
        .say(client.workspace_id(), "m-1", "while it was away")
        .await;
    world.pass(3600).await;
    assert_eq!(
        texts(&open(&client, Since::default()).await).await,
        ["while it was away"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_does_not_come_again_and_what_is_not_does() {
    let world = World::new();
    let client = world.registered("alpha").await;
    for number in 0..4 {
        world
            .say(
                client.workspace_id(),
                &format!("m-{number}"),
                &format!("{number}"),
            )
            .await;
    }
    let mut delivery = open(&client, Since::All).await;
    let batch = delivery.poll().await.unwrap();
    delivery.acknowledge(&batch.items[..2]).await.unwrap();
    assert_eq!(texts(&delivery).await, ["2", "3"]);
    assert_eq!(
        texts(&open(&client, Since::Now).await).await,
        ["2", "3"],
        "a restart goes on where it was"
    );
}

#[tokio::test(start_paused = true)]
async fn own_notifications_are_no_messages() {
    let world = World::new();
    let client = world.registered("alpha").await;
    client.notify("said by the agent", &[]).await.unwrap();
    world
        .say(client.workspace_id(), "m-1", "said by the user")
        .await;
    assert_eq!(
        texts(&open(&client, Since::All).await).await,
        ["said by the user"]
    );
    let fetched = client.fetch_inbound(&FetchInbound::new()).await.unwrap();
    assert_eq!(fetched.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_the_platform_forgot_is_found_again_and_nothing_is_lost_or_repeated() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    world.say(id, "m-1", "done").await;
    let mut delivery = open(&client, Since::All).await;
    let batch = delivery.poll().await.unwrap();
    delivery.acknowledge(&batch.items).await.unwrap();
    world.say(id, "m-2", "not yet").await;
    // The platform purged the row of the cursor, but not the one before it.
    let path = client.state_dir().join("cursor");
    let mut text = "99c068b6-5999-43c5-a38c-731adb21acaf 2026-01-01T00:00:00Z\n".to_owned();
    write!(text, "{}", fs::read_to_string(&path).unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    assert_eq!(texts(&open(&client, Since::Now).await).await, ["not yet"]);
}

#[tokio::test(start_paused = true)]
async fn more_messages_than_fit_into_one_answer_all_come_in_order() {
    let world = World::with(molecule_emulator::EmulatorConfig::new().with_rate_limit(1_000_000));
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let mut delivery = open(&client, Since::All).await;
    for number in 0..601 {
        world
            .say(id, &format!("m-{number}"), &format!("{number}"))
            .await;
        world.clock_tick().await;
    }
    let mut seen = Vec::new();
    loop {
        let batch = delivery.poll().await.unwrap();
        for item in &batch.items {
            seen.extend(item.message.as_ref().map(|message| message.text.clone()));
        }
        delivery.acknowledge(&batch.items).await.unwrap();
        if !batch.more {
            break;
        }
    }
    assert_eq!(
        seen,
        (0..601)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_cursors_cannot_be_polled() {
    let world = World::generation_a();
    let client = world.client("alpha").await;
    let error = InboundLog::open(client, None, Since::All)
        .await
        .unwrap_err();
    assert!(
        matches!(error, AgentError::PollModeUnsupported { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_keep_its_place_stops_rather_than_answering_twice() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let file = world.disk().join("file");
    fs::write(&file, "not a directory").unwrap();
    let options = PollOptions::new().with_cursor_file(file.join("cursor"));
    let agent = world.start_polling(&client, shout, options);
    let error = agent.ended().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.to_string().contains("cursor"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn polling_goes_on_at_its_interval() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let client = world
        .builder(id)
        .poll_interval(Duration::from_secs(2))
        .build()
        .unwrap();
    client
        .save_token(molecule_agent::Token::new(token).unwrap())
        .await
        .unwrap();
    client.register().await.unwrap();
    let options = PollOptions::new().with_events(EventsMode::Off);
    let agent = world.start_polling(&client, shout, options);
    world.pass(100).await;
    let polls = world.count(&format!("GET /workspaces/{id}/activity"));
    assert!((50..56).contains(&polls), "{polls}");
    agent.stop().await.unwrap();
}
