//! A request that is sent over and over, as an agent sends its heartbeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::http::Request;
use crate::platform::Platform;

/// Sends until it is dropped.
pub(crate) struct Repeated {
    ended: Arc<AtomicBool>,
}

impl Repeated {
    pub(crate) fn start(platform: &Platform, request: Request, every: Duration) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, host) = (Arc::clone(&ended), platform.host.clone());
        thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                // One that is lost is made up for by the next.
                let _ = request.send(&host);
                clock::sleep(every);
            }
        });
        Self { ended }
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
