//! What works together from the start of the loop to its end.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::AgentLoop;
use super::attended::Attended;
use crate::{Handler, InboundDelivery, RemoteAgentClient};

/// A handler and a delivery that know each other, and share the slots in which handlers run.
pub(crate) struct Shift<D> {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) delivery: D,
    pub(super) options: AgentLoop,
    pub(super) slots: Arc<Semaphore>,
}

impl<D: InboundDelivery> Shift<D> {
    /// From now on a delivery that answers by itself may ask the handler.
    pub(crate) fn new(
        client: &RemoteAgentClient,
        handler: Arc<dyn Handler>,
        mut delivery: D,
        options: AgentLoop,
    ) -> Self {
        let permits = options.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(permits));
        let attended = Attended::new(client.clone(), Arc::clone(&handler), Arc::clone(&slots));
        delivery.serve(Arc::new(attended));
        Self {
            handler,
            delivery,
            options,
            slots,
        }
    }
}

impl<D> fmt::Debug for Shift<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shift").finish_non_exhaustive()
    }
}
