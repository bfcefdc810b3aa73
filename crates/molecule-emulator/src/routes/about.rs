//! Smaller facts about a workspace, most of them empty here.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::asked::{Admins, Asked, TheWorkspace};
use crate::reply::{Outcome, Reply, bad_request, internal, no_container, not_found};
use crate::tx::Tx;
use crate::workspace::Workspace;

const DAY: i64 = 24 * 60 * 60;

/// The answers that do not depend on anything but who asks.
macro_rules! constant {
    ($(#[doc = $text:literal] $name:ident => $answer:expr;)+) => {
        $(
            #[doc = $text]
            pub(crate) async fn $name(asked: Asked<TheWorkspace>) -> Outcome {
                asked.check()?;
                $answer
            }
        )+
    };
}

constant! {
    #[doc = "A list of something that nobody has here: schedules, channels, traces, files."]
    nothing => Ok(Reply::ok(&json!([])));
    #[doc = "The configuration of a container."]
    config => Ok(Reply::ok(&json!({ "data": {} })));
    #[doc = "The model of a container."]
    model => Ok(Reply::ok(&json!({ "model": "", "source": "default" })));
    #[doc = "The audit trail."]
    audit => Ok(Reply::ok(&json!({ "chain_valid": null, "events": null, "total": 0 })));
    #[doc = "What the container's runtime has said; there is none."]
    transcript => Err(not_found("workspace not found"));
    #[doc = "A token of an app that is not installed here."]
    github_token => Err(internal("token refresh failed"));
    #[doc = "A file for the container."]
    upload => Err(no_container());
}

/// A file of the container.
pub(crate) async fn download(asked: Asked<TheWorkspace>) -> Outcome {
    asked.check()?;
    match asked.param("path") {
        None | Some("") => Err(bad_request("path query required")),
        Some(path) if !path.starts_with('/') => Err(bad_request("path must be absolute")),
        Some(_) => Err(no_container()),
    }
}

pub(crate) async fn instructions(asked: Asked<TheWorkspace>) -> Outcome {
    asked.check()?;
    Ok(Reply::ok(
        &json!({ "instructions": "", "workspace_id": asked.id }),
    ))
}

/// What models were used today: none is called here.
pub(crate) async fn metrics(asked: Asked<TheWorkspace>) -> Outcome {
    let now = asked.read(|tx| Ok(tx.now))?;
    let start = now.as_second() - now.as_second().rem_euclid(DAY);
    let at = |second| Timestamp::from_second(second).unwrap_or(now);
    Ok(Reply::ok(&json!({
        "estimated_cost_usd": "0.000000",
        "input_tokens": 0,
        "output_tokens": 0,
        "period_end": at(start + DAY),
        "period_start": at(start),
        "total_calls": 0,
    })))
}

pub(crate) async fn budget(asked: Asked<TheWorkspace>) -> Outcome {
    asked.read(|tx| Ok(Reply::ok(&budget_of(tx.live_row(&asked.id)?))))
}

/// Sets the limit in cents, or takes it away.
pub(crate) async fn set_budget(asked: Asked<Admins>) -> Outcome {
    asked.write(|tx| {
        let limit = limit_in(&asked.decode()?)?;
        let id = tx.live_row(&asked.id)?.id;
        let missing = || not_found("workspace not found");
        let row = tx.state.get_mut(id).ok_or_else(missing)?;
        row.budget_limit = limit;
        Ok(Reply::ok(&budget_of(row)))
    })
}

fn limit_in(fields: &Value) -> Result<Option<i64>, Reply> {
    let Some(limit) = fields.get("budget_limit") else {
        return Err(bad_request("budget_limit field is required"));
    };
    match limit.as_i64() {
        Some(cents) if cents < 0 => Err(bad_request("budget_limit must be >= 0 (USD cents)")),
        None if !limit.is_null() => Err(bad_request(
            "budget_limit must be an integer (USD cents) or null",
        )),
        cents => Ok(cents),
    }
}

fn budget_of(row: &Workspace) -> Value {
    json!({
        "budget_limit": row.budget_limit,
        "budget_remaining": row.budget_limit.map(|limit| limit - row.monthly_spend),
        "monthly_spend": row.monthly_spend,
    })
}

impl Tx<'_> {
    fn live_row(&self, id: &str) -> Result<&Workspace, Reply> {
        let row = self.row(id)?;
        if row.is_removed() {
            return Err(not_found("workspace not found"));
        }
        Ok(row)
    }
}
