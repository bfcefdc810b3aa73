//! The caller's flag, on the side that does not block.

use std::time::Duration;

use molecule_plugin::CancelFlag;
use molecule_transport::Clock;

/// How long the flag may go unnoticed. It wakes nobody, and so it has to be looked at.
const POLL: Duration = Duration::from_millis(25);

/// Waits until somebody sets the flag.
pub(super) async fn cancelled(flag: &CancelFlag, clock: &dyn Clock) {
    while !flag.is_cancelled() {
        clock.sleep(POLL).await;
    }
}
