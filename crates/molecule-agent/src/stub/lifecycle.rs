//! What the stub does of its own accord: it registers, and its heart beats whether or not that
//! works.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use molecule_transport::Clock;
use tokio::task::JoinSet;

use super::platform::{Beat, Platform};

/// How often one registration is tried.
const ATTEMPTS: u32 = 10;

/// The wait after a failed try.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The wait after each heartbeat.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Registers in the background and beats until it is dropped.
///
/// It is the heartbeat that brings a provisioned workspace online, so nothing holds it up: a
/// refused token starts a registration beside it, one at a time, and the next beat reads the
/// token file again.
pub(super) async fn live(platform: Platform, clock: Arc<dyn Clock>) -> Infallible {
    let platform = Arc::new(platform);
    let started = clock.now();
    let mut registration = JoinSet::new();
    start(&mut registration, &platform, &clock);
    loop {
        let uptime = clock.now().saturating_sub(started);
        if platform.beat(uptime).await == Beat::Unauthorized {
            start(&mut registration, &platform, &clock);
        }
        clock.sleep(BEAT_EVERY).await;
    }
}

/// Starts a registration, unless one is under way.
fn start(registration: &mut JoinSet<()>, platform: &Arc<Platform>, clock: &Arc<dyn Clock>) {
    while registration.try_join_next().is_some() {}
    if registration.is_empty() {
        registration.spawn(register_with_retry(platform.clone(), clock.clone()));
    }
}

async fn register_with_retry(platform: Arc<Platform>, clock: Arc<dyn Clock>) {
    for attempt in 1..=ATTEMPTS {
        if platform.register(attempt).await {
            return;
        }
        clock.sleep(RETRY_AFTER).await;
    }
}
