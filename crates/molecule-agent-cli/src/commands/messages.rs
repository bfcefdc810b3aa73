//! Messages by hand: inbox, reply, notify.

use std::io::{self, Read as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use molecule_agent::protocol::endpoints::{ActivitySource, Attachment};
use molecule_agent::protocol::{ActivityId, ApiError, Role};
use molecule_agent::{
    AgentError, CursorSupport, FetchInbound, InboundMessage, Sender, WorkspaceId,
};
use serde_json::{Value, json};

use super::attachment;
use super::dead_letters::{self, DeadCommand};
use crate::args::AgentArgs;
use crate::duration;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Options of `inbox`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct InboxArgs {
    #[command(subcommand)]
    command: Option<InboxCommand>,
    #[command(flatten)]
    agent: AgentArgs,
    /// Only messages after this one
    #[arg(long, value_name = "ACTIVITY_ID")]
    since_id: Option<ActivityId>,
    /// Only messages of the last while, such as 5m
    #[arg(id = "inbox_since", long = "since", value_name = "DURATION", value_parser = duration::parse)]
    since: Option<Duration>,
    /// Only messages from this workspace
    #[arg(long, value_name = "ID")]
    peer: Option<WorkspaceId>,
    /// At most so many rows of the log, the newest; not all of them need be messages
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Only messages from the canvas user, or from agents
    #[arg(long)]
    source: Option<Source>,
}

/// Commands about messages that do not wait at the platform.
#[derive(Debug, Subcommand)]
enum InboxCommand {
    /// Messages that the agent gave up: see them, have them handled again, remove them
    #[command(subcommand)]
    Dead(DeadCommand),
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    /// The person at the canvas.
    Canvas,
    /// Another workspace.
    Agent,
}

/// Options of `reply`.
#[derive(Debug, Args)]
pub(crate) struct ReplyArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// The message, as `inbox` names it
    activity_id: ActivityId,
    /// The answer; - reads it from stdin
    text: String,
}

/// Options of `notify`.
#[derive(Debug, Args)]
pub(crate) struct NotifyArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// A file to show with it: an address that its reader can fetch, after a name of your choice; may be repeated
    #[arg(long = "attach", value_name = "[NAME=]URI[;type=TYPE][;size=BYTES]", value_parser = attachment::parse)]
    attachments: Vec<Attachment>,
    /// What to show; - reads it from stdin
    text: String,
}

pub(crate) async fn inbox(args: &InboxArgs, io: &Output) -> anyhow::Result<Exit> {
    if let Some(InboxCommand::Dead(command)) = &args.command {
        return dead_letters::run(command, io).await;
    }
    let client = args.agent.client()?;
    if args.needs_cursors() && client.cursor_support().await? == CursorSupport::No {
        let message = "this platform ignores --since-id, --since and --peer; leave them out, or use a newer platform";
        return Err(Problem::new(Exit::Unsupported, message).into());
    }
    let fetched = client.fetch_inbound(&args.query()).await;
    let messages = fetched.map_err(|error| args.explain(error))?;
    for message in &messages {
        io.data(&to_json(message), || to_text(message))?;
    }
    if messages.is_empty() {
        io.note("no messages");
    }
    Ok(Exit::Done)
}

impl InboxArgs {
    const fn needs_cursors(&self) -> bool {
        self.since_id.is_some() || self.since.is_some() || self.peer.is_some()
    }

    /// A platform forgets old messages, and says only that something is gone.
    fn explain(&self, error: AgentError) -> anyhow::Error {
        match (&error, self.since_id) {
            (AgentError::Api(ApiError::Gone(_)), Some(id)) => {
                let message = format!(
                    "the log has no message {id}, or not any more; leave out --since-id to see what there is"
                );
                anyhow::Error::new(error).context(Problem::usage(message))
            }
            _ => error.into(),
        }
    }

    fn query(&self) -> FetchInbound {
        let mut query = FetchInbound::new();
        query.since_id = self.since_id;
        query.since_secs = self.since.map(|since| since.as_secs().max(1));
        query.peer_id = self.peer;
        query.limit = Some(self.limit);
        query.source = self.source.map(|source| match source {
            Source::Canvas => ActivitySource::Canvas,
            Source::Agent => ActivitySource::Agent,
        });
        query
    }
}

/// What sent a message, and its id where it has one.
pub(super) fn from(sender: &Sender) -> (&'static str, Option<String>) {
    match sender {
        Sender::CanvasUser => ("canvas", None),
        Sender::Peer(id) => ("agent", Some(id.to_string())),
        Sender::Unknown(id) => ("unknown", Some(id.clone())),
        _ => ("unknown", None),
    }
}

/// A message as JSON.
pub(super) fn to_json(message: &InboundMessage) -> Value {
    let (from, peer_id) = from(&message.sender);
    json!({
        "activity_id": message.activity_id,
        "created_at": message.created_at,
        "from": from,
        "peer_id": peer_id,
        "peer_name": message.peer_name,
        "role": if message.role == Role::Agent { "agent" } else { "user" },
        "text": message.text,
        "message_id": message.message_id,
        "task_id": message.task_id,
    })
}

fn to_text(message: &InboundMessage) -> String {
    let from = match &message.sender {
        Sender::CanvasUser => "canvas".to_owned(),
        Sender::Peer(id) => id.to_string(),
        _ => "unknown".to_owned(),
    };
    let (id, time) = (message.activity_id, message.created_at);
    let text = message.text.replace('\n', "\n    ");
    format!("{id}  {time}  from {from}\n    {text}")
}

pub(crate) async fn reply(args: &ReplyArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let text = text_or_stdin(&args.text)?;
    let id = args.activity_id;
    let message = client.find_inbound(id).await?.ok_or_else(|| {
        Problem::usage(format!(
            "there is no message {id} to answer; `molecule-agent inbox` lists them"
        ))
    })?;
    let replied = client.reply(&message, &text).await;
    replied.map_err(|error| unless_surely_in_vain(error, "the answer arrived"))?;
    let data = json!({"activity_id": id, "status": "replied"});
    io.data(&data, || "replied".to_owned())?;
    Ok(Exit::Done)
}

pub(crate) async fn notify(args: &NotifyArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let text = text_or_stdin(&args.text)?;
    let notified = client.notify(&text, &args.attachments).await;
    notified.map_err(|error| unless_surely_in_vain(error, "the text was shown"))?;
    let data = json!({"workspace_id": client.workspace_id(), "status": "sent"});
    io.data(&data, || "sent".to_owned())?;
    Ok(Exit::Done)
}

/// Says what to do before trying again where `done` may have happened all the same.
fn unless_surely_in_vain(error: AgentError, done: &str) -> anyhow::Error {
    if error.surely_without_effect() {
        return error.into();
    }
    let exit = error.kind().into();
    let message = format!(
        "it may be that {done} all the same; see `molecule-agent history` before you send it again"
    );
    anyhow::Error::new(error).context(Problem::new(exit, message))
}

/// The text, or what stdin holds where it is `-`.
///
/// # Errors
/// When there is nothing to say, or stdin is no UTF-8.
pub(crate) fn text_or_stdin(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return checked(text.to_owned());
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .context(Problem::usage(
            "the text on stdin cannot be read; it has to be UTF-8",
        ))?;
    checked(text.trim_end_matches('\n').to_owned())
}

fn checked(text: String) -> anyhow::Result<String> {
    if text.trim().is_empty() {
        return Err(Problem::usage(
            "there is nothing to say; give a text, or - to read it from stdin",
        )
        .into());
    }
    Ok(text)
}
