//! The agent's life: it beats, it takes messages, it answers each once, it stops when it is told to.

mod answering;
mod attended;
mod crew;
mod dispatch;
mod intake;
mod lanes;
mod ledger;
mod ping_pong;
mod reply;
mod shift;
mod stopping;
mod wording;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::life::Life;
use crate::vitals::Phase;
use crate::{
    AgentError, Handler, HeartbeatLoop, InboundDelivery, Journal, RemoteAgentClient, StopReason,
    TaskReport,
};
use crew::Crew;
use ledger::Ledger;
pub(crate) use shift::Shift;

/// Options of [`RemoteAgentClient::run_agent_loop`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentLoop {
    /// How long a running handler may take when the agent has to stop. Default: 30 s.
    pub drain_timeout: Duration,
    /// How many handlers may run at the same time. Messages of one conversation are handled one after the other all the same. Default: 4.
    pub concurrency: usize,
    /// How often a handler is started with a message before the message is given up. Default: 3.
    pub attempts: u32,
    /// How often in a row a peer is answered. Default: 200.
    pub max_turns: u32,
    /// Where messages are kept until the agent is done with them. Default: [`RemoteAgentClient::journal`].
    pub journal: Option<Journal>,
    /// How it stays alive, and what it reports. Default: until the workspace is paused or deleted, and the messages that it handles.
    pub heartbeats: HeartbeatLoop,
}

impl Default for AgentLoop {
    fn default() -> Self {
        Self {
            drain_timeout: Duration::from_secs(30),
            concurrency: 4,
            attempts: 3,
            max_turns: 200,
            journal: None,
            heartbeats: HeartbeatLoop::new(),
        }
    }
}

impl AgentLoop {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a running handler may take when the agent has to stop.
    #[must_use]
    pub const fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets how many handlers may run at the same time; at least one does. Each conversation, with the canvas user or with a peer, is
    /// handled in order: its next message waits until the one before is answered. An answer on its way does not count as a handler.
    /// With a journal that does not last there is one at a time.
    #[must_use]
    pub const fn with_concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers;
        self
    }

    /// Sets how often a handler is started with a message, at least once: it is started again after 1 s, 2 s, 4 s and so on if it fails,
    /// or if the agent ends with it. After the last time the message is a dead letter of the [`Journal`], and its sender is told once.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets how often in a row a peer is answered, so that two agents do not talk to each other without end. A message counts if it came
    /// after the answer before it and could be about it, and less than a minute later. One too many is not handled: it is a dead
    /// letter of the [`Journal`], which can be retried. A minute's pause begins a new count.
    #[must_use]
    pub const fn with_max_turns(mut self, turns: u32) -> Self {
        self.max_turns = turns;
        self
    }

    /// Sets where messages are kept until the agent is done with them.
    #[must_use]
    pub fn with_journal(mut self, journal: Journal) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Stops after so many heartbeats.
    #[must_use]
    pub fn with_max_iterations(mut self, max: u64) -> Self {
        self.heartbeats = self.heartbeats.with_max_iterations(max);
        self
    }

    /// Asked before every heartbeat what the agent is doing. Default: it reports the message that it handles.
    #[must_use]
    pub fn with_task_supplier(
        mut self,
        supplier: impl Fn() -> TaskReport + Send + Sync + 'static,
    ) -> Self {
        self.heartbeats = self.heartbeats.with_task_supplier(supplier);
        self
    }
}

impl RemoteAgentClient {
    /// Runs a registered agent: heartbeats, and messages from `delivery` to `handler`, whose answers go back to whoever asked.
    ///
    /// Ends when the workspace is paused or deleted, `cancel` is cancelled, or the wanted number of beats was sent;
    /// a handler that runs then is given `options.drain_timeout` to finish. Its message is handled again by the next
    /// run if that is not enough. Troubles that may pass are logged and waited out.
    ///
    /// ```no_run
    /// # async fn f(client: molecule_agent::RemoteAgentClient) -> Result<(), molecule_agent::AgentError> {
    /// use molecule_agent::{AgentLoop, CancellationToken, InboundMessage, PollOptions};
    ///
    /// client.register().await?;
    /// let shout = async |message: InboundMessage| message.text.to_uppercase();
    /// let polling = client.poll_delivery(PollOptions::new());
    /// let reason = client.run_agent_loop(shout, polling, AgentLoop::new(), &CancellationToken::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the delivery says for good, [`AgentError::DeliveryEnded`] when it has no more messages, [`AgentError::TaskFailed`]
    /// when it panics. [`PollDelivery`](crate::PollDelivery) says [`AgentError::PollModeUnsupported`] on a platform without cursors,
    /// [`AgentError::PushedElsewhere`] for a client with a reported url, and [`AgentError::State`] when the place in the log cannot be kept,
    /// because going on would answer messages twice.
    pub async fn run_agent_loop(
        &self,
        handler: impl Handler,
        delivery: impl InboundDelivery,
        options: AgentLoop,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let run = self.vitals().begin();
        let shift = Shift::new(self, Arc::new(handler), delivery, options);
        let ended = self.live(shift, cancel).await;
        run.ended(&ended);
        ended
    }

    /// The loop itself: life, intake and the work on messages, each on tasks of its own.
    pub(crate) async fn live(
        &self,
        shift: Shift<impl InboundDelivery>,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let drain_timeout = shift.options.drain_timeout;
        let ledger = Ledger::new(self, shift.options.journal.clone());
        let waiting = ledger.begin().await?;
        let journal = ledger.journal.clone();
        let mut life = Life::start(self, shift.options.heartbeats.clone());
        let mut crew = Crew::start(ledger, shift, waiting);
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(StopReason::Cancelled),
            reason = life.ended() => reason,
            error = crew.ended() => Err(error),
        };
        self.vitals().phase(Phase::Draining);
        let drained = crew.drain(self.clock().as_ref(), drain_timeout).await;
        journal.close().await;
        ended.and_then(|reason| drained.map(|()| reason))
    }
}
