//! Time as it is: what is measured here is how long things really take.

use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "how long it really takes is what is asked"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "clients that are slow take real time"
)]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
