//! The runtime of a container that the platform provisioned: what it owes the platform besides answering messages.

mod delegations;
mod options;
mod prompt;
mod registration;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent_loop::Shift;
use crate::{
    AgentError, AgentLoop, Handler, InboundDelivery, PushDelivery, RemoteAgentClient, StopReason,
};
pub use options::RuntimeOptions;

impl RemoteAgentClient {
    /// Runs as the runtime of a container does, until the workspace is paused or deleted, or `cancel` is cancelled.
    ///
    /// It listens first. Heartbeats begin at once and bring the workspace online, whether or not the registration beside them is taken, which
    /// is tried a few times, and again when the token was refused. After each interval of heartbeats the delegations are listed: those that
    /// ended are appended to a file, and a message to the agent itself, at most once a minute, and a notification say so. The initial prompt is
    /// sent to the agent itself once in the life of the volume.
    ///
    /// The client should be built with a [`token_volume`](crate::ClientBuilder::token_volume).
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// use molecule_agent::{CancellationToken, InboundMessage, RemoteAgentClient, RuntimeOptions};
    ///
    /// let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?;
    /// let client = RemoteAgentClient::builder(id, "http://platform:8080".parse()?)
    ///     .token_volume("/configs")
    ///     .reported_url("http://box:8000")
    ///     .allow_insecure_http()
    ///     .build()?;
    /// let shout = async |message: InboundMessage| message.text.to_uppercase();
    /// client.run_runtime(shout, RuntimeOptions::new(), &CancellationToken::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`PushDelivery::bind`] and [`run_agent_loop`](Self::run_agent_loop). What the platform refuses is only logged.
    pub async fn run_runtime(
        &self,
        handler: impl Handler,
        options: RuntimeOptions,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let run = self.vitals().begin();
        let ended = self.serve(Arc::new(handler), options, cancel).await;
        run.ended(&ended);
        ended
    }

    async fn serve(
        &self,
        handler: Arc<dyn Handler>,
        options: RuntimeOptions,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let delivery = PushDelivery::bind(self, &options.push)?;
        let address = delivery.local_addr();
        let delivery: Box<dyn InboundDelivery> = Box::new(delivery);
        let shift = Shift::new(self, handler, delivery, agent_loop(&options));
        if let Some(on_listening) = &options.on_listening {
            on_listening(address);
        }
        let _duties = duties(self, options, address);
        self.live(shift, cancel).await
    }
}

fn agent_loop(options: &RuntimeOptions) -> AgentLoop {
    let mut agent_loop = options.agent_loop.clone();
    let beats = agent_loop.heartbeats;
    agent_loop.heartbeats = beats.with_runtime_metadata(options.metadata);
    agent_loop
}

/// Everything beside heartbeats and messages, which it never holds up. It ends when it is dropped.
fn duties(client: &RemoteAgentClient, options: RuntimeOptions, address: SocketAddr) -> JoinSet<()> {
    let mut duties = JoinSet::new();
    duties.spawn(registration::register(client.clone(), address));
    duties.spawn(delegations::watch(
        client.clone(),
        options.delegation_results,
    ));
    if let Some(text) = options.initial_prompt {
        let prompt = prompt::Prompt::new(client.clone(), text, options.config_dir);
        duties.spawn(prompt.send_once(address));
    }
    duties
}
