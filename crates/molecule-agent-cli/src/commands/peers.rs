//! Other workspaces: `peers`, `discover` and `call`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueHint};
use molecule_agent::protocol::endpoints::{A2aOutcome, Discovery, PeerInfo, Queued, SendMessage};
use molecule_agent::protocol::{FilePart, Message, Part, WorkspaceStatus};
use molecule_agent::{AgentError, CallPeer, ErrorKind, PeerReply, Route, WorkspaceId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::check_present;
use super::messages::text_or_stdin;
use crate::args::AgentArgs;
use crate::duration;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Options of `peers`.
#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Only peers whose name or role contains this
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Only peers whose agent card names this skill, by id, name or tag
    #[arg(id = "peer_skill", long = "skill", value_name = "SKILL")]
    skill: Option<String>,
    /// Only peers whose agent card claims this capability
    #[arg(long, value_name = "NAME")]
    capability: Option<String>,
}

/// Options of `discover`.
#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// The peer, as `peers` names it
    target: WorkspaceId,
}

/// Options of `call`.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// The peer, as `peers` names it
    target: WorkspaceId,
    /// What to say; - reads it from stdin
    #[arg(required_unless_present_any = ["data", "file"])]
    text: Option<String>,
    /// Structured data to send along, as JSON; may be repeated
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    data: Vec<Value>,
    /// A file to send along, or the http(s) address of one; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Vec<String>,
    /// Send it through the platform, although the peer's own address may be known
    #[arg(long)]
    proxy: bool,
    /// Call peers on this machine and on private networks directly too
    #[arg(long)]
    allow_private_peers: bool,
    /// The message's id; one that is sent again is the same message [default: a new one]
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// How long to wait for the peer [default: 30s]
    #[arg(id = "peer_timeout", long = "timeout", value_name = "DURATION", value_parser = duration::parse_interval)]
    timeout: Option<Duration>,
}

fn json_value(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

pub(crate) async fn peers(args: &PeersArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    check_present(&client).await?;
    let mut peers = client.get_peers().await?;
    peers.retain(|peer| args.wants(peer));
    for peer in &peers {
        io.data(peer, || to_line(peer))?;
    }
    if peers.is_empty() {
        io.note("no peers");
    }
    Ok(Exit::Done)
}

impl PeersArgs {
    fn wants(&self, peer: &PeerInfo) -> bool {
        let all =
            |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(has);
        all(&self.query, &|text| peer.mentions(text))
            && all(&self.skill, &|skill| peer.has_skill(skill))
            && all(&self.capability, &|name| peer.has_capability(name))
    }
}

fn to_line(peer: &PeerInfo) -> String {
    let url = peer.peer_url();
    let place = url.map_or_else(|_| "-".to_owned(), |url| url.to_string());
    let (id, status, name) = (peer.id, &peer.status, &peer.name);
    let role = peer.role.as_deref().unwrap_or_default();
    format!("{id}  {status}  {name}  {place}  {role}")
        .trim_end()
        .to_owned()
}

pub(crate) async fn discover(args: &DiscoverArgs, io: &Output) -> anyhow::Result<Exit> {
    let (target, client) = (args.target, args.agent.client()?);
    check_present(&client).await?;
    let peer = match client.look_up_peer(target).await? {
        Discovery::Found(peer) => peer,
        Discovery::Unavailable {
            status: Some(WorkspaceStatus::Removed),
        } => {
            let message = format!(
                "workspace {target} was deleted; `molecule-agent peers` lists those there are"
            );
            return Err(Problem::usage(message).into());
        }
        Discovery::Unavailable {
            status: Some(WorkspaceStatus::Paused),
        } => {
            let message = format!(
                "workspace {target} is paused by its user and has no address; try again when it was resumed"
            );
            return Err(Problem::new(Exit::Temporary, message).into());
        }
        Discovery::Unavailable { status } => {
            let status = status.map_or_else(String::new, |status| format!(" (it is {status})"));
            let message = format!(
                "workspace {target} has no address now{status}; try again when its agent has registered"
            );
            return Err(Problem::new(Exit::Temporary, message).into());
        }
        _ => {
            let message = format!(
                "the platform does not hand out the address of {target}; `call` sends messages through the platform"
            );
            return Err(Problem::new(Exit::Unsupported, message).into());
        }
    };
    let url = peer
        .peer_url()
        .with_context(|| Problem::new(Exit::Unsupported, format!("workspace {target} takes no messages at an address of its own; `call` sends them through the platform")))?;
    let container_only = url.is_container_only();
    let data = json!({"id": peer.id, "name": peer.name, "url": url.as_str(), "container_only": container_only});
    io.data(&data, || url.to_string())?;
    if container_only {
        io.note("only containers on the platform's machine know that name; `call` goes through the platform");
    }
    Ok(Exit::Done)
}

pub(crate) async fn call(args: &CallArgs, io: &Output) -> anyhow::Result<Exit> {
    let mut builder = args.agent.builder()?;
    if args.allow_private_peers {
        builder = builder.allow_private_peers();
    }
    let client = builder.build()?;
    check_present(&client).await?;
    let mut options = CallPeer::new().with_prefer_direct(!args.proxy);
    options.timeout = args.timeout;
    let message = args.message()?;
    let id = message.message_id.clone();
    let called = client.call_peer(args.target, message, options).await;
    show(&called.map_err(|error| unless_in_vain(error, &id))?, io)
}

/// Tells the id, under which the peer knows the message again, where it may have it.
fn unless_in_vain(error: AgentError, message_id: &str) -> anyhow::Error {
    let says_so_itself = matches!(error, AgentError::DeliveryUnknown { .. });
    if says_so_itself || error.surely_without_effect() || error.kind() == ErrorKind::Unexpected {
        return error.into();
    }
    let exit = error.kind().into();
    let message = format!(
        "the peer may have the message; to send the same once more, and not another, add --message-id {message_id}"
    );
    anyhow::Error::new(error).context(Problem::new(exit, message))
}

impl CallArgs {
    fn message(&self) -> anyhow::Result<Message> {
        let id = match &self.message_id {
            Some(id) => id.clone(),
            None => Uuid::new_v4().to_string(),
        };
        let mut message = Message::new(id);
        if let Some(text) = &self.text {
            message = message.with_part(Part::Text(text_or_stdin(text)?));
        }
        for data in &self.data {
            message = message.with_part(Part::Data(data.clone()));
        }
        for file in &self.file {
            message = message.with_part(Part::File(file_part(file)?));
        }
        Ok(message)
    }
}

fn file_part(file: &str) -> anyhow::Result<FilePart> {
    if file.starts_with("http://") || file.starts_with("https://") {
        return Ok(FilePart::from_uri(file));
    }
    let path = Path::new(file);
    let bytes = read_bounded(path).with_context(|| {
        Problem::usage(format!(
            "--file: {file} cannot be read; it has to be a regular file"
        ))
    })?;
    let part = FilePart::from_bytes(&bytes);
    Ok(match path.file_name() {
        Some(name) => part.with_name(name.to_string_lossy()),
        None => part,
    })
}

/// More than the limit is read by one byte, so that the message is refused for its size.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = SendMessage::MAX_BYTES as u64 + 1;
    // Opening anything else, such as a pipe, could wait for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An error that the agent answered is data with `--json`, because it may hold more than words.
fn show(answer: &PeerReply, io: &Output) -> anyhow::Result<Exit> {
    let problem = match &answer.reply.outcome {
        A2aOutcome::Answered(result) => {
            let text = || answer.text().unwrap_or_else(|| result.to_string());
            io.data(&to_json(answer, "answered"), text)?;
            return Ok(Exit::Done);
        }
        A2aOutcome::Queued(queued) => {
            io.data(&to_json(answer, "queued"), || queued_line(queued))?;
            return Ok(Exit::Done);
        }
        A2aOutcome::Failed(error) => ("failed", error.to_string()),
        _ => (
            "unreadable",
            "the agent took the message, but what it answered cannot be read; with --json it is printed as it came"
                .to_owned(),
        ),
    };
    let (outcome, message) = problem;
    if io.is_json() {
        io.data(&to_json(answer, outcome), String::new)?;
    }
    Err(Problem::new(Exit::Unexpected, message).into())
}

fn queued_line(queued: &Queued) -> String {
    let id = queued.queue_id.as_deref().unwrap_or("without an id");
    format!("queued {id}; no answer comes back to this call")
}

fn to_json(answer: &PeerReply, outcome: &str) -> Value {
    let envelope = answer.reply.envelope();
    let raw = envelope
        .is_none()
        .then(|| String::from_utf8_lossy(&answer.reply.raw).into_owned());
    json!({
        "outcome": outcome,
        "route": if answer.route == Route::Direct { "direct" } else { "proxy" },
        "message_id": answer.message_id,
        "text": answer.text(),
        "envelope": envelope,
        "raw": raw,
    })
}
