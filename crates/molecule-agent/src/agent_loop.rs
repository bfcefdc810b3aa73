//! The agent's life: it beats, it takes messages, it answers each once, it stops when it is told to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::{InboundMessage, Role};
use molecule_transport::within;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::handled::Handled;
use crate::inbound::{PollDelivery, Since};
use crate::life::{Life, describe, pause};
use crate::reply::{Reply, Verdict};
use crate::vitals::{Vitals, Work};
use crate::{AgentError, Handler, HandlerOutcome, HeartbeatLoop, RemoteAgentClient, StopReason};

/// The longest wait between two tries of a reply.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Options of [`RemoteAgentClient::run_agent_loop`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentLoop {
    /// Which older messages the first run handles. Default: those of the last 30 s.
    pub since: Since,
    /// How long a running handler may take when the agent has to stop. Default: 30 s.
    pub drain_timeout: Duration,
    /// Where the place in the log is kept. Default: the file `cursor` in the agent's directory.
    pub cursor_file: Option<PathBuf>,
    /// Stop after so many heartbeats. Default: never.
    pub max_iterations: Option<u64>,
}

impl Default for AgentLoop {
    fn default() -> Self {
        Self {
            since: Since::default(),
            drain_timeout: Duration::from_secs(30),
            cursor_file: None,
            max_iterations: None,
        }
    }
}

impl AgentLoop {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which older messages the first run handles.
    #[must_use]
    pub const fn with_since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// Sets how long a running handler may take when the agent has to stop.
    #[must_use]
    pub const fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets where the place in the log is kept.
    #[must_use]
    pub fn with_cursor_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cursor_file = Some(path.into());
        self
    }

    /// Stops after so many heartbeats.
    #[must_use]
    pub const fn with_max_iterations(mut self, max: u64) -> Self {
        self.max_iterations = Some(max);
        self
    }
}

impl RemoteAgentClient {
    /// Runs a registered agent: heartbeats, and messages to `handler`, whose answers go back to whoever asked.
    ///
    /// Ends when the workspace is paused or deleted, `cancel` is cancelled, or the wanted number of beats was sent;
    /// a handler that runs then is given `options.drain_timeout` to finish. Its message is handled again by the next
    /// run if that is not enough. Troubles that may pass are logged and waited out.
    ///
    /// # Errors
    /// [`AgentError::PollModeUnsupported`] on a platform without cursors; [`AgentError::PushedElsewhere`] for a client with
    /// a reported url; [`AgentError::State`] when the place in the log cannot be kept, because going on would answer messages twice.
    pub async fn run_agent_loop(
        &self,
        handler: impl Handler,
        options: AgentLoop,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        self.require_polling()?;
        let vitals = Arc::new(Vitals::default());
        let mut beats = HeartbeatLoop::new();
        beats.max_iterations = options.max_iterations;
        let mut life = Life::start(self, beats, Arc::clone(&vitals));
        let taking = CancellationToken::new();
        let _stop_taking = taking.clone().drop_guard();
        let delivery = Deliverer {
            client: self.clone(),
            handler: Arc::new(handler),
            handled: Handled::default(),
            vitals,
            taking: taking.clone(),
        };
        let drain_timeout = options.drain_timeout;
        let mut delivering = AbortOnDropHandle::new(tokio::spawn(delivery.run(options)));
        let reason = tokio::select! {
            () = cancel.cancelled() => StopReason::Cancelled,
            reason = life.ended() => reason?,
            // It ends by itself only when it cannot go on.
            ended = &mut delivering => {
                return ended.map_err(|_| AgentError::TaskFailed("delivery"))?.map(|()| StopReason::Cancelled);
            }
        };
        taking.cancel();
        match within(self.clock().as_ref(), drain_timeout, delivering).await {
            Ok(ended) => ended.map_err(|_| AgentError::TaskFailed("delivery"))??,
            Err(_) => tracing::warn!(
                "the handler did not finish in time; its message is handled again next time"
            ),
        }
        Ok(reason)
    }
}

/// Takes messages one by one.
struct Deliverer {
    client: RemoteAgentClient,
    handler: Arc<dyn Handler>,
    handled: Handled,
    vitals: Arc<Vitals>,
    /// Cancelled when no further message is to be taken.
    taking: CancellationToken,
}

impl Deliverer {
    /// Ends without an error only when no further message is to be taken.
    async fn run(mut self, options: AgentLoop) -> Result<(), AgentError> {
        let Some(mut inbox) = self.open(options).await? else {
            return Ok(());
        };
        while !self.taking.is_cancelled() {
            if !self.round(&mut inbox).await? {
                self.wait(self.client.settings().poll_interval).await;
            }
        }
        Ok(())
    }

    /// Finds the place in the log, however long the platform takes to answer.
    async fn open(&self, options: AgentLoop) -> Result<Option<PollDelivery>, AgentError> {
        let (path, since) = (options.cursor_file, options.since);
        while let Some(opened) = self
            .unless_stopped(PollDelivery::open(self.client.clone(), path.clone(), since))
            .await
        {
            match opened {
                Err(error) if error.may_pass() => self.failed_poll(&error),
                opened => return opened.map(Some),
            }
            self.wait(self.client.settings().poll_interval).await;
        }
        Ok(None)
    }

    /// Polls once and handles what came; says whether there is more to fetch at once.
    async fn round(&mut self, inbox: &mut PollDelivery) -> Result<bool, AgentError> {
        let batch = match self.unless_stopped(inbox.poll()).await {
            None => return Ok(false),
            Some(Ok(batch)) => batch,
            Some(Err(error)) => {
                self.failed_poll(&error);
                return Ok(false);
            }
        };
        self.vitals.record(Work::Polling, self.now(), None);
        let mut done = 0;
        for (index, item) in batch.items.iter().enumerate() {
            if self.taking.is_cancelled() {
                break;
            }
            // Rows that are no messages are acknowledged with the next one that is: each time is a write to disk.
            if let Some(message) = &item.message {
                self.take(message).await;
                inbox.acknowledge(&batch.items[done..=index]).await?;
                done = index + 1;
            }
        }
        let rest = batch.items[done..]
            .iter()
            .take_while(|item| item.message.is_none())
            .count();
        inbox.acknowledge(&batch.items[done..done + rest]).await?;
        Ok(batch.more)
    }

    fn failed_poll(&self, error: &AgentError) {
        let error = describe(error);
        tracing::warn!(
            error,
            "asking for messages failed; the next poll tries again"
        );
        self.vitals.record(Work::Polling, self.now(), Some(error));
    }

    /// Handles a message to its end. What it leaves undone is in the log again after a restart.
    async fn take(&mut self, message: &InboundMessage) {
        if self.handled.has(message, self.now()) {
            return tracing::info!(activity = %message.activity_id, "delivered again; it was handled already");
        }
        let vitals = Arc::clone(&self.vitals);
        let _busy = vitals.busy(format!("message {}", message.activity_id));
        tracing::info!(activity = %message.activity_id, sender = ?message.sender, "message");
        if let Some(text) = self.handle(message).await {
            self.answer(message, &text).await;
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
            () = self.taking.cancelled() => None,
            output = work => Some(output),
        }
    }

    fn now(&self) -> Duration {
        self.client.clock().now()
    }

    async fn wait(&self, interval: Duration) {
        self.unless_stopped(pause(self.client.clock().as_ref(), interval))
            .await;
    }
}
