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
use crate::{AgentError, DeliveryError, InboundDelivery, Received};

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
}

impl Intake {
    pub(super) const fn new(
        ledger: Ledger,
        arrivals: mpsc::UnboundedSender<Arrival>,
        patience: Duration,
    ) -> Self {
        Self {
            ledger,
            arrivals,
            patience,
        }
    }

    /// Ends without an error when no further message is to be taken, or will come.
    pub(super) async fn run(self, mut delivery: impl InboundDelivery) -> Result<(), AgentError> {
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

    async fn take_all(&self, delivery: &mut impl InboundDelivery) -> Result<(), Left> {
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
                    self.rest().await;
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
        loop {
            match self.ledger.accept(message).await? {
                Accepted::New(seq, sender) => return self.announce(seq, sender).await,
                Accepted::Known => {
                    tracing::info!(activity = %message.activity_id, "delivered again; it was taken already");
                    return Ok(());
                }
                Accepted::Full => {
                    tracing::warn!(
                        "the journal is full; no message is taken before others are done with"
                    );
                    self.ledger.rest_a_while().await?;
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
        &self,
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
                acknowledged => return Ok(acknowledged?),
            }
        }
    }

    /// There is nothing to do, so that the journal may be closed.
    async fn rest(&self) {
        if let Err(error) = self.ledger.journal.rest().await {
            tracing::warn!(error = describe(&error), "closing the journal failed");
        }
        // A delivery that does not wait must not keep others from running.
        tokio::task::yield_now().await;
    }

    async fn wait_out(&self, what: &str, error: &AgentError) -> Result<(), Left> {
        self.ledger.client.vitals().failed(Work::Delivery, error);
        let (error, workspace) = (describe(error), self.ledger.client.workspace_id());
        tracing::warn!(%workspace, error, "{what} failed; trying again");
        self.ledger.rest_a_while().await
    }

    fn succeeded(&self) {
        self.ledger.client.vitals().succeeded(Work::Delivery);
    }
}
