//! Waiting for what comes of a delegation.

use molecule_protocol::{Delegation, DelegationId, DelegationStatus};
use molecule_transport::within;
use tokio_util::sync::CancellationToken;

use super::{DelegationOutcome, DelegationWait};
use crate::life::{describe, pause};
use crate::{AgentError, ErrorKind, RemoteAgentClient};

/// How often a delegation may be seen completed without its answer: the platform writes the one before the other.
const MAX_SILENT: u32 = 3;

impl RemoteAgentClient {
    /// Waits until a delegation is completed or failed, the time to wait is over, or `cancel` is cancelled.
    ///
    /// The whole answer is taken from the activity log where the listing cuts it. A platform that cannot answer for a while is
    /// asked again.
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
    /// Why it was not seen the last time.
    failure: Option<AgentError>,
    /// How often it was seen completed without its answer.
    silent: u32,
}

impl<'a> Watch<'a> {
    const fn new(client: &'a RemoteAgentClient, id: DelegationId) -> Self {
        Self {
            client,
            id,
            seen: None,
            failure: None,
            silent: 0,
        }
    }

    /// The platform is asked at least once, however short the time.
    async fn until(&mut self, options: DelegationWait) -> Result<DelegationOutcome, AgentError> {
        let clock = self.client.clock();
        let started = clock.now();
        if let Some(outcome) = self.look().await? {
            return Ok(outcome);
        }
        let waited = clock.now().saturating_sub(started);
        let left = options.timeout.saturating_sub(waited);
        let end = within(clock.as_ref(), left, self.watch(options)).await;
        end.unwrap_or_else(|_| self.timed_out())
    }

    async fn watch(&mut self, options: DelegationWait) -> Result<DelegationOutcome, AgentError> {
        loop {
            pause(self.client.clock().as_ref(), options.interval).await;
            if let Some(outcome) = self.look().await? {
                return Ok(outcome);
            }
        }
    }

    async fn look(&mut self) -> Result<Option<DelegationOutcome>, AgentError> {
        match self.client.find_delegation(self.id).await {
            Ok(found) => {
                self.failure = None;
                self.seen = found.or(self.seen.take());
                self.outcome().await
            }
            Err(error) if passes(&error) => {
                tracing::debug!(
                    error = describe(&error),
                    "cannot see how a delegation is; asking again"
                );
                self.failure = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn outcome(&mut self) -> Result<Option<DelegationOutcome>, AgentError> {
        let Some(seen) = &self.seen else {
            return Ok(None);
        };
        match seen.status {
            DelegationStatus::Completed => Ok(self.answer(seen.clone()).await),
            DelegationStatus::Failed => Ok(Some(DelegationOutcome::Failed(seen.clone()))),
            _ => Ok(None),
        }
    }

    async fn answer(&mut self, delegation: Delegation) -> Option<DelegationOutcome> {
        if delegation.result_row.is_some() && !delegation.is_preview_cut() {
            return Some(completed(delegation, None, true));
        }
        let text = self.client.delegation_text(self.id).await;
        let is_silent = text.is_none() && delegation.result_row.is_none();
        self.silent += u32::from(is_silent);
        if is_silent && self.silent < MAX_SILENT {
            return None;
        }
        let whole = text.is_some();
        Some(completed(delegation, text, whole))
    }

    fn timed_out(&mut self) -> Result<DelegationOutcome, AgentError> {
        match (self.seen.take(), self.failure.take()) {
            (Some(seen), _) if seen.status == DelegationStatus::Completed => {
                Ok(completed(seen, None, false))
            }
            (None, Some(failure)) => Err(failure),
            (seen, _) => Ok(DelegationOutcome::TimedOut(seen)),
        }
    }
}

fn completed(delegation: Delegation, text: Option<String>, whole: bool) -> DelegationOutcome {
    let text = text.or_else(|| delegation.response_preview.clone());
    DelegationOutcome::Completed {
        text: text.unwrap_or_default(),
        delegation,
        whole,
    }
}

fn passes(error: &AgentError) -> bool {
    matches!(error.kind(), ErrorKind::Temporary | ErrorKind::Unreachable)
}
