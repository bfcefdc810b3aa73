//! What agents ask their user to allow.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Admins, Asked, TheWorkspace};
use crate::records::Approval;
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::or_zero;

/// Requests that one answer holds.
const MOST: usize = 50;

#[derive(Deserialize)]
struct Question {
    #[serde(default, deserialize_with = "or_zero")]
    action: String,
    #[serde(default, deserialize_with = "or_zero")]
    reason: String,
    #[serde(default, deserialize_with = "or_zero")]
    task_id: String,
}

pub(crate) async fn ask(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let question: Question = asked.decode()?;
        if question.action.is_empty() {
            return Err(bad_request("invalid request body"));
        }
        let (id, parent) = (tx.row(&asked.id)?.id, tx.row(&asked.id)?.parent_id);
        let approval = pending(question, tx.now);
        let mut payload = json!({
            "action": approval.action,
            "approval_id": approval.id,
            "reason": approval.reason,
            "task_id": approval.task_id,
        });
        let answer = json!({ "approval_id": approval.id, "status": approval.status });
        tx.records_mut(&asked.id)?.approvals.push(approval);
        tx.record("APPROVAL_REQUESTED", id, payload.clone());
        if let Some(parent) = parent {
            payload["from_workspace_id"] = json!(id);
            tx.record("APPROVAL_ESCALATED", parent, payload);
        }
        Ok(Reply::new(StatusCode::CREATED, &answer))
    })
}

fn pending(question: Question, now: jiff::Timestamp) -> Approval {
    Approval {
        action: question.action,
        created_at: now,
        decided_at: None,
        decided_by: None,
        id: Uuid::new_v4(),
        reason: question.reason,
        status: "pending".to_owned(),
        task_id: question.task_id,
    }
}

pub(crate) async fn list(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let approvals = tx
            .records(&asked.id)
            .into_iter()
            .flat_map(|records| &records.approvals);
        Ok(Reply::ok(&approvals.rev().take(MOST).collect::<Vec<_>>()))
    })
}

/// Everything that waits for the user, of all workspaces.
pub(crate) async fn list_pending(asked: Asked<Admins>) -> Outcome {
    asked.read(|tx| {
        let mut found: Vec<(&Approval, Value)> = Vec::new();
        for (workspace, records) in &tx.state.records {
            let name = tx.state.get(*workspace).map(|row| &row.name);
            let waiting = |approval: &&Approval| approval.status == "pending";
            found.extend(records.approvals.iter().filter(waiting).map(|approval| {
                let row = json!({
                    "action": approval.action,
                    "created_at": approval.created_at,
                    "id": approval.id,
                    "reason": approval.reason,
                    "status": approval.status,
                    "workspace_id": workspace,
                    "workspace_name": name,
                });
                (approval, row)
            }));
        }
        found.sort_by_key(|(approval, _)| std::cmp::Reverse(approval.created_at));
        let rows: Vec<Value> = found.into_iter().map(|(_, row)| row).take(MOST).collect();
        Ok(Reply::ok(&rows))
    })
}

#[derive(Deserialize)]
struct Decision {
    #[serde(default, deserialize_with = "or_zero")]
    decision: String,
    #[serde(default, deserialize_with = "or_zero")]
    decided_by: String,
}

pub(crate) async fn decide(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let Decision {
            decision,
            decided_by,
        } = asked.decode()?;
        let kind = match decision.as_str() {
            "approved" => "APPROVAL_APPROVED",
            "denied" => "APPROVAL_DENIED",
            "" => return Err(bad_request("invalid request body")),
            _ => return Err(bad_request("decision must be 'approved' or 'denied'")),
        };
        let (workspace, now) = (tx.row(&asked.id)?.id, tx.now);
        let waits =
            |kept: &&mut Approval| kept.id.to_string() == asked.name && kept.status == "pending";
        let kept = tx.records_mut(&asked.id)?.approvals.iter_mut().find(waits);
        let kept = kept.ok_or_else(|| not_found("approval not found or already decided"))?;
        let by = Some(decided_by).filter(|by| !by.is_empty());
        let by = by.unwrap_or_else(|| "human".to_owned());
        kept.status.clone_from(&decision);
        (kept.decided_by, kept.decided_at) = (Some(by.clone()), Some(now));
        let payload = json!({ "approval_id": asked.name, "decided_by": by, "decision": decision });
        tx.record(kind, workspace, payload);
        Ok(Reply::ok(
            &json!({ "approval_id": asked.name, "status": decision }),
        ))
    })
}
