//! Registering beside everything else: it is heartbeats that bring a provisioned workspace online.

use std::net::SocketAddr;
use std::time::Duration;

use crate::life::describe;
use crate::push::answers;
use crate::{AgentError, RemoteAgentClient};

/// The waits between tries, in seconds.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

/// Registers once the port answers, and gives up after a while.
pub(super) async fn register(client: RemoteAgentClient, address: SocketAddr) {
    if let Err(error) = answers(address, client.clock().clone()).await {
        tracing::warn!(error = describe(&error), "registering all the same");
    }
    for pause in PAUSES {
        if try_once(&client).await {
            return;
        }
        client.clock().sleep(Duration::from_secs(pause)).await;
    }
    if !try_once(&client).await {
        tracing::warn!("not registered; heartbeats go on");
    }
}

/// Whether the platform took it. It goes on to its end when nobody waits for it any more, because a token is shown only once.
pub(super) async fn try_once(client: &RemoteAgentClient) -> bool {
    let registering = client.clone();
    let registered = tokio::spawn(async move { registering.register_now().await }).await;
    match registered.unwrap_or(Err(AgentError::TaskFailed("registration"))) {
        Ok(registration) => {
            tracing::info!(workspace = %client.workspace_id(), mode = ?registration.delivery_mode, "registered");
            true
        }
        Err(error) => {
            tracing::warn!(error = describe(&error), "registering failed");
            false
        }
    }
}
