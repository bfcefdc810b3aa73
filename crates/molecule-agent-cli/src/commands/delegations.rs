//! Tasks for other workspaces: delegate, delegations.

use std::time::Duration;

use clap::Args;
use molecule_agent::protocol::endpoints::Delegated;
use molecule_agent::{
    CancellationToken, DelegateOptions, Delegation, DelegationId, DelegationOutcome,
    DelegationWait, RemoteAgentClient, WorkspaceId,
};
use serde_json::{Value, json};

use super::messages::text_or_stdin;
use crate::args::AgentArgs;
use crate::duration;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Options of `delegate`.
#[derive(Debug, Args)]
pub(crate) struct DelegateArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// The workspace that gets the task
    target: WorkspaceId,
    /// The task; - reads it from stdin
    task: String,
    /// Delegate under this key: for seven days it stands for this delegation, unless that fails [default: one for target, task
    /// and minute, kept until the platform answers]
    #[arg(long = "key", id = "delegation_key", value_name = "KEY")]
    key: Option<String>,
    /// Delegate without a key: sent twice, it is done twice
    #[arg(long, conflicts_with = "delegation_key")]
    no_key: bool,
    /// Wait for the answer and print it, for 5m or as long as this
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        default_missing_value = "5m",
        value_parser = duration::parse
    )]
    wait: Option<Duration>,
}

/// Options of `delegations`.
#[derive(Debug, Args)]
pub(crate) struct DelegationsArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Only this one, with its whole answer
    #[arg(long = "id", id = "delegation_id", value_name = "ID")]
    id: Option<DelegationId>,
}

pub(crate) async fn delegate(args: &DelegateArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let task = text_or_stdin(&args.task)?;
    let delegated = client.delegate(args.target, &task, &args.options()).await?;
    if let Some(warning) = &delegated.warning {
        io.note(&format!("warning: {warning}"));
    }
    if delegated.idempotent_hit {
        io.note("the platform had taken it before, under the same key");
    }
    match args.wait {
        Some(time) => wait(&client, args.target, &delegated, time, io).await,
        None => {
            let (id, status) = (delegated.delegation_id, &delegated.status);
            io.data(&taken_json(args.target, &delegated), || {
                format!("{id}  {status}")
            })?;
            Ok(Exit::Done)
        }
    }
}

impl DelegateArgs {
    fn options(&self) -> DelegateOptions {
        match &self.key {
            Some(key) => DelegateOptions::new().with_key(key),
            None if self.no_key => DelegateOptions::new().without_key(),
            None => DelegateOptions::new(),
        }
    }
}

fn taken_json(target: WorkspaceId, delegated: &Delegated) -> Value {
    json!({
        "delegation_id": delegated.delegation_id,
        "target_id": target,
        "status": delegated.status,
        "idempotent_hit": delegated.idempotent_hit,
        "warning": delegated.warning,
    })
}

/// Prints the answer, or ends with an error that names the delegation, which goes on without this program.
async fn wait(
    client: &RemoteAgentClient,
    target: WorkspaceId,
    delegated: &Delegated,
    time: Duration,
    io: &Output,
) -> anyhow::Result<Exit> {
    let id = delegated.delegation_id;
    io.note(&format!("waiting for delegation {id}"));
    let wait = DelegationWait::new().with_timeout(time);
    let never = CancellationToken::new();
    let outcome = client.wait_delegation(id, wait, &never).await?;
    let mut data = taken_json(target, delegated);
    let problem = match outcome {
        DelegationOutcome::Completed { text, whole, .. } => {
            (data["status"], data["text"], data["whole"]) =
                ("completed".into(), text.clone().into(), whole.into());
            note_cut(whole, io);
            io.data(&data, || text)?;
            return Ok(Exit::Done);
        }
        DelegationOutcome::Failed(delegation) => {
            (data["status"], data["error"]) = ("failed".into(), delegation.error.clone().into());
            let why = delegation
                .error
                .unwrap_or_else(|| "the platform does not say why".to_owned());
            Problem::new(Exit::Unexpected, format!("delegation {id} failed: {why}"))
        }
        unfinished => {
            let status = status_of(&unfinished, delegated);
            let message = format!(
                "delegation {id} is still {status}; see later with `molecule-agent delegations --id {id}`"
            );
            data["status"] = status.into();
            Problem::new(Exit::Temporary, message)
        }
    };
    if io.is_json() {
        io.data(&data, String::new)?;
    }
    Err(problem.into())
}

fn status_of(unfinished: &DelegationOutcome, delegated: &Delegated) -> String {
    match unfinished {
        DelegationOutcome::TimedOut(Some(seen)) => seen.status.to_string(),
        _ => delegated.status.to_string(),
    }
}

fn note_cut(whole: bool, io: &Output) {
    if !whole {
        io.note("this is the beginning of the answer; the platform's log does not have the rest any more");
    }
}

pub(crate) async fn list(args: &DelegationsArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    if let Some(id) = args.id {
        return show(&client, id, io).await;
    }
    let delegations = client.delegations().await?;
    for delegation in &delegations {
        io.data(&to_json(delegation), || to_text(delegation, None))?;
    }
    if delegations.is_empty() {
        io.note("no delegations");
    }
    Ok(Exit::Done)
}

async fn show(client: &RemoteAgentClient, id: DelegationId, io: &Output) -> anyhow::Result<Exit> {
    let once = DelegationWait::new().with_timeout(Duration::ZERO);
    let never = CancellationToken::new();
    let outcome = client.wait_delegation(id, once, &never).await?;
    let (delegation, text, whole) = match outcome {
        DelegationOutcome::Completed {
            delegation,
            text,
            whole,
        } => (delegation, Some(text), whole),
        DelegationOutcome::Failed(delegation) | DelegationOutcome::TimedOut(Some(delegation)) => {
            (delegation, None, true)
        }
        _ => return Err(unknown(id).into()),
    };
    let mut data = to_json(&delegation);
    (data["text"], data["whole"]) = (text.clone().into(), whole.into());
    note_cut(whole, io);
    io.data(&data, || to_text(&delegation, text.as_deref()))?;
    Ok(Exit::Done)
}

fn unknown(id: DelegationId) -> Problem {
    Problem::usage(format!(
        "the platform lists no delegation {id} of this workspace; `molecule-agent delegations` shows the last ones"
    ))
}

fn to_json(delegation: &Delegation) -> Value {
    json!({
        "delegation_id": delegation.id,
        "target_id": delegation.target_id,
        "status": delegation.status,
        "created_at": delegation.created_at,
        "response_preview": delegation.response_preview,
        "error": delegation.error,
    })
}

fn to_text(delegation: &Delegation, text: Option<&str>) -> String {
    let (id, time, status) = (delegation.id, delegation.created_at, &delegation.status);
    let target = delegation
        .target_id
        .map_or_else(|| "unknown".to_owned(), |target| target.to_string());
    let said = text
        .or(delegation.error.as_deref())
        .or(delegation.response_preview.as_deref())
        .map(|said| format!("\n    {}", said.replace('\n', "\n    ")));
    format!(
        "{id}  {time}  {status}  to {target}{}",
        said.unwrap_or_default()
    )
}
