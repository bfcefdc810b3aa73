//! Who is worked on when: a task for each conversation that has something to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use super::intake::Arrival;
use super::lanes::{Lane, Lanes};
use super::stopping::Left;
use super::worker::Worker;
use crate::AgentError;
use crate::journal::Seq;

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
        let mut is_open = true;
        while is_open || !self.working.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.working.join_next() => self.ended(ended)?,
                arrival = arrivals.recv(), if is_open => match arrival {
                    Some(arrival) => self.arrived(arrival),
                    None => is_open = false,
                },
                () = worker.ledger.journal.retried(), if is_open => self.look_again().await?,
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
        for (seq, sender) in self.worker.ledger.waiting().await? {
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
