//! `memory`: what the agent remembers.

use clap::{Args, Subcommand};
use molecule_agent::protocol::endpoints::{Memory, MemoryQuery, MemoryScope, NewMemory};
use serde_json::json;

use super::messages::text_or_stdin;
use crate::args::AgentArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Commands about memories.
#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// List what the agent wrote, or may recall
    List(ListArgs),
    /// Remember something
    Add(AddArgs),
    /// Forget something that the agent wrote
    Delete(DeleteArgs),
}

/// Options of `memory list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Only what is for: local, team or global [default: what the agent wrote itself, for all]
    #[arg(long, value_name = "SCOPE")]
    scope: Option<MemoryScope>,
    /// Only what is of this kind
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Only what is about this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=50))]
    limit: u32,
}

/// Options of `memory add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Who may recall it: local, team or global
    #[arg(long, value_name = "SCOPE", default_value = "local")]
    scope: MemoryScope,
    /// What kind it is [default: the platform's, general]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// What to remember; - reads it from stdin
    text: String,
}

/// Options of `memory delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Which one, as `memory list` names it
    id: String,
}

pub(crate) async fn run(command: &MemoryCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        MemoryCommand::List(args) => list(args, io).await,
        MemoryCommand::Add(args) => add(args, io).await,
        MemoryCommand::Delete(args) => delete(args, io).await,
    }
}

async fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    let mut query = MemoryQuery::new().with_limit(args.limit);
    query.scope = args.scope;
    query.namespace.clone_from(&args.namespace);
    query.text.clone_from(&args.search);
    let memories = args.agent.client()?.list_memories(query).await?;
    for memory in &memories {
        io.data(memory, || line(memory))?;
    }
    if memories.is_empty() {
        io.note("no memories");
    }
    Ok(Exit::Done)
}

fn line(memory: &Memory) -> String {
    let scope = memory
        .scope
        .map_or_else(|| "unknown".to_owned(), |scope| scope.to_string());
    let content = memory.content.replace('\n', "\n    ");
    format!(
        "{}  {scope}  {}\n    {content}",
        memory.id, memory.namespace
    )
}

async fn add(args: &AddArgs, io: &Output) -> anyhow::Result<Exit> {
    let mut memory = NewMemory::new(text_or_stdin(&args.text)?, args.scope);
    memory.namespace.clone_from(&args.namespace);
    let added = args.agent.client()?.add_memory(memory).await?;
    io.data(&added, || added.id.clone())?;
    Ok(Exit::Done)
}

async fn delete(args: &DeleteArgs, io: &Output) -> anyhow::Result<Exit> {
    args.agent.client()?.delete_memory(&args.id).await?;
    let data = json!({"id": args.id, "status": "deleted"});
    io.data(&data, || format!("deleted {}", args.id))?;
    Ok(Exit::Done)
}
