//! How far the workflows of an agent got.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Asked, TheWorkspace};
use crate::records::Checkpoint;
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::or_zero;
use crate::tx::Tx;

#[derive(Deserialize)]
struct Step {
    #[serde(default, deserialize_with = "or_zero")]
    workflow_id: String,
    #[serde(default, deserialize_with = "or_zero")]
    step_name: String,
    #[serde(default, deserialize_with = "or_zero")]
    step_index: i64,
    #[serde(default)]
    payload: Value,
}

/// Stores a step; the same step again takes its place.
pub(crate) async fn save(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let step: Step = asked.decode()?;
        if step.workflow_id.is_empty() || step.step_name.is_empty() {
            return Err(bad_request("invalid request body"));
        }
        let (workspace, now) = (tx.row(&asked.id)?.id, tx.now);
        let kept = &mut tx.records_mut(&asked.id)?.checkpoints;
        let is_same = |old: &Checkpoint| {
            old.workflow_id == step.workflow_id && old.step_name == step.step_name
        };
        let id = kept.iter().find(|old| is_same(old)).map(|old| old.id);
        kept.retain(|old| !is_same(old));
        let new = Checkpoint {
            completed_at: now,
            id: id.unwrap_or_else(Uuid::new_v4),
            payload: step.payload,
            step_index: step.step_index,
            step_name: step.step_name,
            workflow_id: step.workflow_id,
            workspace_id: workspace,
        };
        let answer = json!({
            "id": new.id,
            "step_name": new.step_name,
            "workflow_id": new.workflow_id,
            "workspace_id": workspace,
        });
        kept.push(new);
        Ok(Reply::new(StatusCode::CREATED, &answer))
    })
}

/// The steps of a workflow, the last first; `latest` is the newest step of any.
pub(crate) async fn show(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| {
        let mut steps = tx.checkpoints(&asked.id);
        if asked.name == "latest" {
            let missing = || not_found("no checkpoints found for workspace");
            return steps.last().map(Reply::ok).ok_or_else(missing);
        }
        steps.retain(|step| step.workflow_id == asked.name);
        steps.sort_by_key(|step| std::cmp::Reverse(step.step_index));
        if steps.is_empty() {
            return Err(not_found("no checkpoints found for workflow"));
        }
        Ok(Reply::ok(&steps))
    })
}

pub(crate) async fn delete(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let kept = &mut tx.records_mut(&asked.id)?.checkpoints;
        let before = kept.len();
        kept.retain(|step| step.workflow_id != asked.name);
        match before - kept.len() {
            0 => Err(not_found("no checkpoints found for workflow")),
            count => Ok(Reply::ok(
                &json!({ "deleted": count, "workflow_id": asked.name }),
            )),
        }
    })
}

impl Tx<'_> {
    fn checkpoints(&self, id: &str) -> Vec<&Checkpoint> {
        let steps = self
            .records(id)
            .into_iter()
            .flat_map(|records| &records.checkpoints);
        steps.collect()
    }
}
