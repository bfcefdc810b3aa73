//! The journal as the loop uses it: a step that cannot be written now is tried again until it can.

use molecule_protocol::{InboundMessage, Sender};

use super::stopping::{Left, Stopping};
use crate::journal::{Accepted, Burial, Entry, Head, Journal, Seq, milliseconds};
use crate::life::{describe, pause};
use crate::vitals::Work;
use crate::{AgentError, RemoteAgentClient};

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

    /// Repeats a step until it is done. A journal that cannot be used any more ends the agent.
    async fn keep<T, F>(&self, step: impl Fn() -> F) -> Result<T, Left>
    where
        F: Future<Output = Result<T, AgentError>>,
    {
        loop {
            match step().await {
                Ok(output) => {
                    self.client.vitals().journaled(self.journal.counts());
                    return Ok(output);
                }
                Err(error) if error.may_pass() => {
                    self.failed(&error);
                    self.rest_a_while().await?;
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

    /// Waits for as long as between two polls.
    pub(super) async fn rest_a_while(&self) -> Result<(), Left> {
        let interval = self.client.settings().poll_interval;
        let rest = pause(self.client.clock().as_ref(), interval);
        self.stopping.unless_draining(rest).await
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        milliseconds(self.client.clock().wall())
    }
}
