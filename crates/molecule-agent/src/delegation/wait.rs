//! Waiting for what comes of a delegation.

use molecule_protocol::{Delegation, DelegationAnswer, DelegationId, DelegationStatus};
use tokio_util::sync::CancellationToken;

use super::messages::Messages;
use super::{DelegationOutcome, DelegationWait};
use crate::patience::{Patience, Question, Waited};
use crate::{AgentError, RemoteAgentClient};

/// How often a delegation may be seen completed without its answer: the platform writes the one before the other.
const MAX_SILENT: u32 = 3;

impl RemoteAgentClient {
    /// Waits until a delegation is completed or failed, the time to wait is over, or `cancel` is cancelled.
    ///
    /// The whole answer is taken from the activity log where the listing cuts it. A platform that cannot answer for a while is
    /// asked again.
    ///
    /// An agent that polls answers by a message, which the platform does not connect with the delegation: a message of the target that
    /// names the delegation is its answer. It is looked for where [`fetch_inbound`](Self::fetch_inbound) looks, so that this
    /// workspace has to be registered, and without moving any cursor: an agent of this workspace that runs is handed the
    /// message too, with the role [`Role::Agent`](molecule_protocol::Role::Agent), and does not answer it in turn.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer in all that time.
    ///
    /// ```no_run
    /// # use molecule_agent::{AgentError, CancellationToken, DelegateOptions, DelegationOutcome, DelegationWait, RemoteAgentClient, WorkspaceId};
    /// # async fn example(client: RemoteAgentClient, target: WorkspaceId) -> Result<(), AgentError> {
    /// let delegated = client.delegate(target, "write the report", &DelegateOptions::new()).await?;
    /// let (id, never) = (delegated.delegation_id, CancellationToken::new());
    /// let outcome = client.wait_delegation(id, DelegationWait::new(), &never).await?;
    /// if let DelegationOutcome::Completed { text, .. } = outcome {
    ///     println!("{text}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_delegation(
        &self,
        id: DelegationId,
        options: DelegationWait,
        cancel: &CancellationToken,
    ) -> Result<DelegationOutcome, AgentError> {
        let mut watch = Watch::new(self, id);
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            outcome = watch.until(options) => Some(outcome),
        };
        ended.unwrap_or(Ok(DelegationOutcome::Cancelled(watch.seen)))
    }
}

/// A delegation that is watched.
struct Watch<'a> {
    client: &'a RemoteAgentClient,
    id: DelegationId,
    /// As it was last listed.
    seen: Option<Delegation>,
    messages: Messages<'a>,
    /// How often it was seen completed without its answer.
    silent: u32,
}

impl<'a> Watch<'a> {
    const fn new(client: &'a RemoteAgentClient, id: DelegationId) -> Self {
        Self {
            client,
            id,
            seen: None,
            messages: Messages::new(client),
            silent: 0,
        }
    }

    async fn until(&mut self, options: DelegationWait) -> Result<DelegationOutcome, AgentError> {
        let DelegationWait { timeout, interval } = options;
        let patience = Patience { timeout, interval };
        let clock = self.client.clock().as_ref();
        match patience.wait_for(clock, &mut *self).await? {
            Waited::Answered(outcome) => Ok(outcome),
            Waited::TimedOut(failure) => self.timed_out(failure),
        }
    }

    async fn outcome(&mut self) -> Result<Option<DelegationOutcome>, AgentError> {
        let found = self.client.find_delegation(self.id).await?;
        self.seen = found.or(self.seen.take());
        let Some(seen) = self.seen.clone() else {
            return Ok(None);
        };
        match seen.status {
            DelegationStatus::Completed => Ok(self.answer(seen).await),
            DelegationStatus::Failed => Ok(Some(DelegationOutcome::Failed(seen))),
            DelegationStatus::Delegated
            | DelegationStatus::Pending
            | DelegationStatus::Dispatched => Ok(None),
            // In the target's own queue, or whatever a later platform calls that.
            _ => Ok(self
                .messages
                .answer_to(&seen)
                .await?
                .map(|text| answered(seen, text))),
        }
    }

    async fn answer(&mut self, delegation: Delegation) -> Option<DelegationOutcome> {
        if delegation.result_row.is_some() && !delegation.is_preview_cut() {
            return Some(beginning(delegation, true));
        }
        if let Some(text) = self.client.delegation_text(self.id).await {
            return understood(delegation, &text);
        }
        let is_silent = delegation.result_row.is_none();
        self.silent += u32::from(is_silent);
        let may_come = is_silent && self.silent < MAX_SILENT;
        (!may_come).then(|| beginning(delegation, false))
    }

    fn timed_out(&mut self, failure: Option<AgentError>) -> Result<DelegationOutcome, AgentError> {
        match (self.seen.take(), failure) {
            (Some(seen), _) if seen.status == DelegationStatus::Completed => {
                Ok(beginning(seen, false))
            }
            (None, Some(failure)) => Err(failure),
            (seen, _) => Ok(DelegationOutcome::TimedOut(seen)),
        }
    }
}

impl Question for &mut Watch<'_> {
    type Answer = DelegationOutcome;

    async fn ask(&mut self) -> Result<Option<DelegationOutcome>, AgentError> {
        self.outcome().await
    }
}

/// What the whole text stands for; the listing shows too little of it to tell.
fn understood(mut delegation: Delegation, text: &str) -> Option<DelegationOutcome> {
    match DelegationAnswer::of(text) {
        DelegationAnswer::Text(text) => Some(answered(delegation, text)),
        DelegationAnswer::Failed(error) => {
            delegation.status = DelegationStatus::Failed;
            delegation.error = Some(error.to_string());
            Some(DelegationOutcome::Failed(delegation))
        }
        _ => None,
    }
}

fn answered(mut delegation: Delegation, text: String) -> DelegationOutcome {
    delegation.status = DelegationStatus::Completed;
    DelegationOutcome::Completed {
        delegation,
        text,
        whole: true,
    }
}

/// What the listing shows of the answer.
fn beginning(delegation: Delegation, whole: bool) -> DelegationOutcome {
    DelegationOutcome::Completed {
        text: delegation.response_preview.clone().unwrap_or_default(),
        delegation,
        whole,
    }
}
