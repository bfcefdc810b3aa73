//! The agent's life: it beats, it takes messages, it answers each once, it stops when it is told to.

use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::{InboundMessage, Role};
use molecule_transport::within;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::handled::Handled;
use crate::life::{Life, describe, pause};
use crate::ping_pong::PingPong;
use crate::reply::{Reply, Verdict};
use crate::vitals::{Vitals, Work};
use crate::{
    AgentError, DeliveryError, Handler, HandlerOutcome, HeartbeatLoop, InboundDelivery, Received,
    RemoteAgentClient, StopReason, TaskReport,
};

/// The longest wait between two tries of a reply.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Options of [`RemoteAgentClient::run_agent_loop`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentLoop {
    /// How long a running handler may take when the agent has to stop. Default: 30 s.
    pub drain_timeout: Duration,
    /// How it stays alive, and what it reports. Default: until the workspace is paused or deleted, and the messages that it handles.
    pub heartbeats: HeartbeatLoop,
}

impl Default for AgentLoop {
    fn default() -> Self {
        Self {
            drain_timeout: Duration::from_secs(30),
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
        let vitals = Arc::new(Vitals::default());
        let mut life = Life::start(self, options.heartbeats, Arc::clone(&vitals));
        let taking = CancellationToken::new();
        let _stop_taking = taking.clone().drop_guard();
        let deliverer = Deliverer {
            client: self.clone(),
            handler: Arc::new(handler),
            handled: Handled::default(),
            ping_pong: PingPong::default(),
            vitals,
            taking: taking.clone(),
        };
        let mut delivering = AbortOnDropHandle::new(tokio::spawn(deliverer.run(delivery)));
        let reason = tokio::select! {
            () = cancel.cancelled() => StopReason::Cancelled,
            reason = life.ended() => reason?,
            ended = &mut delivering => return Err(ended_by_itself(ended)),
        };
        taking.cancel();
        match within(self.clock().as_ref(), options.drain_timeout, delivering).await {
            Ok(ended) => ended.map_err(|_| AgentError::TaskFailed("delivery"))??,
            Err(_) => tracing::warn!(
                "the handler did not finish in time; its message is handled again next time"
            ),
        }
        Ok(reason)
    }
}

/// An agent without a delivery would be deaf, and nobody would know.
fn ended_by_itself(ended: Result<Result<(), AgentError>, JoinError>) -> AgentError {
    match ended {
        Ok(Ok(())) => AgentError::DeliveryEnded,
        Ok(Err(error)) => error,
        Err(_) => AgentError::TaskFailed("delivery"),
    }
}

/// Takes messages one by one.
struct Deliverer {
    client: RemoteAgentClient,
    handler: Arc<dyn Handler>,
    handled: Handled,
    ping_pong: PingPong,
    vitals: Arc<Vitals>,
    /// Cancelled when no further message is to be taken.
    taking: CancellationToken,
}

impl Deliverer {
    /// Ends without an error when no further message is to be taken, or will come.
    async fn run(mut self, mut delivery: impl InboundDelivery) -> Result<(), AgentError> {
        while let Some(received) = self.unless_stopped(delivery.receive()).await {
            match received {
                Ok(Received::End) => return Ok(()),
                Ok(Received::Message(message)) => {
                    self.vitals.record(Work::Delivery, self.now(), None);
                    self.take(&message).await;
                    delivery.acknowledge(&message).await?;
                }
                Ok(Received::Nothing) => {
                    self.vitals.record(Work::Delivery, self.now(), None);
                    // A delivery that does not wait must not keep others from running.
                    tokio::task::yield_now().await;
                }
                Err(DeliveryError::Temporary(error)) => self.wait_out(&error).await,
                Err(DeliveryError::Final(error)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn wait_out(&self, error: &AgentError) {
        let error = describe(error);
        tracing::warn!(error, "asking for messages failed; trying again");
        self.vitals.record(Work::Delivery, self.now(), Some(error));
        let interval = self.client.settings().poll_interval;
        self.unless_stopped(pause(self.client.clock().as_ref(), interval))
            .await;
    }

    /// Handles a message to its end. What it leaves undone is in the log again after a restart.
    async fn take(&mut self, message: &InboundMessage) {
        if self.handled.has(message, self.now()) {
            return tracing::info!(activity = %message.activity_id, "delivered again; it was handled already");
        }
        let vitals = Arc::clone(&self.vitals);
        let _busy = vitals.busy(format!("message {}", message.activity_id));
        tracing::info!(activity = %message.activity_id, sender = ?message.sender, "message");
        let goes_on = self.ping_pong.goes_on(message, self.now());
        match self.handle(message).await {
            Some(_) if goes_on => {
                tracing::warn!(activity = %message.activity_id, sender = ?message.sender,
                    "not answered: this peer sends the agent's own answers back, as if they were questions");
            }
            Some(text) => {
                self.answer(message, &text).await;
                self.ping_pong.answered(message, &text, self.now());
            }
            None => {}
        }
        self.handled.add(message, self.now());
    }

    /// Runs the handler on a task of its own, so that its panic is its failure alone.
    async fn handle(&self, message: &InboundMessage) -> Option<String> {
        let (handler, message_too) = (Arc::clone(&self.handler), message.clone());
        let handling =
            AbortOnDropHandle::new(tokio::spawn(
                async move { handler.handle(message_too).await },
            ));
        let outcome = handling
            .await
            .unwrap_or_else(|_| HandlerOutcome::Error("the handler panicked".to_owned()));
        let error = match &outcome {
            HandlerOutcome::Error(error) => Some(error.clone()),
            _ => None,
        };
        self.vitals
            .record(Work::Handling, self.now(), error.clone());
        if let Some(error) = &error {
            tracing::warn!(activity = %message.activity_id, error, "the handler failed");
        }
        match outcome {
            _ if message.role == Role::Agent => None,
            HandlerOutcome::Reply(text) => Some(text).filter(|text| !text.is_empty()),
            HandlerOutcome::Error(error) => Some(format!("Agent error: {error}")),
            HandlerOutcome::Nothing => None,
        }
    }

    /// Tries until the platform took the answer, or it turns out that nobody will.
    async fn answer(&self, message: &InboundMessage, text: &str) {
        let mut reply = Reply::new(&self.client, message, text);
        while let Err(error) = reply.attempt().await {
            let verdict = reply.verdict(&error);
            if verdict == Verdict::Delivered {
                break;
            }
            let error = describe(&error);
            self.vitals
                .record(Work::Handling, self.now(), Some(error.clone()));
            if verdict == Verdict::GiveUp {
                return tracing::error!(activity = %message.activity_id, error, "the answer cannot be delivered");
            }
            tracing::warn!(activity = %message.activity_id, error, "answering failed; trying again");
            let backoff = Duration::from_secs(1 << (reply.tries() - 1).min(5)).min(MAX_BACKOFF);
            pause(self.client.clock().as_ref(), backoff).await;
        }
        tracing::info!(activity = %message.activity_id, "answered");
    }

    /// The output of `work`, unless no further message is to be taken.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.taking.cancelled() => None,
            output = work => Some(output),
        }
    }

    fn now(&self) -> Duration {
        self.client.clock().now()
    }
}
