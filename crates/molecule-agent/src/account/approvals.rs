//! Asking a person before doing something.

use std::time::Duration;

use molecule_protocol::endpoints::{
    Approval, ApprovalStatus, ListApprovals, RequestApproval, RequestedApproval,
};

use crate::life::pause;
use crate::{AgentError, ErrorKind, RemoteAgentClient};

impl RemoteAgentClient {
    /// Asks whether the agent may do `action`. Sent twice, it asks twice.
    ///
    /// # Errors
    /// When the platform refuses, has no approvals, or gives no usable answer.
    pub async fn request_approval(
        &self,
        action: &str,
        reason: Option<&str>,
    ) -> Result<RequestedApproval, AgentError> {
        let request = RequestApproval::new(self.workspace_id(), action);
        let request = match reason {
            Some(reason) => request.with_reason(reason),
            None => request,
        };
        self.authorized(&request).await
    }

    /// What the agent asked for lately, and what became of it.
    ///
    /// # Errors
    /// When the platform refuses, has no approvals, or gives no usable answer.
    pub async fn list_approvals(&self) -> Result<Vec<Approval>, AgentError> {
        self.authorized(&ListApprovals::new(self.workspace_id()))
            .await
    }

    /// Waits until somebody decided on what [`request_approval`](Self::request_approval) asked for, by asking again every
    /// [`poll_interval`](crate::ClientBuilder::poll_interval), for up to `patience`. Go on only if the status is
    /// [`ApprovalStatus::Approved`].
    ///
    /// # Errors
    /// [`AgentError::Undecided`] when the time is over, with the last failure if asking failed then.
    /// [`AgentError::UnknownApproval`] when the platform does not list the request, or not any more. Otherwise when the
    /// platform refuses.
    pub async fn wait_approval(
        &self,
        approval_id: &str,
        patience: Duration,
    ) -> Result<Approval, AgentError> {
        let clock = self.clock().as_ref();
        let end = clock.now().saturating_add(patience);
        loop {
            let failure = match self.decision(approval_id).await {
                Ok(Some(approval)) => return Ok(approval),
                Ok(None) => None,
                Err(error) if passes(&error) => Some(Box::new(error)),
                Err(error) => return Err(error),
            };
            let left = end.saturating_sub(clock.now());
            if left.is_zero() {
                return Err(AgentError::Undecided {
                    approval_id: approval_id.to_owned(),
                    source: failure,
                });
            }
            pause(clock, self.settings().poll_interval.min(left)).await;
        }
    }

    async fn decision(&self, approval_id: &str) -> Result<Option<Approval>, AgentError> {
        let list = self.list_approvals().await?;
        let found = list.into_iter().find(|one| one.id == approval_id);
        let approval = found.ok_or_else(|| AgentError::UnknownApproval(approval_id.to_owned()))?;
        Ok((approval.status != ApprovalStatus::Pending).then_some(approval))
    }
}

fn passes(error: &AgentError) -> bool {
    matches!(error.kind(), ErrorKind::Temporary | ErrorKind::Unreachable)
}
