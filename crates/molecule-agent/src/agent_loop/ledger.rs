//! The journal as the loop uses it: a step that cannot be written now is tried again until it can.

use std::time::Duration;

use molecule_protocol::{InboundMessage, Sender};

use super::stopping::{Left, Stopping};
use super::worker::backoff;
use crate::journal::{Accepted, Burial, Entry, Head, Journal, Seq, milliseconds};
use crate::life::{describe, pause};
use crate::vitals::Work;
use crate::wake::Alarm;
use crate::{AgentError, DEFAULT_POLL_INTERVAL, RemoteAgentClient};

/// The journal of a running agent.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) client: RemoteAgentClient,
    pub(super) journal: Journal,
    pub(super) stopping: Stopping,
}

impl Ledger {
    /// The client's own journal, unless there is another.
    pub(super) fn new(client: &RemoteAgentClient, journal: Option<Journal>) -> Self {
        let journal = journal.unwrap_or_else(|| client.journal());
        Self {
            client: client.clone(),
            journal: journal.with_files(client.files()),
            stopping: Stopping::default(),
        }
    }

    /// What waits when the agent begins. A disk that is full is waited out later, while heartbeats say so; all else that is wrong with
    /// the journal keeps the agent from starting.
    pub(super) async fn begin(&self) -> Result<Vec<(Seq, Sender)>, AgentError> {
        match self.journal.begin().await {
            Err(error @ AgentError::Journal { .. }) => {
                self.failed(&error);
                self.journal.look_again();
                Ok(Vec::new())
            }
            waiting => {
                let waiting = waiting?;
                self.client.vitals().journaled(self.journal.counts());
                Ok(waiting)
            }
        }
    }

    pub(super) async fn accept(&self, message: &InboundMessage) -> Result<Accepted, Left> {
        let now = self.now();
        self.keep(|| self.journal.accept(message, now)).await
    }

    pub(super) async fn waiting(&self) -> Result<Vec<(Seq, Sender)>, Left> {
        self.keep(|| self.journal.waiting()).await
    }

    pub(super) async fn entry(&self, seq: Seq) -> Result<Option<Entry>, Left> {
        self.keep(|| self.journal.entry(seq)).await
    }

    pub(super) async fn update(&self, seq: Seq, head: &Head) -> Result<(), Left> {
        self.keep(|| self.journal.update(seq, head)).await
    }

    pub(super) async fn settle(&self, seq: Seq) -> Result<(), Left> {
        self.keep(|| self.journal.settle(seq)).await
    }

    /// Gives a message up.
    pub(super) async fn bury(&self, seq: Seq, entry: Entry, why: String) -> Result<(), Left> {
        tracing::error!(
            why,
            "a dead letter: the message is kept for somebody to look at"
        );
        let burial = Burial::new(entry, why, self.now());
        if let Some(oldest) = self.keep(|| self.journal.bury(seq, &burial)).await? {
            tracing::error!(activity = %oldest, "too many dead letters; the oldest was removed");
        }
        Ok(())
    }

    /// Closes the journal if there is nothing in it to do. It opens again by itself.
    pub(super) async fn close_if_idle(&self) {
        if let Err(error) = self.journal.rest().await {
            tracing::warn!(error = describe(&error), "closing the journal failed");
        }
    }

    /// Repeats a step until it is done. A journal that cannot be used any more ends the agent.
    async fn keep<T, F>(&self, step: impl Fn() -> F) -> Result<T, Left>
    where
        F: Future<Output = Result<T, AgentError>>,
    {
        let mut failures = 0;
        loop {
            match step().await {
                Ok(output) => {
                    self.client.vitals().journaled(self.journal.counts());
                    return Ok(output);
                }
                Err(error) if error.may_pass() => {
                    self.failed(&error);
                    self.rest(failures).await?;
                    failures += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn failed(&self, error: &AgentError) {
        self.client.vitals().failed(Work::Journal, error);
        let error = describe(error);
        tracing::error!(error, "the journal cannot be used; trying again");
    }

    /// Waits after a failure that came behind so many others.
    pub(super) async fn rest(&self, failures: u32) -> Result<(), Left> {
        let rest = pause(self.client.clock().as_ref(), self.wait_after(failures));
        self.stopping.unless_draining(rest).await
    }

    /// The same, cut short when the alarm rings, but not to less than the first wait.
    pub(super) async fn rest_until(&self, alarm: &mut Alarm, failures: u32) -> Result<(), Left> {
        let (clock, begun) = (self.client.clock().as_ref(), self.client.clock().now());
        let rest = async {
            if alarm.pause(clock, self.wait_after(failures)).await {
                let rested = clock.now().saturating_sub(begun);
                pause(clock, self.wait_after(0).saturating_sub(rested)).await;
            }
        };
        self.stopping.unless_draining(rest).await
    }

    /// Longer and longer, up to the time between two polls of an agent by itself: a fleet's are minutes apart, and what failed once is tried
    /// sooner.
    fn wait_after(&self, failures: u32) -> Duration {
        let longest = self.client.settings().poll_interval;
        backoff(failures).min(longest).min(DEFAULT_POLL_INTERVAL)
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        milliseconds(self.client.clock().wall())
    }
}
