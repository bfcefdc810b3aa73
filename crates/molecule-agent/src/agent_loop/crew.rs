//! Intake and dispatch, side by side.

use std::time::Duration;

use molecule_protocol::Sender;
use molecule_transport::{Clock, within};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::dispatch::Dispatch;
use super::intake::{Arrival, Intake};
use super::ledger::Ledger;
use super::shift::Shift;
use super::stopping::Stopping;
use super::worker::Worker;
use crate::journal::Seq;
use crate::{AgentError, InboundDelivery};

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
        shift: Shift<impl InboundDelivery>,
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
        let worker = Worker::new(ledger.clone(), &shift);
        let dispatch = tokio::spawn(Dispatch::new(worker).run(arriving));
        let intake = Intake::new(ledger, arrivals, shift.options.drain_timeout);
        let intake = tokio::spawn(intake.run(shift.delivery));
        Self {
            stopping,
            intake: Some(AbortOnDropHandle::new(intake)),
            dispatch: Some(AbortOnDropHandle::new(dispatch)),
        }
    }

    /// Why they ended by themselves. An agent without a delivery would be deaf, and nobody would know; but what it took is done first.
    pub(super) async fn ended(&mut self) -> AgentError {
        let first = tokio::select! {
            biased;
            taken = finish(&mut self.intake, "delivery") => taken,
            worked = finish(&mut self.dispatch, "message") => worked,
        };
        let ended = match first {
            Ok(()) => self.finish().await,
            failed => failed,
        };
        ended.err().unwrap_or(AgentError::DeliveryEnded)
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn crew(intake: Option<Task>, dispatch: Option<Task>) -> Crew {
        let stopping = Stopping::default();
        Crew {
            stopping,
            intake,
            dispatch,
        }
    }

    fn task(work: impl Future<Output = Result<(), AgentError>> + Send + 'static) -> Option<Task> {
        Some(AbortOnDropHandle::new(tokio::spawn(work)))
    }

    #[tokio::test]
    async fn whichever_fails_ends_the_agent_at_once() {
        let fails = || task(async { Err(AgentError::NoHome) });
        let panics = || task(async { panic!("boom") });
        let ended = async |intake, dispatch| crew(intake, dispatch).ended().await;
        for failed in [
            ended(fails(), task(pending())).await,
            ended(task(pending()), fails()).await,
        ] {
            assert!(matches!(failed, AgentError::NoHome), "{failed:?}");
        }
        let failed = ended(task(pending()), panics()).await;
        assert!(
            matches!(failed, AgentError::TaskFailed("message")),
            "{failed:?}"
        );
    }

    #[tokio::test]
    async fn when_no_more_messages_come_what_was_taken_is_done_first() {
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        let working = async {
            let _ = is_done.await;
            Ok(())
        };
        let mut crew = crew(task(async { Ok(()) }), task(working));
        tokio::select! {
            biased;
            ended = crew.ended() => panic!("{ended:?}"),
            () = async { for _ in 0..10 { tokio::task::yield_now().await } } => {}
        }
        done.send(()).unwrap();
        let ended = crew.ended().await;
        assert!(matches!(ended, AgentError::DeliveryEnded), "{ended:?}");
    }
}
