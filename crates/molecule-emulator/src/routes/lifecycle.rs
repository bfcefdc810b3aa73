//! The state that agents poll, and what the user does to it.

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::asked::{Admins, Anyone, Asked, TheWorkspace};
use crate::provisioner::{self, Start};
use crate::reply::{Outcome, Reply, bad_request, internal, not_found};
use crate::request::parse_id;
use crate::tx::Tx;
use crate::workspace::Status;

pub(crate) async fn state(asked: Asked<Anyone>) -> Outcome {
    asked.read(|tx| {
        tx.require_own(&asked.id, &asked.bearer)?;
        let row = parse_id(&asked.id).and_then(|id| tx.state.get(id));
        let Some(row) = row else {
            let body = json!({ "deleted": true, "workspace_id": asked.id });
            return Err(Reply::new(StatusCode::NOT_FOUND, &body));
        };
        if row.is_removed() {
            let body = json!({ "deleted": true, "status": row.status, "workspace_id": asked.id });
            return Err(Reply::new(StatusCode::NOT_FOUND, &body));
        }
        Ok(Reply::ok(&json!({
            "deleted": false,
            "paused": row.status == Status::Paused,
            "status": row.status,
            "workspace_id": asked.id,
        })))
    })
}

/// Pauses a workspace and everything below it.
pub(crate) async fn pause(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let id = lookup(&asked.id)?;
        let pausable = |status| !matches!(status, Status::Paused | Status::Removed);
        if !tx.state.get(id).is_some_and(|row| pausable(row.status)) {
            return Err(not_found("workspace not found or already paused"));
        }
        let count = tx.cascade(id, pausable, |tx, id| {
            let now = tx.now;
            if let Some(row) = tx.state.get_mut(id) {
                row.disconnect(Status::Paused, now);
            }
            tx.record_status(id);
        });
        Ok(Reply::ok(
            &json!({ "paused_count": count, "status": "paused" }),
        ))
    })
}

/// Resumes a workspace and everything paused below it. There is nothing to start for an external one, so it fails and
/// only its agent's registration brings it back.
pub(crate) async fn resume(asked: Asked<TheWorkspace>) -> Outcome {
    let mut starts: Vec<Start> = Vec::new();
    let answer = asked.write(|tx| {
        let id = lookup(&asked.id)?;
        tx.check_resumable(id)?;
        let count = tx.cascade(
            id,
            |status| status == Status::Paused,
            |tx, id| {
                starts.push(provisioner::start(tx, id));
            },
        );
        Ok(Reply::ok(
            &json!({ "resumed_count": count, "status": "provisioning" }),
        ))
    });
    starts.into_iter().for_each(provisioner::finish);
    answer
}

pub(crate) async fn hibernate(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let id = lookup(&asked.id)?;
        let (now, known) = (tx.now, tx.config.has_new_statuses());
        let row = tx.state.get_mut(id).filter(|row| row.status.is_serving());
        let row = row.ok_or_else(|| not_found("workspace not found or not online"))?;
        if row.report.active_tasks > 0 {
            let body = json!({ "active_tasks": row.report.active_tasks, "error": "workspace has active tasks" });
            return Err(Reply::new(StatusCode::CONFLICT, &body));
        }
        // The database of generation A lacks the value: the answer is the same and nothing happens.
        if known {
            row.disconnect(Status::Hibernated, now);
            tx.record_status(id);
        }
        Ok(Reply::ok(&json!({ "status": "hibernated" })))
    })
}

pub(crate) async fn restart(asked: Asked<TheWorkspace>) -> Outcome {
    let start = asked.write(|tx| {
        let id = lookup(&asked.id)?;
        tx.require_provisioner()?;
        let live = tx.state.get(id).is_some_and(|row| !row.is_removed());
        live.then(|| provisioner::start(tx, id))
            .ok_or_else(|| not_found("workspace not found"))
    })?;
    provisioner::finish(start);
    Ok(Reply::ok(&json!({
        "config_dir": "existing-volume",
        "reset_session": false,
        "status": "provisioning",
    })))
}

pub(crate) async fn delete(asked: Asked<Admins>) -> Outcome {
    let wants = |key| asked.param(key) == Some("true");
    asked.write(|tx| {
        let id = parse_id(&asked.id).ok_or_else(|| bad_request("invalid workspace ID"))?;
        if !wants("confirm") {
            tx.refuse_with_children(id)?;
        }
        let below = tx.state.descendants(id);
        for each in below.iter().chain([&id]) {
            tx.state.remove(*each, tx.now);
            tx.record_status(*each);
            if wants("purge") {
                tx.state.purge(*each);
            }
        }
        let status = if wants("purge") { "purged" } else { "removed" };
        Ok(Reply::ok(
            &json!({ "cascade_deleted": below.len(), "status": status }),
        ))
    })
}

fn lookup(id: &str) -> Result<Uuid, Reply> {
    parse_id(id).ok_or_else(|| internal("lookup failed"))
}

impl Tx<'_> {
    /// Does something to a row and to all below it whose status fits, and counts them.
    fn cascade(
        &mut self,
        id: Uuid,
        fits: impl Fn(Status) -> bool,
        mut act: impl FnMut(&mut Self, Uuid),
    ) -> usize {
        let mut ids = self.state.descendants(id);
        ids.insert(0, id);
        ids.retain(|id| self.state.get(*id).is_some_and(|row| fits(row.status)));
        for id in &ids {
            act(self, *id);
        }
        ids.len()
    }

    fn require_provisioner(&self) -> Result<(), Reply> {
        if self.config.provisioner {
            return Ok(());
        }
        Err(Reply::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "provisioner not available",
        ))
    }

    fn check_resumable(&self, id: Uuid) -> Result<(), Reply> {
        let row = self
            .state
            .get(id)
            .filter(|row| row.status == Status::Paused);
        let row = row.ok_or_else(|| not_found("workspace not found or not paused"))?;
        let parent = row.parent_id.and_then(|parent| self.state.get(parent));
        if parent.is_some_and(|parent| parent.status == Status::Paused) {
            let text = "parent workspace is paused — resume the parent first";
            return Err(Reply::error(StatusCode::CONFLICT, text));
        }
        self.require_provisioner()
    }

    fn refuse_with_children(&self, id: Uuid) -> Result<(), Reply> {
        let children = self.state.children(id);
        if children.is_empty() {
            return Ok(());
        }
        let named = |row: &&crate::workspace::Workspace| json!({ "id": row.id, "name": row.name });
        let body = json!({
            "children": children.iter().map(named).collect::<Vec<_>>(),
            "children_count": children.len(),
            "message": "This workspace has sub-workspaces. Delete with ?confirm=true to cascade delete.",
            "status": "confirmation_required",
        });
        Err(Reply::new(StatusCode::CONFLICT, &body))
    }
}
