//! Who is worked on when: a task for each conversation that has something to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use super::intake::Arrival;
use super::lanes::{Lane, Lanes};
use super::stopping::Left;
use super::worker::Worker;
use crate::AgentError;
use crate::journal::Seq;

/// How long nothing may be worked on until the journal is closed: opening it again takes a moment.
const IDLE: Duration = Duration::from_secs(5);

/// Begins each message when its turn comes.
#[derive(Debug)]
pub(super) struct Dispatch {
    worker: Arc<Worker>,
    lanes: Lanes,
    working: JoinSet<Ended>,
    /// Who wants to know when a message is done with.
    waiting: BTreeMap<Seq, oneshot::Sender<()>>,
}

/// How the work on a message ended.
type Ended = (Lane, Seq, Result<(), Left>);

impl Dispatch {
    pub(super) fn new(worker: Worker) -> Self {
        Self {
            worker: Arc::new(worker),
            lanes: Lanes::default(),
            working: JoinSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Works on what waits and on what arrives. Ends when nothing arrives any more and all is done with, or left for the next run.
    pub(super) async fn run(
        mut self,
        arrivals: mpsc::UnboundedReceiver<Arrival>,
    ) -> Result<(), AgentError> {
        match self.work(arrivals).await {
            Ok(()) | Err(Left::Undone) => Ok(()),
            Err(Left::Failed(error)) => Err(error),
        }
    }

    async fn work(&mut self, mut arrivals: mpsc::UnboundedReceiver<Arrival>) -> Result<(), Left> {
        let worker = Arc::clone(&self.worker);
        let ledger = &worker.ledger;
        let mut is_open = true;
        while is_open || !self.working.is_empty() {
            let is_idle = is_open && self.working.is_empty() && ledger.journal.is_idle();
            tokio::select! {
                biased;
                Some(ended) = self.working.join_next() => self.ended(ended)?,
                arrival = arrivals.recv(), if is_open => match arrival {
                    Some(arrival) => self.arrived(arrival),
                    None => is_open = false,
                },
                () = ledger.journal.retried(), if is_open => self.look_again().await?,
                () = ledger.client.clock().sleep(IDLE), if is_idle => ledger.close_if_idle().await,
            }
        }
        Ok(())
    }

    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let lane = Lane::from(arrival.sender);
        if let Some(settled) = arrival.settled {
            self.waiting.insert(arrival.seq, settled);
        }
        if self.lanes.add(lane.clone(), arrival.seq) {
            self.begin(lane, arrival.seq);
        }
    }

    /// Finds what waits and is not known here, such as a dead letter that is retried.
    async fn look_again(&mut self) -> Result<(), Left> {
        let waiting = match self.worker.ledger.waiting().await {
            // The agent stops. What is being worked on may finish all the same.
            Err(Left::Undone) => return Ok(()),
            waiting => waiting?,
        };
        for (seq, sender) in waiting {
            self.arrived(Arrival {
                seq,
                sender,
                settled: None,
            });
        }
        Ok(())
    }

    fn begin(&mut self, lane: Lane, seq: Seq) {
        let worker = Arc::clone(&self.worker);
        self.working.spawn(async move {
            let ended = worker.work_on(seq).await;
            (lane, seq, ended)
        });
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) -> Result<(), Left> {
        let (lane, seq, ended) = ended.map_err(|_| AgentError::TaskFailed("message"))?;
        let settled = self.waiting.remove(&seq);
        match ended {
            Ok(()) => {
                // Nobody waits where the journal lasts.
                settled.map(|settled| settled.send(()));
                if let Some(next) = self.lanes.next(&lane) {
                    self.begin(lane, next);
                }
                Ok(())
            }
            Err(Left::Undone) => {
                self.lanes.leave(&lane);
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "journal")]
mod tests {
    use molecule_protocol::Sender;
    use molecule_transport::Clock as _;
    use molecule_transport::testing::{ScriptedTransport, SimulatedClock, answer};

    use super::super::AgentLoop;
    use super::super::ledger::Ledger;
    use super::super::shift::Shift;
    use super::*;
    use crate::{InboundMessage, Journal, PollOptions, RemoteAgentClient};

    /// An agent stops while its journal cannot be read.
    #[tokio::test(start_paused = true)]
    async fn what_is_worked_on_may_finish_although_the_journal_cannot_be_read() {
        let (clock, dir) = (SimulatedClock::new(), tempfile::tempdir().unwrap());
        let in_the_way = dir.path().join("file");
        std::fs::write(&in_the_way, "").unwrap();
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        let client = RemoteAgentClient::builder(id, "http://localhost".parse().unwrap())
            .state_dir(dir.path())
            .transport(ScriptedTransport::new(async |_| Ok(answer(200, "{}"))))
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        let journal = Journal::open(in_the_way.join("journal.redb"));
        let ledger = Ledger::new(&client, Some(journal.clone()));
        let stopping = ledger.stopping.clone();
        let echo = Arc::new(async |message: InboundMessage| message.text);
        let polling = client.poll_delivery(PollOptions::new());
        let shift = Shift::new(&client, echo, polling, AgentLoop::new());
        let worker = Worker::new(ledger, &shift);
        let mut dispatch = Dispatch::new(worker);
        let (rest, lane) = (clock.sleep(10 * IDLE), Lane::from(Sender::CanvasUser));
        dispatch.working.spawn(async move {
            rest.await;
            (lane, 1, Ok(()))
        });
        let (arrivals, arriving) = mpsc::unbounded_channel();
        journal.look_again();
        let running = tokio::spawn(dispatch.run(arriving));
        clock.sleep(IDLE).await;
        stopping.drain.cancel();
        drop(arrivals);
        running.await.unwrap().unwrap();
        assert_eq!(clock.now(), 10 * IDLE, "it had the time it needs");
    }
}
