//! Heartbeats.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::asked::{Anyone, Asked};
use crate::clock::signed;
use crate::proxy::outcome::drain;
use crate::reply::{Outcome, Reply, bad_request, internal, unauthorized};
use crate::request::{Bearer, or_zero, parse_id};
use crate::tx::Tx;
use crate::workspace::{Report, Status};

#[derive(Deserialize)]
struct Heartbeat {
    #[serde(default, deserialize_with = "or_zero")]
    workspace_id: String,
    #[serde(default, deserialize_with = "or_zero")]
    error_rate: f64,
    #[serde(default, deserialize_with = "or_zero")]
    sample_error: String,
    #[serde(default, deserialize_with = "or_zero")]
    active_tasks: i64,
    #[serde(default, deserialize_with = "or_zero")]
    uptime_seconds: i64,
    #[serde(default, deserialize_with = "or_zero")]
    current_task: String,
    #[serde(default, deserialize_with = "or_zero")]
    monthly_spend: i64,
    #[serde(default, deserialize_with = "or_zero")]
    runtime_state: String,
    #[serde(default, deserialize_with = "or_zero")]
    runtime_metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "or_zero")]
    capabilities: BTreeMap<String, bool>,
    #[serde(default)]
    idle_timeout_seconds: Option<i64>,
}

impl Heartbeat {
    /// The database's columns are 32 bits wide.
    fn fits(&self) -> bool {
        i32::try_from(self.uptime_seconds).is_ok() && i32::try_from(self.active_tasks).is_ok()
    }

    fn into_report(self) -> Report {
        let native = self.runtime_metadata.capabilities.get("session").copied();
        let idle = self.runtime_metadata.idle_timeout_seconds;
        Report {
            error_rate: self.error_rate,
            sample_error: self.sample_error,
            active_tasks: self.active_tasks,
            uptime_seconds: self.uptime_seconds,
            current_task: self.current_task,
            runtime_state: self.runtime_state,
            native_session: native.unwrap_or_default(),
            idle_timeout_seconds: idle.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0),
        }
    }
}

pub(crate) async fn heartbeat(asked: Asked<Anyone>) -> Outcome {
    let beat: Heartbeat = asked.decode()?;
    if beat.workspace_id.is_empty() {
        return Err(bad_request("invalid request body"));
    }
    let has_capacity = asked.write(|tx| tx.heartbeat(beat, &asked.bearer))?;
    if let Some(id) = has_capacity {
        tokio::spawn(drain(asked.platform, id));
    }
    Ok(Reply::ok(&json!({ "status": "ok" })))
}

impl Tx<'_> {
    /// Stores a heartbeat; the id comes back when the workspace has room for a message that waits.
    fn heartbeat(&mut self, beat: Heartbeat, bearer: &Bearer) -> Result<Option<Uuid>, Reply> {
        self.require_own_if_any(&beat.workspace_id, bearer)?;
        let failed = || internal("failed to update");
        let id = parse_id(&beat.workspace_id).ok_or_else(failed)?;
        if !beat.fits() {
            return Err(failed());
        }
        let (now, ttl) = (self.now, signed(self.config.liveness.key_ttl));
        let Some(row) = self.state.get_mut(id) else {
            return Ok(None);
        };
        if row.is_removed() {
            return self.heartbeat_of_removed();
        }
        if beat.monthly_spend != 0 {
            row.monthly_spend = beat.monthly_spend;
        }
        let (before, report) = (row.status, beat.into_report());
        let before_task = std::mem::replace(&mut row.report, report).current_task;
        row.last_heartbeat_at = Some(now);
        row.set_status(row.status_after_heartbeat(), now);
        // A heartbeat extends the liveness key and does not create one.
        row.live_until = row.live_until.and_then(|_| now.checked_add(ttl).ok());
        let has_room = row.report.active_tasks < row.max_concurrent_tasks;
        self.announce_heartbeat(id, before, &before_task);
        Ok(has_room.then_some(id))
    }

    fn announce_heartbeat(&mut self, id: Uuid, status: Status, task: &str) {
        let Some(row) = self.state.get(id) else {
            return;
        };
        let Report {
            active_tasks,
            uptime_seconds,
            current_task,
            ..
        } = row.report.clone();
        let changed = row.status != status;
        if changed {
            self.record_status(id);
        }
        if current_task != task {
            let payload = json!({ "active_tasks": active_tasks, "current_task": current_task });
            self.emit("TASK_UPDATED", id, payload);
        }
        let payload = json!({ "active_tasks": active_tasks, "uptime_seconds": uptime_seconds });
        self.emit("WORKSPACE_HEARTBEAT", id, payload);
    }

    fn heartbeat_of_removed(&self) -> Result<Option<Uuid>, Reply> {
        if self.config.quirks().removed_beats {
            return Ok(None);
        }
        Err(unauthorized("invalid workspace auth token"))
    }
}
