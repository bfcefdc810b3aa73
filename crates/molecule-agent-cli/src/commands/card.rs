//! `card update`: what the platform knows about the agent.

use clap::{Args, Subcommand};
use serde_json::json;

use super::check_present;
use crate::args::{AgentArgs, CardArgs};
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Commands about the agent card.
#[derive(Debug, Subcommand)]
pub(crate) enum CardCommand {
    /// Replace the agent card on the platform
    Update(UpdateArgs),
}

/// Options of `card update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    card: CardArgs,
}

pub(crate) async fn run(command: &CardCommand, io: &Output) -> anyhow::Result<Exit> {
    let CardCommand::Update(args) = command;
    let client = args.agent.client()?;
    let id = client.workspace_id();
    let card = args.card.card(&id)?.ok_or_else(|| {
        Problem::usage(
            "what should the card say? give --agent-card FILE, --agent-name NAME or --skill NAME",
        )
    })?;
    check_present(&client).await?;
    client.update_card(card.clone()).await?;
    let data = json!({"workspace_id": id, "status": "updated", "agent_card": card});
    io.data(&data, || "updated".to_owned())?;
    Ok(Exit::Done)
}
