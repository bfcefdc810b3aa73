//! How far the workflows of an agent got.

use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::platform::Platform;
use crate::records::Checkpoint;
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::{Bearer, decode, or_zero, parse_id};
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
pub(crate) async fn save(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    bearer: Bearer,
    body: Bytes,
) -> Outcome {
    platform.write(|tx| {
        tx.require_workspace(&id, &bearer)?;
        let step: Step = decode(&body)?;
        if step.workflow_id.is_empty() || step.step_name.is_empty() {
            return Err(bad_request("invalid request body"));
        }
        let (workspace, now) = (tx.row(&id)?.id, tx.now);
        let kept = &mut tx.state.records.entry(workspace).or_default().checkpoints;
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
pub(crate) async fn show(
    State(platform): State<Platform>,
    Path((id, workflow)): Path<(String, String)>,
    bearer: Bearer,
) -> Outcome {
    platform.read(|tx| {
        tx.require_workspace(&id, &bearer)?;
        let mut steps = tx.checkpoints(&id);
        if workflow == "latest" {
            let missing = || not_found("no checkpoints found for workspace");
            return steps.last().map(Reply::ok).ok_or_else(missing);
        }
        steps.retain(|step| step.workflow_id == workflow);
        steps.sort_by_key(|step| std::cmp::Reverse(step.step_index));
        if steps.is_empty() {
            return Err(not_found("no checkpoints found for workflow"));
        }
        Ok(Reply::ok(&steps))
    })
}

pub(crate) async fn delete(
    State(platform): State<Platform>,
    Path((id, workflow)): Path<(String, String)>,
    bearer: Bearer,
) -> Outcome {
    platform.write(|tx| {
        tx.require_workspace(&id, &bearer)?;
        let workspace = tx.row(&id)?.id;
        let kept = &mut tx.state.records.entry(workspace).or_default().checkpoints;
        let before = kept.len();
        kept.retain(|step| step.workflow_id != workflow);
        match before - kept.len() {
            0 => Err(not_found("no checkpoints found for workflow")),
            count => Ok(Reply::ok(
                &json!({ "deleted": count, "workflow_id": workflow }),
            )),
        }
    })
}

impl Tx<'_> {
    fn checkpoints(&self, id: &str) -> Vec<&Checkpoint> {
        let records = parse_id(id).and_then(|id| self.state.records.get(&id));
        let steps = records.into_iter().flat_map(|records| &records.checkpoints);
        steps.collect()
    }
}
