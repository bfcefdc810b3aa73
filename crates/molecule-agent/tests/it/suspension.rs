//! A laptop that was closed, a process that was stopped.

use std::time::Duration;

use molecule_agent::{AgentLoop, ClientBuilder, EventsMode, PollOptions, RemoteAgentClient};

use crate::world::{ParseToken as _, World, shout};

/// An agent that asks for everything once an hour.
async fn sluggish(world: &World) -> RemoteAgentClient {
    let hour = Duration::from_secs(3600);
    let (id, token) = world.workspace("alpha").await;
    let slow = |builder: ClientBuilder| {
        builder
            .heartbeat_interval(hour)
            .state_poll_interval(hour)
            .poll_interval(hour)
    };
    let client = slow(world.builder(id)).build().unwrap();
    client.save_token(token.parse_token()).await.unwrap();
    client.register().await.unwrap();
    client
}

/// Beats, questions for the state, and polls so far.
fn signs_of_life(world: &World, client: &RemoteAgentClient) -> [usize; 3] {
    let id = client.workspace_id();
    [
        world.count("POST /registry/heartbeat"),
        world.count(&format!("GET /workspaces/{id}/state")),
        world.count(&format!("GET /workspaces/{id}/activity")),
    ]
}

fn more(before: [usize; 3], after: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|index| after[index] - before[index])
}

async fn check(world: &World, stand_still: impl AsyncFnOnce()) {
    let client = sluggish(world).await;
    let options = PollOptions::new().with_events(EventsMode::Off);
    let agent = world.start_polling(&client, shout, options);
    world.pass(60).await;
    let before = signs_of_life(world, &client);
    world.pass(600).await;
    assert_eq!(signs_of_life(world, &client), before);
    stand_still().await;
    world.pass(6).await;
    // A poll that found nothing is repeated once.
    assert_eq!(more(before, signs_of_life(world, &client)), [1, 1, 2]);
    world.pass(600).await;
    assert_eq!(more(before, signs_of_life(world, &client)), [1, 1, 2]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_beats_and_asks_at_once_when_it_wakes() {
    let world = World::new();
    check(&world, async || {
        world.clock.suspend(Duration::from_secs(300));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_beats_and_asks_at_once_when_it_goes_on() {
    let world = World::new();
    check(&world, async || {
        tokio::time::advance(Duration::from_secs(300)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_program_can_say_that_time_has_passed() {
    let world = World::new();
    let client = sluggish(&world).await;
    let agent = world.start_with(&client, shout, AgentLoop::new());
    world.pass(60).await;
    let before = signs_of_life(&world, &client);
    client.wake();
    world.pass(1).await;
    let found = more(before, signs_of_life(&world, &client));
    assert!(found[0] == 1 && found[1] >= 1 && found[2] >= 1, "{found:?}");
    agent.stop().await.unwrap();
}
