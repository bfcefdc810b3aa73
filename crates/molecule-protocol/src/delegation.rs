//! Delegations as the platform lists them, in two rows each, and as they are meant.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::lenient::lenient;
use crate::{
    ActivityId, ActivityRow, DelegationAnswer, DelegationId, DelegationStatus, Timestamp,
    WorkspaceId,
};

/// Where the platform cuts an answer, in bytes. Half a character at the end becomes U+FFFD, which makes it longer.
const PREVIEW_BYTES: usize = 300;

/// One of the two rows about a delegation: the request, or the result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DelegationRow {
    /// The row's id in the activity log.
    pub id: ActivityId,
    /// When it was written.
    pub created_at: Timestamp,
    /// Which delegation it is about; missing in the result of one that failed.
    #[serde(default, deserialize_with = "lenient")]
    pub delegation_id: Option<DelegationId>,
    /// Who delegates.
    #[serde(default, deserialize_with = "lenient")]
    pub source_id: Option<WorkspaceId>,
    /// Who has the task; missing in results of recorded delegations.
    #[serde(default, deserialize_with = "lenient")]
    pub target_id: Option<WorkspaceId>,
    /// What this row says of how far it is; the other one may know better.
    #[serde(default = "unknown", deserialize_with = "status")]
    pub status: DelegationStatus,
    /// One line for people.
    #[serde(default, deserialize_with = "lenient")]
    pub summary: String,
    /// The beginning of the answer; while the task is queued, JSON of the platform's own.
    #[serde(default, deserialize_with = "lenient")]
    pub response_preview: Option<String>,
    /// Why it failed.
    #[serde(default, deserialize_with = "lenient")]
    pub error: Option<String>,
}

/// A task that was handed to another workspace, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delegation {
    /// Its id.
    pub id: DelegationId,
    /// Who delegates, where the platform says so.
    pub source_id: Option<WorkspaceId>,
    /// Who has the task, where the platform says so.
    pub target_id: Option<WorkspaceId>,
    /// How far it is. One whose target answered with an error failed, whatever the platform lists; its key is not released.
    pub status: DelegationStatus,
    /// When it was handed over.
    pub created_at: Timestamp,
    /// The beginning of the answer, about 300 bytes.
    pub response_preview: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The row with its result, once there is one.
    pub result_row: Option<ActivityId>,
}

impl DelegationRow {
    /// The same from the activity log, which reaches further back than the listing and cuts no answer.
    /// `None` for a row that is about no delegation.
    #[must_use]
    pub fn from_activity(row: &ActivityRow) -> Option<Self> {
        if row.activity_type != "delegation" {
            return None;
        }
        let bodies = [&row.request_body, &row.response_body];
        let field = |name: &str| {
            let mut bodies = bodies.into_iter().flatten();
            bodies.find_map(|body| body.get(name)?.as_str())
        };
        let response = row.response_body.as_ref();
        Some(Self {
            id: row.id,
            created_at: row.created_at,
            delegation_id: field("delegation_id").and_then(|id| id.parse().ok()),
            source_id: row.source_id.as_deref().and_then(|id| id.parse().ok()),
            target_id: row.target_id,
            status: row.status.clone().into(),
            summary: row.summary.clone(),
            response_preview: response
                .and_then(|body| body.get("text")?.as_str())
                .map(str::to_owned),
            error: row.error_detail.clone().filter(|error| !error.is_empty()),
        })
    }

    fn is_request(&self) -> bool {
        self.summary.starts_with("Delegating to ")
    }

    /// Which of the rows about one delegation to believe: one with an end before one without, because the request of a task
    /// that was queued stays so for ever; then one that says something; then the result; then the later one.
    fn weight(&self) -> (bool, bool, bool, Timestamp) {
        let speaks = self.response_preview.is_some() || self.error.is_some();
        (
            self.status.is_final(),
            speaks,
            !self.is_request(),
            self.created_at,
        )
    }
}

impl Delegation {
    /// One delegation of each two rows, the latest first.
    ///
    /// The result of one that failed does not say which it belongs to. It is left out rather than matched by
    /// guess: the request says that it failed, and why, as well.
    #[must_use]
    pub fn merge(rows: &[DelegationRow]) -> Vec<Self> {
        let mut by_id = HashMap::<_, Vec<_>>::new();
        for row in rows {
            if let Some(id) = row.delegation_id {
                by_id.entry(id).or_default().push(row);
            }
        }
        let mut delegations: Vec<_> = by_id
            .into_iter()
            .filter_map(|(id, rows)| Self::of(id, &rows))
            .collect();
        delegations.sort_unstable_by_key(|delegation| delegation.id);
        delegations.sort_by_key(|delegation| std::cmp::Reverse(delegation.created_at));
        delegations
    }

    /// What the rows about one delegation say together.
    fn of(id: DelegationId, rows: &[&DelegationRow]) -> Option<Self> {
        let rows = || rows.iter().copied();
        let best = rows().max_by_key(|row| row.weight())?;
        let is_queued = best.status == DelegationStatus::Queued;
        let result = rows()
            .filter(|row| !row.is_request())
            .max_by_key(|row| row.weight());
        let delegation = Self {
            id,
            source_id: rows().find_map(|row| row.source_id),
            target_id: rows().find_map(|row| row.target_id),
            status: best.status.clone(),
            created_at: rows().map(|row| row.created_at).min()?,
            response_preview: best.response_preview.clone().filter(|_| !is_queued),
            error: best.error.clone(),
            result_row: result.map(|row| row.id).filter(|_| best.status.is_final()),
        };
        Some(delegation.understood())
    }

    /// The platform takes for an answer whatever the target sends, an error too, and what it says itself of a target that polls.
    fn understood(mut self) -> Self {
        if self.status != DelegationStatus::Completed {
            return self;
        }
        match self.response_preview.as_deref().map(DelegationAnswer::of) {
            Some(DelegationAnswer::Text(text)) => self.response_preview = Some(text),
            Some(DelegationAnswer::Failed(error)) => {
                self.status = DelegationStatus::Failed;
                self.error = Some(error.to_string());
            }
            Some(DelegationAnswer::Queued) => {
                self.status = DelegationStatus::Queued;
                (self.response_preview, self.result_row) = (None, None);
            }
            None => {}
        }
        self
    }

    /// Whether the answer may go on after its preview.
    #[must_use]
    pub fn is_preview_cut(&self) -> bool {
        self.response_preview
            .as_ref()
            .is_some_and(|preview| preview.len() >= PREVIEW_BYTES)
    }
}

const fn unknown() -> DelegationStatus {
    DelegationStatus::Other(String::new())
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DelegationStatus, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(word) => word.into(),
        _ => unknown(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TARGET: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";

    fn id(number: u8) -> String {
        format!("57e7c24b-eb91-41f5-a5c6-0000000000{number:02}")
    }

    /// A row about a delegation; 0 for one that does not say which.
    fn row(
        delegation: u8,
        second: u8,
        summary: &str,
        status: &str,
        fields: Value,
    ) -> DelegationRow {
        let mut row = json!({"id": id(second), "created_at": format!("2026-11-22T04:01:{second:02}Z"),
            "summary": summary, "status": status, "target_id": TARGET, "type": "delegation"});
        if delegation > 0 {
            row["delegation_id"] = id(delegation).into();
        }
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    fn request(delegation: u8, second: u8, status: &str) -> DelegationRow {
        row(
            delegation,
            second,
            &format!("Delegating to {TARGET}"),
            status,
            json!({}),
        )
    }

    fn only(rows: &[DelegationRow]) -> Delegation {
        let mut delegations = Delegation::merge(rows);
        assert_eq!(delegations.len(), 1, "{delegations:?}");
        delegations.remove(0)
    }

    #[test]
    fn an_answer_is_read_from_the_result() {
        let result = row(
            1,
            5,
            "Delegation completed (hi)",
            "completed",
            json!({"response_preview": "hi", "target_id": ""}),
        );
        for rows in [
            [result.clone(), request(1, 4, "completed")],
            [request(1, 4, "dispatched"), result],
        ] {
            let merged = only(&rows);
            assert_eq!(merged.status, DelegationStatus::Completed);
            assert_eq!(merged.response_preview.as_deref(), Some("hi"));
            assert_eq!(merged.target_id, Some(TARGET.parse().unwrap()));
            assert_eq!(merged.created_at, "2026-11-22T04:01:04Z".parse().unwrap());
            assert_eq!(merged.result_row, Some(id(5).parse().unwrap()));
        }
    }

    #[test]
    fn a_listing_of_very_many_delegations_is_merged_in_no_time() {
        let one = request(1, 4, "completed");
        let number = |n: u32| format!("57e7c24b-eb91-41f5-a5c6-{n:012}").parse().unwrap();
        let rows: Vec<_> = (0..30_000)
            .map(|n| DelegationRow {
                delegation_id: Some(number(n)),
                ..one.clone()
            })
            .collect();
        let merged = Delegation::merge(&rows);
        assert_eq!((merged.len(), merged[7].id), (30_000, number(7)));
    }

    #[test]
    fn a_task_in_the_queue_has_no_answer_yet() {
        let preview = json!({"response_preview": r#"{"queued": true, "delegation_id": "x"}"#});
        let merged = only(&[
            row(
                1,
                5,
                "Delegation queued — target at capacity",
                "queued",
                preview,
            ),
            request(1, 4, "queued"),
        ]);
        assert_eq!(
            (merged.status, merged.response_preview),
            (DelegationStatus::Queued, None)
        );
        assert_eq!(merged.result_row, None);
    }

    #[test]
    fn a_task_that_left_the_queue_is_done_although_its_request_says_queued() {
        let result = row(
            1,
            5,
            "Delegation completed (ok)",
            "completed",
            json!({"response_preview": "ok"}),
        );
        let merged = only(&[result, request(1, 4, "queued")]);
        assert_eq!(
            (merged.status, merged.response_preview.as_deref()),
            (DelegationStatus::Completed, Some("ok"))
        );
    }

    #[test]
    fn a_failure_without_an_id_is_never_given_to_another_delegation() {
        let lost = row(
            0,
            9,
            "Delegation failed",
            "failed",
            json!({"error": "boom"}),
        );
        let mut failed = request(1, 4, "failed");
        failed.error = Some("boom".to_owned());
        let merged = Delegation::merge(&[lost.clone(), request(2, 5, "dispatched"), failed]);
        let ends: Vec<_> = merged
            .iter()
            .map(|one| (one.status.as_str(), one.error.as_deref()))
            .collect();
        assert_eq!(ends, [("dispatched", None), ("failed", Some("boom"))]);
        assert!(Delegation::merge(&[lost]).is_empty());
    }

    #[test]
    fn an_answer_is_an_answer_whatever_it_says() {
        let text = r#"{"queued": true}"#;
        let result = row(
            1,
            5,
            "Delegation completed",
            "completed",
            json!({"response_preview": text}),
        );
        assert_eq!(only(&[result]).response_preview.as_deref(), Some(text));
    }

    #[test]
    fn an_error_that_the_platform_takes_for_an_answer_is_a_failure() {
        let text = r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"boom"}}"#;
        let preview = json!({"response_preview": text});
        let failed = only(&[
            row(1, 5, "Delegation completed", "completed", preview),
            request(1, 4, "completed"),
        ]);
        assert_eq!(failed.status, DelegationStatus::Failed);
        let error = "the agent answered with an error (-32603): boom";
        assert_eq!(failed.error.as_deref(), Some(error));
    }

    #[test]
    fn what_the_platform_says_of_a_target_that_polls_is_no_answer() {
        let text = r#"{"delivery_mode":"poll","method":"message/send","status":"queued"}"#;
        let preview = json!({"response_preview": text});
        let queued = only(&[
            row(1, 5, "Delegation completed", "completed", preview),
            request(1, 4, "completed"),
        ]);
        assert_eq!(queued.status, DelegationStatus::Queued);
        assert_eq!((queued.response_preview, queued.result_row), (None, None));
    }

    #[test]
    fn a_status_of_a_later_platform_is_kept() {
        let merged = only(&[
            row(1, 5, "Delegation in review", "in review", json!({})),
            request(1, 4, "dispatched"),
        ]);
        assert_eq!(merged.status.as_str(), "in review");
        assert_eq!(only(&[request(1, 4, "")]).status, unknown());
    }

    #[test]
    fn a_long_preview_may_be_cut() {
        let check = |preview: &str, expect: bool| {
            let merged = only(&[row(
                1,
                5,
                "",
                "completed",
                json!({"response_preview": preview}),
            )]);
            assert_eq!(merged.is_preview_cut(), expect, "{} bytes", preview.len());
        };
        check("", false);
        check(&"x".repeat(299), false);
        check(&"x".repeat(300), true);
        check(&format!("{}\u{fffd}", "x".repeat(299)), true);
    }

    #[test]
    fn the_activity_log_tells_the_same_at_length() {
        let activity = |fields: Value| {
            let mut row = json!({"id": id(5), "created_at": "2026-11-22T04:01:05Z", "activity_type": "delegation", "status": "completed"});
            row.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            DelegationRow::from_activity(&serde_json::from_value(row).unwrap())
        };
        let long = "x".repeat(5000);
        let row =
            activity(json!({"response_body": {"text": long, "delegation_id": id(1)}})).unwrap();
        assert_eq!(only(&[row]).response_preview, Some(long));
        let row = activity(
            json!({"request_body": {"task": "t", "delegation_id": id(1)}, "status": "failed",
            "summary": "Delegating to x", "error_detail": "boom", "target_id": TARGET}),
        );
        let merged = only(&[row.unwrap()]);
        assert_eq!(
            (merged.status, merged.error.as_deref()),
            (DelegationStatus::Failed, Some("boom"))
        );
        assert!(activity(json!({"activity_type": "a2a_receive"})).is_none());
    }
}
