//! Silence, and coming back from it, in simulated time.

use molecule_emulator::{ContainerSpec, Emulator, EmulatorConfig, Liveness};
use serde_json::json;
use std::time::Duration;

use crate::world::{Workspace, World};

#[tokio::test]
async fn a_silent_agent_is_lost_at_the_first_sweep_after_ninety_seconds() {
    let world = World::start().await;
    let agent = world.poller("silent").await;
    for (seconds, expect) in [(89, "online"), (15, "online"), (1, "awaiting_agent")] {
        world.advance(seconds);
        assert_eq!(world.status(&agent).await, expect);
    }
}

#[tokio::test]
async fn generation_a_calls_a_lost_agent_offline_and_a_heartbeat_lifts_it() {
    let world = World::generation_a().await;
    let agent = world.create("silent").await;
    world
        .register(&agent, &json!({ "url": "http://localhost:9" }))
        .await;
    world.advance(120);
    assert_eq!(world.status(&agent).await, "offline");
    world.beat(&agent).await;
    assert_eq!(world.status(&agent).await, "online");
}

#[tokio::test]
async fn only_a_registration_brings_back_a_lost_agent_of_generation_b() {
    let world = World::start().await;
    let agent = world.poller("silent").await;
    world.advance(120);
    assert_eq!(world.beat(&agent).await.status, 200);
    assert_eq!(world.status(&agent).await, "awaiting_agent");
    world.register(&agent, &json!({})).await;
    assert_eq!(world.status(&agent).await, "online");
}

#[tokio::test]
async fn a_beating_agent_stays_online() {
    let world = World::start().await;
    let agent = world.poller("beating").await;
    for _ in 0..20 {
        world.advance(30);
        world.beat(&agent).await;
    }
    assert_eq!(world.status(&agent).await, "online");
}

#[tokio::test]
async fn a_platform_that_was_down_gives_agents_a_sweep_to_come_back() {
    let world = World::start().await;
    let agent = world.poller("patient").await;
    let (platform, address) = (world.platform.platform(), world.platform.address());
    world.platform.stop().await.unwrap();
    world.clock.advance(Duration::from_secs(300));
    let token = platform.rotate_tokens(agent.id()).unwrap();
    let agent = Workspace { token, ..agent };

    let platform = Emulator::start_on(platform, address).await.unwrap();
    assert_eq!(platform.address(), address);
    let world = World {
        platform,
        clock: world.clock,
    };
    assert_eq!(world.status(&agent).await, "online");
    world.beat(&agent).await;
    world.advance(15);
    assert_eq!(world.status(&agent).await, "online");
}

#[tokio::test]
async fn the_times_can_be_shortened() {
    let liveness = Liveness::new()
        .with_stale_after(Duration::from_secs(2))
        .with_sweep_every(Duration::from_secs(1));
    let world = World::with(EmulatorConfig::new().with_liveness(liveness)).await;
    let agent = world.poller("quick").await;
    world.advance(3);
    assert_eq!(world.status(&agent).await, "awaiting_agent");
}

#[tokio::test]
async fn a_sweep_can_be_asked_for() {
    let liveness = Liveness::new().with_sweep_every(Duration::from_secs(100_000));
    let world = World::with(EmulatorConfig::new().with_liveness(liveness)).await;
    let agent = world.poller("unnoticed").await;
    world.advance(91);
    assert_eq!(world.status(&agent).await, "online");
    world.platform.platform().sweep();
    assert_eq!(world.status(&agent).await, "awaiting_agent");
}

#[tokio::test]
async fn the_key_of_a_registration_runs_out_and_heartbeats_alone_create_none() {
    let world = World::start().await;
    let platform = world.platform.platform();
    let container = |name: &str| {
        let spec = ContainerSpec::new(name, "http://127.0.0.1:9");
        let (id, token) = platform.provision(&spec).unwrap();
        Workspace {
            id: id.to_string(),
            token,
        }
    };
    let (registered, beating) = (container("registered"), container("beating"));
    let push = json!({ "delivery_mode": "push", "url": "http://localhost:9" });
    world.register(&registered, &push).await;
    world.beat(&beating).await;
    world.advance(179);
    assert_eq!(world.status(&registered).await, "online");
    world.beat(&registered).await;
    world.advance(179);
    assert_eq!(world.status(&registered).await, "online");
    world.advance(16);
    assert_eq!(world.status(&registered).await, "offline");
    assert_eq!(world.status(&beating).await, "online");
}
