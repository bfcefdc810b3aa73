//! The initial prompt: what the agent is told first, once in the life of its volume.

use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use molecule_protocol::Message;
use uuid::Uuid;

use crate::life::describe;
use crate::push::answers;
use crate::{CallPeer, RemoteAgentClient};

/// The file whose presence says that the prompt was sent.
const MARKER: &str = ".initial_prompt_done";

/// Where the marker is when the config volume cannot be written.
const WORKSPACE: &str = "/workspace";

/// How often the agent's own card is asked for, one second apart.
const CARD_TRIES: u32 = 30;

/// The waits after a try that failed, in seconds.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

/// How long the agent may take for its answer.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Prompt {
    client: RemoteAgentClient,
    text: String,
    markers: [PathBuf; 2],
}

impl Prompt {
    pub(super) fn new(client: RemoteAgentClient, text: String, config_dir: PathBuf) -> Self {
        Self {
            client,
            text,
            markers: [config_dir.join(MARKER), Path::new(WORKSPACE).join(MARKER)],
        }
    }

    /// Sends it to the agent at `address` by way of the platform, unless that was done before.
    pub(super) async fn send_once(self, address: SocketAddr) {
        self.wait_for_card(address).await;
        let markers = self.markers.clone();
        match self.client.files().run(move || mark(&markers)).await {
            Ok(true) => self.send().await,
            Ok(false) => tracing::debug!("the initial prompt was sent before"),
            Err(error) => {
                tracing::warn!(%error, "the initial prompt is not sent: nothing would keep it from being sent again");
            }
        }
    }

    async fn wait_for_card(&self, address: SocketAddr) {
        let clock = self.client.clock();
        for _ in 0..CARD_TRIES {
            if answers(address, clock.clone()).await.is_ok() {
                return;
            }
            clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// The id stays the same, so that a prompt which arrived without anybody knowing is known again.
    async fn send(&self) {
        let message = Message::text(Uuid::new_v4().to_string(), &self.text);
        let options = CallPeer::new()
            .with_prefer_direct(false)
            .with_timeout(PATIENCE);
        let me = self.client.workspace_id();
        for pause in PAUSES {
            match self
                .client
                .call_peer(me, message.clone(), options.clone())
                .await
            {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(
                        error = describe(&error),
                        "sending the initial prompt failed"
                    );
                }
            }
            self.client.clock().sleep(Duration::from_secs(pause)).await;
        }
    }
}

/// Leaves the marker in the first place that takes it. Whether there was none.
fn mark(markers: &[PathBuf]) -> io::Result<bool> {
    for marker in markers {
        if marker.try_exists()? {
            return Ok(false);
        }
    }
    let mut last = Ok(false);
    for marker in markers {
        let mut options = OpenOptions::new();
        let made = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(marker);
        match made {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => last = Err(error),
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_left_once_in_the_first_place_that_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, other) = (dir.path().join("missing/done"), dir.path().join("done"));
        let markers = [missing.clone(), other.clone()];
        assert!(mark(&markers).unwrap() && other.exists());
        assert!(!mark(&markers).unwrap());
        mark(&[missing]).unwrap_err();
    }
}
