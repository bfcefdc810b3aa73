//! Where messages come in: from the delivery into the journal, and only then acknowledged.

use std::time::Duration;

use molecule_protocol::{InboundMessage, Sender};
use molecule_transport::within;
use tokio::sync::{mpsc, oneshot};

use super::ledger::Ledger;
use super::stopping::Left;
use crate::journal::{Accepted, Seq};
use crate::life::describe;
use crate::vitals::Work;
use crate::wake::Alarm;
use crate::{AgentError, DeliveryError, InboundDelivery, Received};

/// Why nothing is taken while too much waits.
const FULL: &str = "the journal is full; no message is taken before others are done with";

/// A message that waits in the journal.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) seq: Seq,
    pub(super) sender: Sender,
    /// Told when the agent is done with it.
    pub(super) settled: Option<oneshot::Sender<()>>,
}

/// Takes messages one by one.
#[derive(Debug)]
pub(super) struct Intake {
    ledger: Ledger,
    arrivals: mpsc::UnboundedSender<Arrival>,
    /// How long the delivery may take to close.
    patience: Duration,
    /// Rings when there may be a message.
    alarm: Alarm,
    /// How often in a row the delivery failed.
    failures: u32,
}

impl Intake {
    pub(super) fn new(
        ledger: Ledger,
        arrivals: mpsc::UnboundedSender<Arrival>,
        patience: Duration,
    ) -> Self {
        let alarm = ledger.client.wakes().poll.alarm();
        Self {
            ledger,
            arrivals,
            patience,
            alarm,
            failures: 0,
        }
    }

    /// Ends without an error when no further message is to be taken, or will come.
    pub(super) async fn run(
        mut self,
        mut delivery: impl InboundDelivery,
    ) -> Result<(), AgentError> {
        let taken = self.take_all(&mut delivery).await;
        self.close(&mut delivery).await;
        match taken {
            Ok(()) | Err(Left::Undone) => Ok(()),
            Err(Left::Failed(error)) => Err(error),
        }
    }

    /// A delivery that takes too long is dropped, and what it works on with it.
    async fn close(&self, delivery: &mut impl InboundDelivery) {
        let clock = self.ledger.client.clock();
        let closed = within(clock.as_ref(), self.patience, delivery.close());
        if !matches!(self.ledger.stopping.unless_cut(closed).await, Ok(Ok(()))) {
            tracing::warn!("a call was not answered in time, and is cut off");
        }
    }

    async fn take_all(&mut self, delivery: &mut impl InboundDelivery) -> Result<(), Left> {
        loop {
            let received = delivery.receive();
            match self.ledger.stopping.unless_draining(received).await? {
                Ok(Received::End) => return Ok(()),
                Ok(Received::Message(message)) => {
                    self.succeeded();
                    self.take(&message).await?;
                    self.acknowledge(delivery, &message).await?;
                }
                Ok(Received::Nothing) => {
                    self.succeeded();
                    self.ledger.close_if_idle().await;
                    // A delivery that does not wait must not keep others from running.
                    tokio::task::yield_now().await;
                }
                Err(DeliveryError::Temporary(error)) => {
                    self.wait_out("asking for messages", &error).await?;
                }
                Err(DeliveryError::Final(error)) => return Err(error.into()),
            }
        }
    }

    /// Returns when the message may be acknowledged: it is in the journal, or with one that does not last, done with.
    async fn take(&self, message: &InboundMessage) -> Result<(), Left> {
        let mut failures = 0;
        loop {
            let accepted = self.ledger.accept(message).await?;
            if accepted != Accepted::Full {
                self.ledger.client.vitals().succeeded(Work::Taking);
            }
            match accepted {
                Accepted::New(seq, sender) => return self.announce(seq, sender).await,
                Accepted::Known => {
                    tracing::info!(activity = %message.activity_id, "delivered again; it was taken already");
                    return Ok(());
                }
                Accepted::Full => {
                    self.ledger.client.vitals().failed_with(Work::Taking, FULL);
                    tracing::warn!("{FULL}");
                    self.ledger.rest(failures).await?;
                    failures += 1;
                }
            }
        }
    }

    async fn announce(&self, seq: Seq, sender: Sender) -> Result<(), Left> {
        self.ledger.client.vitals().accepted();
        let (settled, is_settled) = oneshot::channel();
        let arrival = Arrival {
            seq,
            sender,
            settled: Some(settled),
        };
        self.arrivals.send(arrival).map_err(|_| Left::Undone)?;
        if self.ledger.journal.survives() {
            return Ok(());
        }
        is_settled.await.map_err(|_| Left::Undone)
    }

    /// A disk that is full is waited out. An agent that stops meanwhile will know the message again, if its journal lasts.
    async fn acknowledge(
        &mut self,
        delivery: &mut impl InboundDelivery,
        message: &InboundMessage,
    ) -> Result<(), Left> {
        loop {
            match delivery.acknowledge(message).await {
                Err(error) if error.may_pass() => {
                    let waited = self.wait_out("acknowledging a message", &error).await;
                    if waited.is_err() && !self.ledger.journal.survives() {
                        return Err(error.into());
                    }
                    waited?;
                }
                acknowledged => {
                    self.failures = 0;
                    return Ok(acknowledged?);
                }
            }
        }
    }

    async fn wait_out(&mut self, what: &str, error: &AgentError) -> Result<(), Left> {
        self.ledger.client.vitals().failed(Work::Delivery, error);
        let (error, workspace) = (describe(error), self.ledger.client.workspace_id());
        tracing::warn!(%workspace, error, "{what} failed; trying again");
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        self.ledger.rest_until(&mut self.alarm, failures).await
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.ledger.client.vitals().succeeded(Work::Delivery);
    }
}
