//! One workspace row and how its status moves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::reply::number;

/// The runtime of agents that run outside the platform.
pub(crate) const EXTERNAL: &str = "external";

/// Where a workspace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Provisioning,
    AwaitingAgent,
    Online,
    Degraded,
    Offline,
    Failed,
    Paused,
    Hibernated,
    Removed,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::AwaitingAgent => "awaiting_agent",
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Offline => "offline",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Hibernated => "hibernated",
            Self::Removed => "removed",
        }
    }

    /// The event that tells of the status.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Provisioning => "WORKSPACE_PROVISIONING",
            Self::AwaitingAgent => "WORKSPACE_AWAITING_AGENT",
            Self::Online => "WORKSPACE_ONLINE",
            Self::Degraded => "WORKSPACE_DEGRADED",
            Self::Offline => "WORKSPACE_OFFLINE",
            Self::Failed => "WORKSPACE_PROVISION_FAILED",
            Self::Paused => "WORKSPACE_PAUSED",
            Self::Hibernated => "WORKSPACE_HIBERNATED",
            Self::Removed => "WORKSPACE_REMOVED",
        }
    }

    pub(crate) fn is_serving(self) -> bool {
        matches!(self, Self::Online | Self::Degraded)
    }

    /// Whether losing the liveness key changes anything.
    pub(crate) fn can_be_lost(self) -> bool {
        !matches!(self, Self::Removed | Self::Paused | Self::Hibernated)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How messages reach an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryMode {
    /// The platform posts them to the registered url.
    Push,
    /// The agent reads them from its activity log.
    Poll,
}

/// A stored secret of a workspace or of the whole platform.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) value: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    #[serde(default)]
    pub(crate) undecryptable: bool,
}

impl Secret {
    pub(crate) fn new(value: String, now: Timestamp) -> Self {
        Self {
            value,
            created_at: now,
            updated_at: now,
            undecryptable: false,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Secrets by key.
pub(crate) type Secrets = BTreeMap<String, Secret>;

/// What the provisioner knows of a workspace that runs in a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) host_url: String,
    pub(crate) volume: Option<PathBuf>,
}

/// What a heartbeat reports; it replaces the previous report as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) error_rate: f64,
    pub(crate) sample_error: String,
    pub(crate) active_tasks: i64,
    pub(crate) uptime_seconds: i64,
    pub(crate) current_task: String,
    pub(crate) runtime_state: String,
    pub(crate) native_session: bool,
    pub(crate) idle_timeout_seconds: Option<u64>,
}

/// One row of the workspaces table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) id: Uuid,
    /// Rows are listed in the order of their creation.
    pub(crate) seq: u64,
    pub(crate) name: String,
    pub(crate) role: Option<String>,
    pub(crate) tier: i64,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) runtime: String,
    pub(crate) status: Status,
    pub(crate) status_since: Timestamp,
    pub(crate) url: String,
    pub(crate) url_cached_until: Option<Timestamp>,
    pub(crate) agent_card: Value,
    pub(crate) delivery_mode: Option<DeliveryMode>,
    pub(crate) report: Report,
    pub(crate) monthly_spend: i64,
    pub(crate) budget_limit: Option<i64>,
    pub(crate) max_concurrent_tasks: i64,
    pub(crate) workspace_dir: Option<String>,
    pub(crate) collapsed: bool,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) last_heartbeat_at: Option<Timestamp>,
    pub(crate) last_outbound_at: Option<Timestamp>,
    /// When listeners last heard of it.
    #[serde(skip)]
    pub(crate) last_event_at: Option<Timestamp>,
    pub(crate) live_until: Option<Timestamp>,
    pub(crate) removed_at: Option<Timestamp>,
    pub(crate) secrets: Secrets,
    pub(crate) container: Option<Container>,
}

impl Workspace {
    /// A row with the database's defaults.
    pub(crate) fn new(id: Uuid, name: String, now: Timestamp) -> Self {
        Self {
            id,
            seq: 0,
            name,
            role: None,
            tier: 3,
            parent_id: None,
            runtime: "langgraph".to_owned(),
            status: Status::Provisioning,
            status_since: now,
            url: String::new(),
            url_cached_until: None,
            agent_card: Value::Null,
            delivery_mode: None,
            report: Report::default(),
            monthly_spend: 0,
            budget_limit: None,
            max_concurrent_tasks: 1,
            workspace_dir: None,
            collapsed: false,
            x: 0.0,
            y: 0.0,
            last_heartbeat_at: None,
            last_outbound_at: None,
            last_event_at: None,
            live_until: None,
            removed_at: None,
            secrets: Secrets::new(),
            container: None,
        }
    }

    pub(crate) fn is_external(&self) -> bool {
        self.runtime == EXTERNAL
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.status == Status::Removed
    }

    pub(crate) fn is_poll(&self) -> bool {
        self.delivery_mode == Some(DeliveryMode::Poll)
    }

    pub(crate) fn set_status(&mut self, status: Status, now: Timestamp) {
        if self.status != status {
            tracing::info!(workspace = %self.id, from = %self.status, to = %status, "workspace status");
            self.status = status;
            self.status_since = now;
        }
    }

    /// Takes the row out of reach: no url, no liveness key.
    pub(crate) fn disconnect(&mut self, status: Status, now: Timestamp) {
        self.set_status(status, now);
        self.url.clear();
        self.url_cached_until = None;
        self.live_until = None;
    }

    /// What the provisioner leaves behind when it finds nothing to start.
    pub(crate) fn fail_to_start(&mut self, now: Timestamp) {
        self.disconnect(Status::Failed, now);
        self.report.sample_error = format!(
            "cannot start workspace {}: no config.yaml source and config volume is empty — delete the workspace or provide a template",
            self.id
        );
    }

    /// The status after a heartbeat with the report that was just stored.
    pub(crate) fn status_after_heartbeat(&self) -> Status {
        let report = &self.report;
        let failing = report.error_rate >= 0.5 || report.runtime_state == "wedged";
        let healthy = report.error_rate < 0.1 && report.runtime_state.is_empty();
        match self.status {
            Status::Online if failing => Status::Degraded,
            Status::Degraded if healthy => Status::Online,
            Status::Provisioning | Status::Offline => Status::Online,
            other => other,
        }
    }

    /// The row as `GET /workspaces/:id` shows it to anyone.
    pub(crate) fn public(&self) -> Value {
        json!({
            "active_tasks": self.report.active_tasks,
            "agent_card": self.agent_card,
            "collapsed": self.collapsed,
            "id": self.id,
            "last_error_rate": number(self.report.error_rate),
            "last_outbound_at": self.last_outbound_at,
            "max_concurrent_tasks": self.max_concurrent_tasks,
            "name": self.name,
            "parent_id": self.parent_id,
            "role": self.role,
            "runtime": self.runtime,
            "status": self.status,
            "tier": self.tier,
            "uptime_seconds": self.report.uptime_seconds,
            "url": self.url,
            "x": number(self.x),
            "y": number(self.y),
        })
    }

    /// The row as the administrator's list shows it.
    pub(crate) fn administrative(&self) -> Value {
        let mut row = self.public();
        row["budget_limit"] = json!(self.budget_limit);
        row["current_task"] = json!(self.report.current_task);
        row["last_sample_error"] = json!(self.report.sample_error);
        row["monthly_spend"] = json!(self.monthly_spend);
        row["workspace_dir"] = json!(self.workspace_dir);
        row
    }

    /// The row as its peers see it.
    pub(crate) fn as_peer(&self) -> Value {
        json!({
            "active_tasks": self.report.active_tasks,
            "agent_card": self.agent_card,
            "id": self.id,
            "name": self.name,
            "parent_id": self.parent_id,
            "role": self.role,
            "status": self.status,
            "tier": self.tier,
            "url": self.url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: Status, error_rate: f64, runtime_state: &str, expect: Status) {
        let mut row = Workspace::new(Uuid::nil(), "w".to_owned(), Timestamp::UNIX_EPOCH);
        row.status = from;
        row.report = Report {
            error_rate,
            runtime_state: runtime_state.to_owned(),
            ..Report::default()
        };
        assert_eq!(
            row.status_after_heartbeat(),
            expect,
            "{from} {error_rate} {runtime_state:?}"
        );
    }

    #[test]
    fn error_rates_degrade_from_a_half_and_recover_below_a_tenth() {
        check(Status::Online, 0.49, "", Status::Online);
        check(Status::Online, 0.5, "", Status::Degraded);
        check(Status::Degraded, 0.1, "", Status::Degraded);
        check(Status::Degraded, 0.09, "", Status::Online);
    }

    #[test]
    fn a_wedged_runtime_degrades_until_its_state_is_empty() {
        check(Status::Online, 0.0, "wedged", Status::Degraded);
        check(Status::Degraded, 0.0, "ok", Status::Degraded);
        check(Status::Degraded, 0.0, "", Status::Online);
    }

    #[test]
    fn a_heartbeat_lifts_provisioning_and_offline_and_nothing_else() {
        check(Status::Provisioning, 0.0, "", Status::Online);
        check(Status::Offline, 0.0, "", Status::Online);
        for stays in [
            Status::Paused,
            Status::Failed,
            Status::Hibernated,
            Status::AwaitingAgent,
            Status::Removed,
        ] {
            check(stays, 0.0, "", stays);
        }
    }
}
