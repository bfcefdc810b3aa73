//! Asking a person before doing something.

use std::time::Duration;

use molecule_protocol::endpoints::{
    Approval, ApprovalStatus, ListApprovals, RequestApproval, RequestedApproval,
};

use crate::patience::{Patience, Waited};
use crate::{AgentError, RemoteAgentClient};

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
        let patience = Patience {
            timeout: patience,
            interval: self.settings().poll_interval,
        };
        let ask = || self.decision(approval_id);
        match patience.wait_for(self.clock().as_ref(), ask).await? {
            Waited::Answered(approval) => Ok(approval),
            Waited::TimedOut(failure) => Err(AgentError::Undecided {
                approval_id: approval_id.to_owned(),
                source: failure.map(Box::new),
            }),
        }
    }

    async fn decision(&self, approval_id: &str) -> Result<Option<Approval>, AgentError> {
        let list = self.list_approvals().await?;
        let found = list.into_iter().find(|one| one.id == approval_id);
        let approval = found.ok_or_else(|| AgentError::UnknownApproval(approval_id.to_owned()))?;
        Ok((approval.status != ApprovalStatus::Pending).then_some(approval))
    }
}
