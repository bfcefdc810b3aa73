//! The handler as deliveries have it that answer by themselves: what it does is limited, counted and survived like in the loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use molecule_a2a::{Message, TaskContext, TaskOutcome, TaskState, TaskWork};
use molecule_protocol::InboundMessage;
use molecule_transport::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::vitals::Work;
use crate::{Handler, HandlerOutcome, RemoteAgentClient};

const PANICKED: &str = "the handler panicked";

/// A handler that is looked after.
pub(super) struct Attended {
    client: RemoteAgentClient,
    handler: Arc<dyn Handler>,
    slots: Arc<Semaphore>,
}

impl Attended {
    pub(super) const fn new(
        client: RemoteAgentClient,
        handler: Arc<dyn Handler>,
        slots: Arc<Semaphore>,
    ) -> Self {
        Self {
            client,
            handler,
            slots,
        }
    }
}

impl Handler for Attended {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        let watch = Watch {
            client: self.client.clone(),
            task: format!("message {}", message.activity_id),
        };
        let (handler, slots) = (Arc::clone(&self.handler), Arc::clone(&self.slots));
        let workspace = self.client.workspace_id();
        let span = tracing::error_span!("message", %workspace, activity = %message.activity_id, sender = ?message.sender);
        let handling = async move {
            watch.client.vitals().accepted();
            let slot = slots.acquire_owned().await;
            let slot = slot.expect("nobody closes the semaphore");
            tracing::info!("handling a message");
            watch.handle(handler, message, slot).await
        };
        Box::pin(handling.instrument(span))
    }
}

/// What one message's work is watched with.
struct Watch {
    client: RemoteAgentClient,
    task: String,
}

impl Watch {
    async fn handle(
        self,
        handler: Arc<dyn Handler>,
        message: InboundMessage,
        slot: OwnedSemaphorePermit,
    ) -> HandlerOutcome {
        let handling = AssertUnwindSafe(async move { handler.handle(message).await });
        let busy = self.client.vitals().busy(self.task.clone());
        let outcome = handling.catch_unwind().await;
        drop(busy);
        match outcome.unwrap_or_else(|_| HandlerOutcome::Error(PANICKED.to_owned())) {
            HandlerOutcome::Task(work) => HandlerOutcome::Task(self.accompany(work, slot)),
            outcome => {
                self.ended(match &outcome {
                    HandlerOutcome::Error(error) => Some(error),
                    _ => None,
                });
                outcome
            }
        }
    }

    /// The slot is free again when the work is done, or nobody wants it any more.
    fn accompany(self, work: TaskWork, slot: OwnedSemaphorePermit) -> TaskWork {
        TaskWork::new(async move |context: TaskContext| {
            let _slot = slot;
            let _busy = self.client.vitals().busy(self.task.clone());
            let working = AssertUnwindSafe(async move { work.start(context).await });
            let outcome = working.catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| TaskOutcome::failed(PANICKED));
            let failure = (outcome.state() == TaskState::Failed).then(|| said(&outcome));
            self.ended(failure.as_ref());
            outcome
        })
    }

    /// Whoever called has the answer, which may be that the handler failed.
    fn ended(&self, failure: Option<&String>) {
        let vitals = self.client.vitals();
        match failure {
            Some(error) => {
                tracing::warn!(error, "the handler failed");
                vitals.failed_with(Work::Handling, error);
            }
            None => vitals.succeeded(Work::Handling),
        }
        vitals.succeeded(Work::Answering);
    }
}

fn said(outcome: &TaskOutcome) -> String {
    let text = outcome.message().map(Message::text);
    text.filter(|text| !text.is_empty())
        .unwrap_or_else(|| "the task failed, without a reason".to_owned())
}
