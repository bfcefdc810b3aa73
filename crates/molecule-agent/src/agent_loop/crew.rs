//! Intake and dispatch, side by side.

use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::Sender;
use molecule_transport::{Clock, within};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::AgentLoop;
use super::dispatch::Dispatch;
use super::intake::{Arrival, Intake};
use super::ledger::Ledger;
use super::stopping::Stopping;
use super::worker::Worker;
use crate::journal::Seq;
use crate::{AgentError, Handler, InboundDelivery};

/// How long a handler that is cut off may take to be gone, with the journal's last words on it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The two tasks that take messages and work on them. Dropping it ends them, as a crash would.
#[derive(Debug)]
pub(super) struct Crew {
    stopping: Stopping,
    intake: Option<Task>,
    dispatch: Option<Task>,
}

type Task = AbortOnDropHandle<Result<(), AgentError>>;

impl Crew {
    pub(super) fn start(
        ledger: Ledger,
        handler: Arc<dyn Handler>,
        delivery: impl InboundDelivery,
        options: &AgentLoop,
        waiting: Vec<(Seq, Sender)>,
    ) -> Self {
        let stopping = ledger.stopping.clone();
        let (arrivals, arriving) = mpsc::unbounded_channel();
        for (seq, sender) in waiting {
            let settled = None;
            // The other end is right here.
            let _ = arrivals.send(Arrival {
                seq,
                sender,
                settled,
            });
        }
        let worker = Worker::new(ledger.clone(), handler, options);
        let dispatch = tokio::spawn(Dispatch::new(worker).run(arriving));
        let intake = tokio::spawn(Intake::new(ledger, arrivals).run(delivery));
        Self {
            stopping,
            intake: Some(AbortOnDropHandle::new(intake)),
            dispatch: Some(AbortOnDropHandle::new(dispatch)),
        }
    }

    /// Why they ended by themselves. An agent without a delivery would be deaf, and nobody would know; but what it took is done first.
    pub(super) async fn ended(&mut self) -> AgentError {
        if let Err(error) = finish(&mut self.intake, "delivery").await {
            return error;
        }
        let worked = finish(&mut self.dispatch, "message").await;
        worked.err().unwrap_or(AgentError::DeliveryEnded)
    }

    /// Takes no more messages, and lets what runs come to its end.
    pub(super) async fn drain(
        mut self,
        clock: &dyn Clock,
        timeout: Duration,
    ) -> Result<(), AgentError> {
        self.stopping.drain.cancel();
        if let Ok(drained) = within(clock, timeout, self.finish()).await {
            return drained;
        }
        tracing::warn!("a handler did not finish in time; its message is handled again next time");
        self.stopping.cut.cancel();
        within(clock, LAST_WORDS, self.finish())
            .await
            .unwrap_or(Ok(()))
    }

    async fn finish(&mut self) -> Result<(), AgentError> {
        let worked = finish(&mut self.dispatch, "message").await;
        let taken = finish(&mut self.intake, "delivery").await;
        taken.and(worked)
    }
}

/// Waits for the end of a task, once.
async fn finish(task: &mut Option<Task>, name: &'static str) -> Result<(), AgentError> {
    let Some(running) = task else { return Ok(()) };
    let ended: Result<_, JoinError> = running.await;
    *task = None;
    ended.map_err(|_| AgentError::TaskFailed(name))?
}
