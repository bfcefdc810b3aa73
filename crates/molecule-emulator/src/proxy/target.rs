//! Where a message goes, or why it goes nowhere.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::activity::Row;
use crate::reply::{Reply, internal, not_found};
use crate::request::parse_id;
use crate::tx::Tx;
use crate::workspace::{Status, Workspace};

/// The way to a workspace.
#[derive(Debug)]
pub(crate) enum Route {
    /// Post to this url.
    Push(String),
    /// Write into its activity log.
    Poll,
}

impl Tx<'_> {
    /// The row of a target and the way to it.
    pub(crate) fn route_to(&self, target: &str) -> Result<(Uuid, Route), Reply> {
        let id = parse_id(target).ok_or_else(|| internal("lookup failed"))?;
        let row = self
            .state
            .get(id)
            .ok_or_else(|| not_found("workspace not found"))?;
        if over_budget(row) {
            let text = "workspace budget limit exceeded";
            return Err(Reply::error(StatusCode::PAYMENT_REQUIRED, text));
        }
        match row.status {
            Status::Hibernated => return Err(waking()),
            Status::Removed if !self.config.quirks().removed_receives => {
                return Err(crate::routes::removed(row));
            }
            Status::Paused => return Err(without_url(row)),
            _ => {}
        }
        if row.is_poll() {
            Ok((id, Route::Poll))
        } else if row.url.is_empty() {
            Err(without_url(row))
        } else {
            Ok((id, Route::Push(row.url.clone())))
        }
    }

    /// Hands a message to a workspace that polls: it is a row of its activity log from now on.
    pub(crate) fn leave_in_log(
        &mut self,
        target: Uuid,
        caller: Option<Uuid>,
        envelope: Value,
    ) -> Uuid {
        let row = self.received(target, caller, envelope);
        let id = row.id;
        self.log(row);
        id
    }

    /// The activity row of a message for a workspace.
    pub(crate) fn received(&self, target: Uuid, caller: Option<Uuid>, envelope: Value) -> Row {
        let method = envelope["method"].as_str().unwrap_or_default().to_owned();
        let name = self.state.get(target).map_or("", |row| row.name.as_str());
        let mut row = Row::new(target, "a2a_receive", self.now);
        row.summary = Some(format!("{method} → {name}"));
        row.method = Some(method);
        row.source_id = caller;
        row.target_id = Some(target);
        row.request_body = Some(envelope);
        row
    }
}

fn over_budget(row: &Workspace) -> bool {
    row.budget_limit
        .is_some_and(|limit| row.monthly_spend >= limit)
}

fn waking() -> Reply {
    let body = json!({
        "error": "workspace is waking from hibernation — retry in ~15 seconds",
        "retry_after": 15,
        "waking": true,
    });
    Reply::new(StatusCode::SERVICE_UNAVAILABLE, &body).with_retry_after(15)
}

fn without_url(row: &Workspace) -> Reply {
    let body = json!({ "error": "workspace has no URL", "status": row.status });
    Reply::new(StatusCode::SERVICE_UNAVAILABLE, &body)
}
