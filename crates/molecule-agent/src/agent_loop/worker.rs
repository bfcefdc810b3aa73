//! One message, from the journal to its end: the handler, as often as it takes, and the answer.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_protocol::{Role, Sender};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::ledger::Ledger;
use super::ping_pong::PingPong;
use super::shift::Shift;
use super::stopping::Left;
use super::wording::in_words;
use crate::journal::{Answer, Entry, Seq};
use crate::vitals::Work;
use crate::{Handler, HandlerOutcome};

/// The longest wait between two tries.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// What it takes to work on messages.
pub(super) struct Worker {
    pub(super) ledger: Ledger,
    handler: Arc<dyn Handler>,
    /// One for each handler that may run.
    slots: Arc<Semaphore>,
    attempts: u32,
    ping_pong: Mutex<PingPong>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// What follows from a handler's work.
enum Next {
    Answer(Answer),
    /// There is nothing to answer.
    Done,
    /// It is given up, for this reason.
    Dead(String),
}

impl Worker {
    pub(super) fn new<D>(ledger: Ledger, shift: &Shift<D>) -> Self {
        Self {
            ledger,
            handler: Arc::clone(&shift.handler),
            slots: Arc::clone(&shift.slots),
            attempts: shift.options.attempts.max(1),
            ping_pong: Mutex::new(PingPong::new(shift.options.max_turns)),
        }
    }

    /// Brings a message to its end. What it leaves undone is in the journal.
    pub(super) async fn work_on(&self, seq: Seq) -> Result<(), Left> {
        let Some(mut entry) = self.ledger.entry(seq).await? else {
            return Ok(());
        };
        let workspace = self.ledger.client.workspace_id();
        // Of this level, so that warnings name it however little is logged.
        let span = tracing::error_span!("message", %workspace, activity = %entry.head.id, sender = ?entry.head.sender);
        let work = async {
            if entry.head.answer.is_none() {
                match self.handle(seq, &mut entry).await? {
                    Next::Answer(answer) => entry.head.answer = Some(answer),
                    Next::Done => return self.ledger.settle(seq).await,
                    Next::Dead(why) => return self.ledger.bury(seq, entry, why).await,
                }
                self.ledger.update(seq, &entry.head).await?;
            }
            self.answer(seq, entry).await
        };
        work.instrument(span).await
    }

    /// Tries until the handler has done its work, or failed as often as it may.
    async fn handle(&self, seq: Seq, entry: &mut Entry) -> Result<Next, Left> {
        if self.ping_pong().is_too_long(entry) {
            return Ok(Next::Dead(format!(
                "its sender was answered {} times in a row without a pause; it was not handled",
                self.ping_pong().max_turns()
            )));
        }
        let is_echo = self.ping_pong().goes_on(&entry.message, self.now());
        while entry.head.attempts < self.attempts {
            match self.attempt(seq, entry).await? {
                HandlerOutcome::Error(error) => entry.head.error = Some(error),
                HandlerOutcome::Reply(_) if is_echo => {
                    tracing::warn!(
                        "not answered: this peer sends the agent's own answers back, as if they were questions"
                    );
                    return Ok(Next::Done);
                }
                outcome => return Ok(Next::of(outcome, entry)),
            }
        }
        Ok(Next::failed(entry))
    }

    /// Runs the handler once. That it began is written down before, so that a message which takes the agent down with it is not
    /// handled for ever.
    async fn attempt(&self, seq: Seq, entry: &mut Entry) -> Result<HandlerOutcome, Left> {
        self.back_off(entry.head.attempts).await?;
        let stopping = &self.ledger.stopping;
        let slot = stopping.unless_draining(self.slots.acquire()).await?;
        let _slot = slot.expect("nobody closes the semaphore");
        entry.head.attempts += 1;
        self.ledger.update(seq, &entry.head).await?;
        match self.run_handler(entry).await {
            Err(Left::Undone) => {
                // It is not the message's fault that the agent stops.
                entry.head.attempts -= 1;
                let _ = self.ledger.update(seq, &entry.head).await;
                Err(Left::Undone)
            }
            outcome => outcome,
        }
    }

    /// Runs the handler on a task of its own, so that its panic is its failure alone.
    async fn run_handler(&self, entry: &Entry) -> Result<HandlerOutcome, Left> {
        let vitals = self.ledger.client.vitals();
        let _busy = vitals.busy(format!("message {}", entry.head.id));
        tracing::info!(attempt = entry.head.attempts, "handling a message");
        let (handler, message) = (Arc::clone(&self.handler), entry.message.clone());
        let handling = async move {
            let outcome = handler.handle(message.clone()).await;
            in_words(outcome, &message).await
        };
        let handling = handling.in_current_span();
        let handling = AbortOnDropHandle::new(tokio::spawn(handling));
        let outcome = self.ledger.stopping.unless_cut(handling).await?;
        let outcome =
            outcome.unwrap_or_else(|_| HandlerOutcome::Error("the handler panicked".to_owned()));
        match &outcome {
            HandlerOutcome::Error(error) => {
                tracing::warn!(error, "the handler failed");
                vitals.failed_with(Work::Handling, error);
            }
            _ => vitals.succeeded(Work::Handling),
        }
        Ok(outcome)
    }

    /// Waits 1 s, 2 s, 4 s and so on after as many attempts, and up to a tenth longer.
    async fn back_off(&self, attempts: u32) -> Result<(), Left> {
        let Some(doublings) = attempts.checked_sub(1) else {
            return Ok(());
        };
        let clock = self.ledger.client.clock();
        let wait = backoff(doublings).mul_f64(1.0 + clock.jitter() / 10.0);
        self.ledger
            .stopping
            .unless_draining(clock.sleep(wait))
            .await
    }

    pub(super) fn ping_pong(&self) -> MutexGuard<'_, PingPong> {
        self.ping_pong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.ledger.client.clock().now()
    }
}

impl Next {
    fn of(outcome: HandlerOutcome, entry: &Entry) -> Self {
        match outcome {
            HandlerOutcome::Reply(text) if !text.is_empty() && is_asked(entry) => {
                Self::Answer(Answer::new(text))
            }
            _ => Self::Done,
        }
    }

    /// Whoever asked is told so once.
    fn failed(entry: &Entry) -> Self {
        let why = why_it_failed(entry);
        let can_be_told =
            is_asked(entry) && matches!(entry.message.sender, Sender::CanvasUser | Sender::Peer(_));
        if can_be_told {
            Self::Answer(Answer::failure(format!("Agent error: {why}")))
        } else {
            Self::Dead(why)
        }
    }
}

/// An answer is not answered in turn.
fn is_asked(entry: &Entry) -> bool {
    entry.message.role != Role::Agent
}

/// How the last attempt ended.
pub(super) fn why_it_failed(entry: &Entry) -> String {
    let unknown = "the agent ended each time while it handled this message";
    entry.head.error.clone().unwrap_or(unknown.to_owned())
}

/// Seconds that double each time, up to half a minute.
pub(super) fn backoff(doublings: u32) -> Duration {
    Duration::from_secs(1 << doublings.min(5)).min(MAX_BACKOFF)
}
