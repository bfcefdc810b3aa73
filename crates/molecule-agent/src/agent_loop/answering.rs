//! The way of an answer: until it was taken, or it turns out that nobody will.

use molecule_protocol::Sender;
use molecule_protocol::endpoints::PollState;
use molecule_transport::TransportError;
use tracing::Instrument as _;

use super::reply::{Reply, Verdict};
use super::stopping::Left;
use super::worker::{Worker, backoff, why_it_failed};
use crate::AgentError;
use crate::journal::{Entry, Seq};
use crate::life::{describe, pause};
use crate::vitals::Work;

impl Worker {
    /// Tries until the platform took the answer, or it turns out that nobody will.
    pub(super) async fn answer(&self, seq: Seq, mut entry: Entry) -> Result<(), Left> {
        doubt(&mut entry);
        let mut waits = 0;
        while let Err(error) = self.try_to_answer(seq, &mut entry).await? {
            match self.verdict(&mut entry, &error).await? {
                Verdict::Delivered => break,
                Verdict::GiveUp => return self.give_up(seq, entry, &error).await,
                Verdict::Retry => {
                    self.ledger.client.vitals().failed(Work::Answering, &error);
                    tracing::warn!(error = describe(&error), "answering failed; trying again");
                    self.ledger.update(seq, &entry.head).await?;
                    self.wait_to_answer(waits).await?;
                    waits += 1;
                }
            }
        }
        self.answered(seq, entry).await
    }

    /// While the platform is out of reach nothing is said about this answer, however it fails: it neither arrived nor counts.
    async fn verdict(&self, entry: &mut Entry, error: &AgentError) -> Result<Verdict, Left> {
        let is_away = error.may_pass() && self.unless_cut(self.is_away(error)).await?;
        let Some(answer) = &mut entry.head.answer else {
            return Ok(Verdict::Delivered);
        };
        if is_away {
            answer.tries = answer.tries.saturating_sub(1);
            return Ok(Verdict::Retry);
        }
        Ok(Reply::verdict(&entry.message, error, answer.tries))
    }

    /// An answer that does not come may be the first sign of it, so that it is asked for another.
    async fn is_away(&self, error: &AgentError) -> bool {
        let client = &self.ledger.client;
        let is_late = matches!(error, AgentError::Transport(TransportError::Timeout { .. }));
        let asks = async {
            let state = PollState::new(client.workspace_id());
            client.authorized_once(&state).await.is_err()
        };
        client.vitals().is_away() || (is_late && asks.await)
    }

    /// One try. Where a notification would be found in the log is written down before it is sent.
    async fn try_to_answer(
        &self,
        seq: Seq,
        entry: &mut Entry,
    ) -> Result<Result<(), AgentError>, Left> {
        let Some(answer) = &mut entry.head.answer else {
            return Ok(Ok(()));
        };
        answer.tries += 1;
        let mut reply = Reply::new(&self.ledger.client, &entry.message, answer);
        if reply.needs_mark() {
            if let Err(error) = self.unless_cut(reply.mark()).await? {
                return Ok(Err(error));
            }
            self.ledger.update(seq, &entry.head).await?;
        }
        let Some(answer) = &mut entry.head.answer else {
            return Ok(Ok(()));
        };
        let span = tracing::error_span!("reply", attempt = answer.tries);
        let mut reply = Reply::new(&self.ledger.client, &entry.message, answer);
        self.unless_cut(reply.attempt().instrument(span)).await
    }

    async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, Left> {
        self.ledger.stopping.unless_cut(work).await
    }

    /// An agent that stops leaves an answer that has to wait to the next run, if there it is still.
    async fn wait_to_answer(&self, waits: u32) -> Result<(), Left> {
        let clock = self.ledger.client.clock().as_ref();
        let wait = pause(clock, backoff(waits));
        if self.ledger.journal.survives() {
            self.ledger.stopping.unless_draining(wait).await
        } else {
            self.unless_cut(wait).await
        }
    }

    async fn answered(&self, seq: Seq, entry: Entry) -> Result<(), Left> {
        tracing::info!("answered");
        self.ledger.client.vitals().succeeded(Work::Answering);
        if let Some(answer) = &entry.head.answer {
            self.ping_pong()
                .answered(&entry, &answer.text, self.now(), self.ledger.now());
        }
        if entry.head.answers_a_failure() {
            let why = why_it_failed(&entry);
            return self.ledger.bury(seq, entry, why).await;
        }
        self.ledger.settle(seq).await
    }

    async fn give_up(&self, seq: Seq, entry: Entry, error: &AgentError) -> Result<(), Left> {
        self.ledger.client.vitals().failed(Work::Answering, error);
        let error = describe(error);
        tracing::error!(error, "the answer cannot be delivered");
        let why = if entry.head.answers_a_failure() {
            why_it_failed(&entry)
        } else {
            format!("its answer cannot be delivered: {error}")
        };
        self.ledger.bury(seq, entry, why).await
    }
}

/// A mark that was read from the journal says that a notification was about to be sent: it may have been.
fn doubt(entry: &mut Entry) {
    let is_notified = entry.message.sender == Sender::CanvasUser;
    if let Some(answer) = &mut entry.head.answer {
        answer.unsure = is_notified && answer.mark.is_some();
    }
}
