//! Real time: the platform is a process of its own, whose clock nobody moves.

use std::time::Duration;

#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for happens in another process"
)]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}
