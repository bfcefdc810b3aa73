//! `inbox dead`: messages that the agent gave up.

use clap::{Args, Subcommand};
use http::Method;
use molecule_agent::protocol::ActivityId;
use molecule_agent::{AgentError, DeadLetter, Journal};
use serde_json::{Value, json};

use crate::admin::AgentClient;
use crate::agent_lock::AgentLock;
use crate::args::PlaceArgs;
use crate::commands::messages::{from, to_json};
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Commands about dead letters. A running agent is asked; else its journal is read here.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List them, the oldest first
    List(ListArgs),
    /// Show one whole, with the answer that nobody took
    Show(ShowArgs),
    /// Have them handled again, behind what waits; an answer that is there already is sent again
    Retry(PickArgs),
    /// Remove them for good
    Drop(PickArgs),
}

/// Options of `inbox dead list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Options of `inbox dead show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The message, as `inbox dead list` names it
    #[arg(value_name = "ACTIVITY_ID")]
    id: ActivityId,
}

/// Options of `inbox dead retry` and `drop`.
#[derive(Debug, Args)]
pub(crate) struct PickArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The messages, as `inbox dead list` names them
    #[arg(
        value_name = "ACTIVITY_ID",
        required_unless_present = "all_letters",
        conflicts_with = "all_letters"
    )]
    ids: Vec<ActivityId>,
    /// All there are
    #[arg(id = "all_letters", long = "all")]
    all: bool,
}

pub(crate) async fn run(command: &DeadCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        DeadCommand::List(args) => list(args, io).await,
        DeadCommand::Show(args) => show(args, io).await,
        DeadCommand::Retry(args) => each(args, Deed::Retry, io).await,
        DeadCommand::Drop(args) => each(args, Deed::Drop, io).await,
    }
}

async fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    let letters = Letters::of(&args.place).await?.list().await?;
    for letter in &letters {
        io.data(letter, || to_text(letter, "preview"))?;
    }
    if letters.is_empty() {
        io.note("no dead letters");
    }
    Ok(Exit::Done)
}

async fn show(args: &ShowArgs, io: &Output) -> anyhow::Result<Exit> {
    let letters = Letters::of(&args.place).await?;
    let letter = letters.show(args.id).await?;
    let letter = letter.ok_or_else(|| none_such(&[args.id]))?;
    io.data(&letter, || to_text(&letter, "text"))?;
    Ok(Exit::Done)
}

/// What is done with letters, one by one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Retry,
    Drop,
}

impl Deed {
    /// What became of a letter.
    const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Drop => "dropped",
        }
    }

    /// How a running agent is asked for it.
    fn request(self, id: ActivityId) -> (Method, String) {
        match self {
            Self::Retry => (Method::POST, format!("/inbox/dead/{id}/retry")),
            Self::Drop => (Method::DELETE, format!("/inbox/dead/{id}")),
        }
    }

    /// Does it here. Whether there was such a letter.
    async fn to(self, journal: &Journal, id: ActivityId) -> Result<bool, AgentError> {
        match self {
            Self::Retry => journal.retry(id).await,
            Self::Drop => journal.remove(id).await,
        }
    }
}

/// Does it with all that are there, and says at the end which are not.
async fn each(args: &PickArgs, deed: Deed, io: &Output) -> anyhow::Result<Exit> {
    let letters = Letters::of(&args.place).await?;
    let ids = match args.all {
        true => letters.ids().await?,
        false => args.ids.clone(),
    };
    let mut missing = Vec::new();
    for id in ids {
        if letters.take(deed, id).await? {
            let data = json!({"activity_id": id, "status": deed.word()});
            io.data(&data, || format!("{}  {id}", deed.word()))?;
        } else {
            missing.push(id);
        }
    }
    if !missing.is_empty() && !args.all {
        return Err(none_such(&missing).into());
    }
    if deed == Deed::Retry && matches!(letters, Letters::Here { .. }) {
        io.note("no agent runs here: the next one handles them");
    }
    Ok(Exit::Done)
}

fn none_such(ids: &[ActivityId]) -> Problem {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    let ids = ids.join(", ");
    Problem::usage(format!(
        "there is no dead letter {ids}; `molecule-agent inbox dead list` lists them"
    ))
}

/// Where dead letters are.
enum Letters {
    /// With the agent that runs.
    Asked(AgentClient),
    /// In the journal of an agent that does not run, and cannot start meanwhile.
    Here { journal: Journal, _lock: AgentLock },
    /// No agent ever was here.
    Nowhere,
}

impl Letters {
    async fn of(place: &PlaceArgs) -> anyhow::Result<Self> {
        let dir = place.own_dir()?;
        if let Some(agent) = AgentClient::find(&dir).await? {
            return Ok(Self::Asked(agent));
        }
        let path = Journal::path_in(&dir);
        if !path.exists() {
            // To look must not leave a directory behind, nor get in the way of an agent that starts.
            return Ok(Self::Nowhere);
        }
        Ok(Self::Here {
            _lock: AgentLock::take(&dir).await?,
            journal: Journal::open(path),
        })
    }

    async fn list(&self) -> anyhow::Result<Vec<Value>> {
        Ok(match self {
            Self::Asked(agent) => match agent.ask(Method::GET, "/inbox/dead").await? {
                Some(Value::Array(letters)) => letters,
                _ => Vec::new(),
            },
            Self::Here { journal, .. } => journal.dead().await?.iter().map(listed).collect(),
            Self::Nowhere => Vec::new(),
        })
    }

    async fn ids(&self) -> anyhow::Result<Vec<ActivityId>> {
        let letters = self.list().await?.into_iter();
        let id = |letter: Value| letter["activity_id"].as_str()?.parse().ok();
        Ok(letters.filter_map(id).collect())
    }

    async fn show(&self, id: ActivityId) -> anyhow::Result<Option<Value>> {
        match self {
            Self::Asked(agent) => agent.ask(Method::GET, &format!("/inbox/dead/{id}")).await,
            Self::Here { journal, .. } => Ok(whole(journal, id).await?),
            Self::Nowhere => Ok(None),
        }
    }

    /// Whether there was such a letter.
    async fn take(&self, deed: Deed, id: ActivityId) -> anyhow::Result<bool> {
        Ok(match self {
            Self::Asked(agent) => {
                let (method, path) = deed.request(id);
                agent.ask(method, &path).await?.is_some()
            }
            Self::Here { journal, .. } => deed.to(journal, id).await?,
            Self::Nowhere => false,
        })
    }
}

/// A letter in a list of them.
pub(crate) fn listed(letter: &DeadLetter) -> Value {
    let (from, peer_id) = from(&letter.sender);
    json!({
        "activity_id": letter.id,
        "dead_since": letter.at,
        "from": from,
        "peer_id": peer_id,
        "preview": letter.preview,
        "why": letter.why,
        "attempts": letter.attempts,
        "has_answer": letter.answer.is_some(),
    })
}

/// A letter with its whole message and the answer that nobody took.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) async fn whole(journal: &Journal, id: ActivityId) -> Result<Option<Value>, AgentError> {
    let letters = journal.dead().await?;
    let Some(letter) = letters.into_iter().find(|letter| letter.id == id) else {
        return Ok(None);
    };
    let Some(message) = journal.dead_message(id).await? else {
        return Ok(None);
    };
    let mut value = to_json(&message);
    value["dead_since"] = json!(letter.at);
    value["why"] = json!(letter.why);
    value["attempts"] = json!(letter.attempts);
    value["answer"] = json!(letter.answer);
    Ok(Some(value))
}

fn to_text(letter: &Value, text: &str) -> String {
    let said = |key: &str| letter[key].as_str().unwrap_or_default();
    let from = match said("from") {
        "agent" => said("peer_id"),
        from => from,
    };
    let (id, since) = (said("activity_id"), said("dead_since"));
    let (attempts, why) = (&letter["attempts"], said("why"));
    let mut lines =
        format!("{id}  {since}  from {from}\n    given up after {attempts} attempts: {why}");
    let answer = letter["answer"]
        .as_str()
        .map(|answer| format!("answer: {answer}"));
    for text in [Some(said(text).to_owned()), answer].into_iter().flatten() {
        lines += &format!("\n    {}", text.replace('\n', "\n    "));
    }
    lines
}
