//! Delegations: tasks that the platform hands to other workspaces, whose results are read later.

use serde::{Deserialize, Serialize};

use super::delegation_refusal::refused;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::lenient;
use crate::{ApiError, DelegationId, DelegationRow, DelegationStatus, WorkspaceId};

/// What a row may take in memory at most, in bytes. A dearer one is left out.
const ROW_SHARE: usize = 32 << 20;

/// `POST /workspaces/:id/delegate`: hands a task to another workspace.
///
/// With a key it may be repeated: the platform answers with the delegation that it took under that key in the last
/// seven days, whatever the target and the task are now, unless that one failed.
///
/// ```
/// use molecule_protocol::endpoints::Delegate;
/// use molecule_protocol::{Endpoint, WorkspaceId, delegation_key};
///
/// let me: WorkspaceId = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?;
/// let target: WorkspaceId = "eb5e4fd8-502b-4a37-bdf9-03d8ce536f23".parse()?;
/// let delegate = Delegate::new(me, target, "write the report");
/// assert!(!delegate.call().repeatable);
///
/// let key = delegation_key(&target, "write the report", 1_767_225_600);
/// assert!(delegate.with_key(key).call().repeatable);
/// # Ok::<(), molecule_protocol::InvalidId>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Delegate {
    #[serde(skip)]
    workspace_id: WorkspaceId,
    target_id: WorkspaceId,
    task: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

/// A delegation that the platform took, now or before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Delegated {
    /// Its id.
    pub delegation_id: DelegationId,
    /// Its target; another than asked for if the key was used before.
    #[serde(default, deserialize_with = "lenient")]
    pub target_id: Option<WorkspaceId>,
    /// How far it is.
    pub status: DelegationStatus,
    /// The platform took it under this key before, and did nothing now.
    #[serde(default, deserialize_with = "lenient")]
    pub idempotent_hit: bool,
    /// What the platform could not do, such as keeping track of the status.
    #[serde(default, deserialize_with = "lenient")]
    pub warning: Option<String>,
}

impl Delegate {
    /// A task from one workspace to another, without a key.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, target_id: WorkspaceId, task: impl Into<String>) -> Self {
        Self {
            workspace_id,
            target_id,
            task: task.into(),
            idempotency_key: None,
        }
    }

    /// Under a key. An empty one is none.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into()).filter(|key| !key.is_empty());
        self
    }
}

impl Endpoint for Delegate {
    type Output = Delegated;
    const NAME: &'static str = "delegate";

    fn call(&self) -> Call {
        let call = Call::post(format!("/workspaces/{}/delegate", self.workspace_id)).json(self);
        match self.idempotency_key {
            Some(_) => call.repeatable(),
            None => call,
        }
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Delegated, ApiError> {
        accepted(answer, Self::NAME)?.json(Self::NAME)
    }
}

/// `GET /workspaces/:id/delegations`: the rows about the last delegations, the newest first; fifty at most, and two of
/// them for each delegation. [`Delegation::merge`](crate::Delegation::merge) makes one of two.
#[derive(Debug, Clone)]
pub struct ListDelegations {
    workspace_id: WorkspaceId,
}

impl ListDelegations {
    /// The delegations of this workspace.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

impl Endpoint for ListDelegations {
    type Output = Vec<DelegationRow>;
    const NAME: &'static str = "delegations";

    fn call(&self) -> Call {
        Call::get(format!("/workspaces/{}/delegations", self.workspace_id))
    }

    /// An element that is no row hides no other.
    fn read(&self, answer: &Answer<'_>) -> Result<Vec<DelegationRow>, ApiError> {
        let rows = answer.rows(Self::NAME, ROW_SHARE, |row, budget| {
            budget.parse(row.get().as_bytes()).ok()
        });
        Ok(rows?.rows)
    }
}

/// `POST /workspaces/:id/delegations/record`: lists a delegation that the agent carries out itself, by a message of its own.
#[derive(Debug, Clone, Serialize)]
pub struct RecordDelegation {
    #[serde(skip)]
    workspace_id: WorkspaceId,
    target_id: WorkspaceId,
    task: String,
    delegation_id: DelegationId,
}

impl RecordDelegation {
    /// A task that `workspace_id` gave to `target_id`, under an id of its own choice.
    #[must_use]
    pub fn new(
        workspace_id: WorkspaceId,
        target_id: WorkspaceId,
        task: impl Into<String>,
        delegation_id: DelegationId,
    ) -> Self {
        Self {
            workspace_id,
            target_id,
            task: task.into(),
            delegation_id,
        }
    }
}

impl Endpoint for RecordDelegation {
    type Output = ();
    const NAME: &'static str = "delegation record";

    fn call(&self) -> Call {
        let path = format!("/workspaces/{}/delegations/record", self.workspace_id);
        Call::post(path).json(self)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        accepted(answer, Self::NAME)?.done(Self::NAME)
    }
}

/// How a recorded delegation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
#[non_exhaustive]
pub enum DelegationResult {
    /// Its target answered.
    Completed {
        /// The answer, or its beginning.
        response_preview: String,
    },
    /// It could not be done.
    Failed {
        /// Why.
        error: String,
    },
}

impl DelegationResult {
    /// Its target answered this.
    #[must_use]
    pub fn completed(response_preview: impl Into<String>) -> Self {
        Self::Completed {
            response_preview: response_preview.into(),
        }
    }

    /// It could not be done, for this reason.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Self {
        Self::Failed {
            error: error.into(),
        }
    }
}

/// `POST /workspaces/:id/delegations/:id/update`: says how a recorded delegation ended.
#[derive(Debug, Clone)]
pub struct UpdateDelegation {
    workspace_id: WorkspaceId,
    delegation_id: DelegationId,
    result: DelegationResult,
}

impl UpdateDelegation {
    /// The delegation ended so.
    #[must_use]
    pub const fn new(
        workspace_id: WorkspaceId,
        delegation_id: DelegationId,
        result: DelegationResult,
    ) -> Self {
        Self {
            workspace_id,
            delegation_id,
            result,
        }
    }
}

impl Endpoint for UpdateDelegation {
    type Output = ();
    const NAME: &'static str = "delegation update";

    fn call(&self) -> Call {
        let (workspace_id, id) = (self.workspace_id, self.delegation_id);
        Call::post(format!(
            "/workspaces/{workspace_id}/delegations/{id}/update"
        ))
        .json(&self.result)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        accepted(answer, Self::NAME)?.done(Self::NAME)
    }
}

fn accepted<'a, 'b>(
    answer: &'a Answer<'b>,
    endpoint: &'static str,
) -> Result<&'a Answer<'b>, ApiError> {
    if answer.status().is_success() {
        Ok(answer)
    } else {
        Err(refused(answer, endpoint))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::endpoints::DelegationRefusal;

    const ME: &str = "c7a82861-b15f-421d-903c-f767f108d62f";
    const TARGET: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";
    const ID: &str = "57e7c24b-eb91-41f5-a5c6-46984d30a179";

    fn delegate() -> Delegate {
        Delegate::new(ME.parse().unwrap(), TARGET.parse().unwrap(), "say hello")
    }

    fn read(status: u16, body: &str) -> Result<Delegated, ApiError> {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        delegate().read(&Answer::new(status, &headers, body.as_bytes()))
    }

    #[test]
    fn a_task_goes_to_ones_own_path_and_names_its_target() {
        let call = delegate().with_key("key-1").call();
        assert_eq!(call.path, format!("/workspaces/{ME}/delegate"));
        assert_eq!(
            String::from_utf8(call.body.unwrap()).unwrap(),
            format!(r#"{{"target_id":"{TARGET}","task":"say hello","idempotency_key":"key-1"}}"#)
        );
    }

    #[test]
    fn an_empty_key_is_none() {
        let call = delegate().with_key("").call();
        assert!(!call.repeatable);
        assert!(
            !String::from_utf8(call.body.unwrap())
                .unwrap()
                .contains("key")
        );
    }

    #[test]
    fn a_warning_and_an_earlier_delegation_are_told() {
        let body = format!(
            r#"{{"delegation_id":"{ID}","status":"delegated","warning":"status tracking unavailable"}}"#
        );
        let delegated = read(202, &body).unwrap();
        assert_eq!(
            delegated.warning.as_deref(),
            Some("status tracking unavailable")
        );
        assert_eq!(
            (delegated.target_id, delegated.idempotent_hit),
            (None, false)
        );
        let body = format!(
            r#"{{"delegation_id":"{ID}","idempotent_hit":true,"status":"in review","target_id":"{TARGET}"}}"#
        );
        let delegated = read(200, &body).unwrap();
        assert!(delegated.idempotent_hit);
        assert_eq!(
            delegated.status,
            DelegationStatus::Other("in review".to_owned())
        );
    }

    #[test]
    fn an_answer_without_a_usable_id_is_no_delegation() {
        for body in [
            "{}",
            "<html>",
            r#"{"delegation_id":"../..","status":"delegated"}"#,
        ] {
            assert!(
                matches!(read(202, body), Err(ApiError::Malformed { .. })),
                "{body}"
            );
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let check = |words: &str, expect: DelegationRefusal| match read(
            400,
            &format!(r#"{{"error":"{words}"}}"#),
        ) {
            Err(ApiError::Delegation(_, reason)) => assert_eq!(reason, expect),
            other => panic!("{other:?}"),
        };
        check("invalid delegation request", DelegationRefusal::Incomplete);
        check(
            "target_id must be a valid UUID",
            DelegationRefusal::InvalidTarget,
        );
        check("self-delegation not permitted", DelegationRefusal::ToItself);
        assert!(matches!(read(400, "<html>"), Err(ApiError::Rejected(_))));
        assert!(matches!(
            read(422, r#"{"error":"invalid delegation request"}"#),
            Err(ApiError::Rejected(_))
        ));
    }

    #[test]
    fn a_result_is_either_an_answer_or_an_error() {
        let check = |result: DelegationResult, expect: &str| {
            let update = UpdateDelegation::new(ME.parse().unwrap(), ID.parse().unwrap(), result);
            let call = update.call();
            assert_eq!(
                call.path,
                format!("/workspaces/{ME}/delegations/{ID}/update")
            );
            assert_eq!(String::from_utf8(call.body.unwrap()).unwrap(), expect);
        };
        check(
            DelegationResult::completed("done!"),
            r#"{"status":"completed","response_preview":"done!"}"#,
        );
        check(
            DelegationResult::failed("no"),
            r#"{"status":"failed","error":"no"}"#,
        );
    }

    #[test]
    fn an_odd_row_hides_no_other() {
        let headers = HeaderMap::new();
        let body = format!(
            r#"[7, {{"id":"x"}}, {{"id":"{ID}","created_at":"2026-11-22T04:01:43Z","delegation_id":"{ID}","status":7,"target_id":""}}]"#
        );
        let list = ListDelegations::new(ME.parse().unwrap());
        let rows = list
            .read(&Answer::new(StatusCode::OK, &headers, body.as_bytes()))
            .unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].target_id, rows[0].status.as_str()), (None, ""));
        let none = list
            .read(&Answer::new(StatusCode::OK, &headers, b"null"))
            .unwrap();
        assert!(none.is_empty());
    }
}
