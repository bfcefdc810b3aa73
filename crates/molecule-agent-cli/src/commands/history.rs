//! `history`: the conversation with the person at the canvas.

use clap::Args;
use molecule_agent::protocol::Timestamp;
use molecule_agent::protocol::endpoints::{ChatMessage, ChatPage};

use crate::args::AgentArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Options of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// At most so many messages, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Only messages from before this moment, such as 2026-11-22T04:01:56Z
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
}

pub(crate) async fn run(args: &HistoryArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let page = client.chat_history(Some(args.limit), args.before).await?;
    for message in &page.messages {
        io.data(message, || text(message))?;
    }
    io.note(&what_else(&page));
    Ok(Exit::Done)
}

fn text(message: &ChatMessage) -> String {
    let (time, who) = (message.timestamp, message.role.as_str());
    let files = message.attachments.iter();
    let files: String = files
        .map(|file| format!("\n    [{}] {}", file.name, file.uri))
        .collect();
    let content = message.content.replace('\n', "\n    ");
    format!("{time}  {who}\n    {content}{files}")
}

fn what_else(page: &ChatPage) -> String {
    match page.messages.first() {
        None => "no messages".to_owned(),
        Some(_) if page.reached_end => "there are no earlier messages".to_owned(),
        Some(oldest) => format!("for earlier messages, say --before {}", oldest.timestamp),
    }
}
