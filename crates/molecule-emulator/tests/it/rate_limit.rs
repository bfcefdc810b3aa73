//! The rate limit over simulated minutes.

use molecule_emulator::EmulatorConfig;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_window_ends_after_a_minute_and_says_when() {
    let world = World::with(EmulatorConfig::new().with_rate_limit(2)).await;
    world.get("/health").send().await;
    world.advance(20);
    assert_eq!(
        world
            .get("/nope")
            .send()
            .await
            .header("x-ratelimit-remaining"),
        Some("0")
    );
    let refused = world.get("/health").send().await;
    let body = json!({ "error": "rate limit exceeded", "retry_after": 39 });
    assert_eq!(refused.summary(), (429, body));
    assert_eq!(refused.header("retry-after"), Some("39"));
    world.advance(40);
    assert_eq!(world.get("/health").send().await.status, 200);
}

#[tokio::test]
async fn the_limit_can_be_changed_while_the_platform_runs() {
    let world = World::start().await;
    world.get("/health").send().await;
    world.platform.platform().set_rate_limit(0);
    assert_eq!(world.get("/health").send().await.status, 429);
    world.platform.platform().set_rate_limit(600);
    assert_eq!(world.get("/health").send().await.status, 200);
}
