//! Handing tasks to other workspaces.

mod journal;
mod messages;
mod options;
pub(crate) mod regular_file;
mod wait;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::endpoints::{
    Delegate, Delegated, DelegationResult, ListActivity, ListDelegations, RecordDelegation,
    UpdateDelegation,
};
use molecule_protocol::{
    ActivityRow, Delegation, DelegationId, DelegationRow, Refusal, WorkspaceId,
};
use molecule_transport::{CallOptions, Timeouts};
use tokio::task::spawn_blocking;

use crate::files::finished;
use crate::{AgentError, RemoteAgentClient};
use journal::{Call, HeldKey, KeyJournal};
pub use options::{DelegateOptions, DelegationOutcome, DelegationWait, IdempotencyKey};

/// How often, and how long after another, a call looks for its key while others look for theirs: for five seconds.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// The most rows that the listing shows.
const LISTED: usize = 50;
/// Rows of the log among which the result of a delegation that just ended is, most probably; answers can be long.
const NEAR_WINDOW: u32 = 20;
/// The most rows that the platform gives at once.
const LOG_WINDOW: u32 = 500;

impl RemoteAgentClient {
    /// Hands a task to another workspace. The platform answers at once and passes it on later; how it went is told by
    /// [`wait_delegation`](Self::wait_delegation) and [`delegations`](Self::delegations), also for a target that does not exist.
    ///
    /// Unless the options say otherwise, the call is safe to repeat: after an error that leaves open whether the platform
    /// took the task, and after a crash, the same call finds the key it used in the agent's directory, and so the delegation
    /// there already is ([`Delegated::idempotent_hit`]). Once the platform has answered, the same task is a new delegation,
    /// from the next minute on.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer. [`AgentError::DelegationKeyTaken`]: the key stands for a
    /// delegation to another target. [`AgentError::DelegationJournal`] and [`AgentError::DamagedDelegationKey`]: the
    /// key cannot be kept or read; nothing was sent.
    pub async fn delegate(
        &self,
        target: WorkspaceId,
        task: &str,
        options: &DelegateOptions,
    ) -> Result<Delegated, AgentError> {
        let delegate = Delegate::new(self.workspace_id(), target, task);
        let delegated = match &options.key {
            IdempotencyKey::Automatic => self.delegate_once(target, task, delegate, options).await,
            IdempotencyKey::Explicit(key) => self.send(&delegate.with_key(key), options).await,
            IdempotencyKey::None => self.send(&delegate, options).await,
        }?;
        match delegated.target_id {
            Some(other) if other != target => Err(AgentError::DelegationKeyTaken {
                id: delegated.delegation_id,
                target: other,
            }),
            _ => Ok(delegated),
        }
    }

    async fn delegate_once(
        &self,
        target: WorkspaceId,
        task: &str,
        delegate: Delegate,
        options: &DelegateOptions,
    ) -> Result<Delegated, AgentError> {
        let held = self.hold_key(target, task).await?;
        let result = self.send(&delegate.with_key(held.key()), options).await;
        if is_answered(&result) {
            finished(spawn_blocking(|| held.answered()).await);
        }
        result
    }

    async fn hold_key(&self, target: WorkspaceId, task: &str) -> Result<HeldKey, AgentError> {
        let journal = KeyJournal::new(self.state_dir());
        let task: Arc<str> = task.into();
        for _ in 0..LOCK_TRIES {
            let (journal, task, now) = (journal.clone(), Arc::clone(&task), self.clock().wall());
            let look = move || {
                journal.hold(&Call {
                    target: &target,
                    task: &task,
                    now,
                })
            };
            if let Some(held) = finished(spawn_blocking(look).await)? {
                return Ok(held);
            }
            self.clock().sleep(LOCK_PAUSE).await;
        }
        let source = io::ErrorKind::WouldBlock.into();
        Err(journal::failed("lock", journal.path(), source))
    }

    async fn send(
        &self,
        delegate: &Delegate,
        options: &DelegateOptions,
    ) -> Result<Delegated, AgentError> {
        let timeouts = Timeouts::both(options.timeout);
        let call = CallOptions::new().with_timeouts(timeouts);
        self.authorized_with(delegate, &call).await
    }

    /// The last delegations of this workspace, about 25, the latest first.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn delegations(&self) -> Result<Vec<Delegation>, AgentError> {
        let rows = self.delegation_rows().await?;
        Ok(self.own(&rows))
    }

    async fn delegation_rows(&self) -> Result<Vec<DelegationRow>, AgentError> {
        let list = ListDelegations::new(self.workspace_id());
        self.authorized(&list).await
    }

    /// The listing shows delegations of others to this workspace too, on some platforms.
    fn own(&self, rows: &[DelegationRow]) -> Vec<Delegation> {
        let me = self.workspace_id();
        let mut delegations = Delegation::merge(rows);
        delegations.retain(|one| one.source_id.is_none_or(|source| source == me));
        delegations
    }

    /// Lists a delegation that the agent carries out itself, by a message of its own, under an id of its choice. Sent twice, it is
    /// listed twice.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn record_delegation(
        &self,
        id: DelegationId,
        target: WorkspaceId,
        task: &str,
    ) -> Result<(), AgentError> {
        let record = RecordDelegation::new(self.workspace_id(), target, task, id);
        self.authorized(&record).await
    }

    /// Says how a recorded delegation ended. Sent twice, it is listed twice.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn update_delegation(
        &self,
        id: DelegationId,
        result: DelegationResult,
    ) -> Result<(), AgentError> {
        let update = UpdateDelegation::new(self.workspace_id(), id, result);
        self.authorized(&update).await
    }

    /// One delegation: from the listing, or, if that is full, from the activity log, which reaches further back.
    async fn find_delegation(&self, id: DelegationId) -> Result<Option<Delegation>, AgentError> {
        let rows = self.delegation_rows().await?;
        let found = self.own(&rows).into_iter().find(|one| one.id == id);
        if found.is_some() || rows.len() < LISTED {
            return Ok(found);
        }
        let log = self.delegation_log(LOG_WINDOW).await?;
        let rows: Vec<_> = log
            .iter()
            .filter_map(DelegationRow::from_activity)
            .collect();
        Ok(self.own(&rows).into_iter().find(|one| one.id == id))
    }

    async fn delegation_log(&self, limit: u32) -> Result<Vec<ActivityRow>, AgentError> {
        let list = ListActivity::new(self.workspace_id())
            .with_type("delegation")
            .with_limit(limit);
        Ok(self.authorized(&list).await?.rows)
    }

    /// The whole answer to a delegation, which the activity log alone has.
    async fn delegation_text(&self, id: DelegationId) -> Option<String> {
        for limit in [NEAR_WINDOW, LOG_WINDOW] {
            let log = self.delegation_log(limit).await.ok()?;
            let rows = log.iter().filter_map(DelegationRow::from_activity);
            let mut results =
                rows.filter(|row| row.delegation_id == Some(id) && row.status.is_final());
            if let Some(text) = results.find_map(|row| row.response_preview) {
                return Some(text);
            }
        }
        None
    }
}

/// Whether the platform itself settled what becomes of the call. A refusal without its words may be a proxy's, and the token
/// may be another one next time.
fn is_answered(result: &Result<Delegated, AgentError>) -> bool {
    let refusal = match result {
        Ok(_) => return true,
        Err(AgentError::Api(error)) => error.refusal(),
        Err(_) => None,
    };
    refusal.is_some_and(is_settled)
}

fn is_settled(refusal: &Refusal) -> bool {
    let status = refusal.status;
    let later = [401, 408, 429].contains(&status.as_u16());
    status.is_client_error() && !later && refusal.message.is_some()
}
