//! `approvals`: asking a person before doing something.

use std::time::Duration;

use clap::{Args, Subcommand};
use molecule_agent::AgentError;
use molecule_agent::protocol::endpoints::{Approval, ApprovalStatus};
use serde_json::json;

use super::messages::text_or_stdin;
use crate::args::AgentArgs;
use crate::duration;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Commands about approvals.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List what the agent asked for, and what became of it
    List(ListArgs),
    /// Ask whether the agent may do something
    Request(RequestArgs),
}

/// Options of `approvals list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    agent: AgentArgs,
}

/// Options of `approvals request`.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Wait for the decision, for 5m or as long as this: exit 0 if it is approved, 1 if not, 75 if nobody decides
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        default_missing_value = "5m",
        value_parser = duration::parse
    )]
    wait: Option<Duration>,
    /// What the agent wants to do; - reads it from stdin
    action: String,
}

pub(crate) async fn run(command: &ApprovalsCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        ApprovalsCommand::List(args) => list(args, io).await,
        ApprovalsCommand::Request(args) => request(args, io).await,
    }
}

async fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    let approvals = args.agent.client()?.list_approvals().await?;
    for approval in &approvals {
        io.data(approval, || line(approval))?;
    }
    if approvals.is_empty() {
        io.note("no approvals");
    }
    Ok(Exit::Done)
}

fn line(approval: &Approval) -> String {
    let status = approval.status.as_str();
    let by = match &approval.decided_by {
        Some(who) => format!(" by {who}"),
        None => String::new(),
    };
    format!("{}  {status}{by}  {}", approval.id, approval.action)
}

async fn request(args: &RequestArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let action = text_or_stdin(&args.action)?;
    let requested = client
        .request_approval(&action, args.reason.as_deref())
        .await?;
    let id = &requested.approval_id;
    let Some(patience) = args.wait else {
        let status = requested.status.as_str();
        let data = json!({"id": id, "status": status});
        io.data(&data, || format!("{id}  {status}"))?;
        return Ok(Exit::Done);
    };
    io.note(&format!("waiting for a decision on {id}"));
    let approval = client
        .wait_approval(id, patience)
        .await
        .map_err(|error| explain(error, id))?;
    io.data(&approval, || line(&approval))?;
    match approval.status {
        ApprovalStatus::Approved => Ok(Exit::Done),
        _ => Err(not_approved(&approval).into()),
    }
}

fn not_approved(approval: &Approval) -> Problem {
    let (id, status) = (&approval.id, approval.status.as_str());
    let message =
        format!("{id} is {status}, not approved; do not do it, or ask for something else");
    Problem::new(Exit::Unexpected, message)
}

/// Says where the decision can be seen, because to run the command again would ask the person a second time.
fn explain(error: AgentError, id: &str) -> anyhow::Error {
    let undecided = matches!(error, AgentError::Undecided { source: None, .. });
    if !undecided {
        return error.into();
    }
    let message = format!(
        "nobody decided on {id} in time; it stays open, and `molecule-agent approvals list` tells what becomes of it"
    );
    Problem::new(Exit::Temporary, message).into()
}
