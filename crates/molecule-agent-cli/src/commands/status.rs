//! `status`: how the running agent is.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::admin::AgentClient;
use crate::agent_lock::AgentLock;
use crate::args::PlaceArgs;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Options of `status`.
#[derive(Debug, Args)]
#[command(
    after_help = "It asks the agent itself, through agent.sock in its directory, and needs no platform. Exit codes: 0 an agent runs, however it \
                  is; 1 none runs; 75 one runs and does not answer."
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Prints how the agent is.
///
/// # Errors
/// When none runs, or it gives no answer.
pub(crate) async fn run(args: &StatusArgs, io: &Output) -> anyhow::Result<Exit> {
    let dir = args.place.own_dir()?;
    let Some(agent) = AgentClient::find(&dir).await? else {
        return Err(nobody(&dir)?.into());
    };
    let rows = agent.ask(Method::GET, "/status").await?;
    for row in rows.iter().filter_map(Value::as_array).flatten() {
        io.data(row, || to_text(row))?;
    }
    Ok(Exit::Done)
}

fn nobody(dir: &Path) -> anyhow::Result<Problem> {
    let name = dir.display();
    Ok(match AgentLock::holder(dir)? {
        Some(holder) => Problem::new(
            Exit::Temporary,
            format!(
                "an agent{holder} runs in {name}, but cannot be asked; it may be starting, or said why when it started"
            ),
        ),
        None => Problem::new(
            Exit::Unexpected,
            format!("no agent runs in {name}; `molecule-agent connect` starts one"),
        ),
    })
}

fn to_text(row: &Value) -> String {
    let said = |key: &str| match &row[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    };
    let reason = row["reason"].as_str().map(|reason| format!(" ({reason})"));
    let mut text = format!(
        "{}{} since {}\n",
        said("state"),
        reason.unwrap_or_default(),
        said("since")
    );
    const LINES: [(&str, &str); 15] = [
        ("workspace", "workspace_id"),
        ("process", "pid"),
        ("registered", "registered"),
        ("receiving", "receiving"),
        ("last heartbeat", "last_heartbeat"),
        ("last poll", "last_poll"),
        ("events arrive", "events"),
        ("heartbeats", "heartbeats"),
        ("accepted", "accepted"),
        ("pending", "pending"),
        ("handling", "handling"),
        ("handled", "handled"),
        ("failed", "failed"),
        ("answered", "answered"),
        ("dead letters", "dead"),
    ];
    for (word, key) in LINES {
        let _ = writeln!(text, "{word:14}  {}", said(key));
    }
    if let Some(problem) = row["problem"].as_str() {
        let _ = writeln!(text, "{:14}  {problem}", "problem");
    }
    text.trim_end().to_owned()
}
