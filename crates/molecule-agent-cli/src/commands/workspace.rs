//! `workspace`: what the platform's administrator does.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueHint};
use http::StatusCode;
use molecule_agent::protocol::endpoints::{CreateWorkspace, Lookup, WorkspaceInfo};
use molecule_agent::protocol::{ApiError, WorkspaceStatus};
use molecule_agent::token_store::{TokenStore, Wait};
use molecule_agent::{AdminClient, AgentError, RemoteAgentClient, Token, WorkspaceId};
use serde_json::json;

use crate::agent::check_state_dir;
use crate::args::{AdminArgs, PlaceArgs, PlatformArgs};
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// How long another process may hold the token file before that is an error.
const LOCK_WAIT: Wait = Wait::For(Duration::from_secs(5));

/// Commands about workspaces.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Create a workspace for a remote agent, keep its token, and print how to connect
    Create(CreateArgs),
    /// List the workspaces that were not deleted
    List(ListArgs),
    /// Show a workspace; needs no token
    Show(ShowArgs),
    /// Stop a workspace and those below it
    Pause(ChangeArgs),
    /// Let a paused workspace run again
    Resume(ChangeArgs),
    /// Delete a workspace and those below it
    Delete(ChangeArgs),
}

/// Options of `workspace create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// The directory of the new agent [default: ~/.molecule/ID]
    #[arg(id = "create_state_dir", long = "state-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// Its name
    name: String,
    /// What it is for, for people and peers
    #[arg(long)]
    role: Option<String>,
    /// The workspace above it
    #[arg(long, value_name = "ID")]
    parent: Option<WorkspaceId>,
}

/// Options of `workspace list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Options of `workspace show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    /// Which one
    id: WorkspaceId,
}

/// Options of what changes a workspace.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Which one
    id: WorkspaceId,
}

pub(crate) async fn run(command: &WorkspaceCommand, io: &Output) -> anyhow::Result<Exit> {
    dispatch(command, io).await.map_err(explain)
}

/// Only the administrator's token is sent here, so a platform that refuses a token refuses that one.
fn explain(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(AgentError::Api(ApiError::Unauthorized(_))) => error.context(Problem::new(
            Exit::Authentication,
            "the platform does not accept the administrator's token; check MOLECULE_ADMIN_TOKEN or --admin-token-file",
        )),
        _ => error,
    }
}

async fn dispatch(command: &WorkspaceCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        WorkspaceCommand::Create(args) => create(args, io).await,
        WorkspaceCommand::List(args) => list(args, io).await,
        WorkspaceCommand::Show(args) => show(args, io).await,
        WorkspaceCommand::Pause(args) => {
            let client = args.admin.client()?;
            let paused = client.pause(args.id).await;
            explained(paused, &client, args.id).await?;
            changed(args, "paused", io)
        }
        WorkspaceCommand::Resume(args) => {
            let client = args.admin.client()?;
            let resumed = client.resume(args.id).await;
            explained(resumed, &client, args.id).await?;
            changed(args, "resumed", io)
        }
        WorkspaceCommand::Delete(args) => {
            let client = args.admin.client()?;
            known(&client, args.id).await?;
            client.delete(args.id).await?;
            changed(args, "deleted", io)
        }
    }
}

/// A pause or its end that is refused is explained by how the workspace is.
async fn explained(
    done: Result<(), AgentError>,
    client: &AdminClient,
    id: WorkspaceId,
) -> anyhow::Result<()> {
    let Err(error) = done else { return Ok(()) };
    let message = match &error {
        AgentError::Api(ApiError::NotFound(_)) => match known(client, id).await? {
            Some(info) if info.status == WorkspaceStatus::Paused => {
                format!("workspace {id} is paused already; `workspace resume` lets it run again")
            }
            Some(info) => format!(
                "workspace {id} is not paused (it is {}); there is nothing to resume",
                info.status
            ),
            None => return Err(AgentError::Deleted(id).into()),
        },
        AgentError::Api(ApiError::Rejected(refusal)) if refusal.status == StatusCode::CONFLICT => {
            format!(
                "a workspace above {id} is paused; resume that one first (`workspace show {id}` names its parent)"
            )
        }
        _ => return Err(error.into()),
    };
    Err(anyhow::Error::new(error).context(Problem::usage(message)))
}

/// What the platform knows about an id; nothing but the id if the workspace was deleted.
async fn known(client: &AdminClient, id: WorkspaceId) -> anyhow::Result<Option<WorkspaceInfo>> {
    match client.show(id).await? {
        Lookup::Found(info) => Ok(Some(*info)),
        Lookup::Removed => Ok(None),
        _ => Err(AgentError::UnknownWorkspace(id).into()),
    }
}

fn changed(args: &ChangeArgs, what: &str, io: &Output) -> anyhow::Result<Exit> {
    io.data(&json!({"workspace_id": args.id, "status": what}), || {
        format!("{what} {}", args.id)
    })?;
    Ok(Exit::Done)
}

async fn create(args: &CreateArgs, io: &Output) -> anyhow::Result<Exit> {
    args.check_dir()?;
    let mut workspace = CreateWorkspace::new(&args.name);
    if let Some(role) = &args.role {
        workspace = workspace.with_role(role);
    }
    if let Some(parent) = args.parent {
        workspace = workspace.with_parent(parent);
    }
    let client = args.admin.client()?;
    args.check_parent(&client).await?;
    let created = client.create(workspace).await?;
    let id = created.id;
    let kept = match created.auth_token() {
        Some(secret) => Some(args.keep(&id, secret.expose())?),
        None => None,
    };
    let connect = args.connect_line(&id)?;
    let data =
        json!({"workspace_id": id, "name": args.name, "token_file": kept, "connect": connect});
    io.data(&data, || format!("{id}\n{connect}"))?;
    match kept {
        Some(path) => io.note(&format!("its token is kept in {path}")),
        None => io.note("the platform issues its token when the agent first connects"),
    }
    Ok(Exit::Done)
}

impl CreateArgs {
    /// A directory holds one agent: the token of another must not be overwritten.
    fn check_dir(&self) -> anyhow::Result<()> {
        let Some(dir) = &self.state_dir else {
            return Ok(());
        };
        check_state_dir(dir)?;
        if TokenStore::new(dir).load(LOCK_WAIT)?.is_some() {
            let message = format!(
                "{} holds the token of another agent; name a new directory",
                dir.display()
            );
            return Err(Problem::usage(message).into());
        }
        Ok(())
    }

    /// The platform fails without a word where there is no such parent.
    async fn check_parent(&self, client: &AdminClient) -> anyhow::Result<()> {
        let Some(id) = self.parent else { return Ok(()) };
        let what = match client.show(id).await? {
            Lookup::Found(_) => return Ok(()),
            Lookup::Removed => "was deleted",
            _ => "does not exist",
        };
        let message = format!(
            "--parent: workspace {id} {what}; `molecule-agent workspace list` shows those there are"
        );
        Err(Problem::usage(message).into())
    }

    fn keep(&self, id: &WorkspaceId, token: &str) -> anyhow::Result<String> {
        let place = PlaceArgs {
            workspace_id: Some(*id),
            state_dir: self.state_dir.clone(),
        };
        let lost = || {
            format!(
                "workspace {id} was created, but its token could not be kept; delete it and create another"
            )
        };
        let store = TokenStore::new(place.dir(id).with_context(lost)?);
        let token = Token::new(token).with_context(lost)?;
        store.save(&token, LOCK_WAIT).with_context(lost)?;
        Ok(store.path().display().to_string())
    }

    /// What to type next.
    fn connect_line(&self, id: &WorkspaceId) -> anyhow::Result<String> {
        let mut line = format!(
            "molecule-agent connect {id} --platform-url {}",
            self.admin.platform.url()?
        );
        if let Some(org_id) = &self.admin.platform.org_id {
            line += &format!(" --org-id {}", quoted(org_id));
        }
        if let Some(dir) = &self.state_dir {
            line += &format!(" --state-dir {}", quoted(&dir.display().to_string()));
        }
        Ok(line + " --exec 'tr a-z A-Z'")
    }
}

/// Text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

async fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    for workspace in args.admin.client()?.list().await? {
        io.data(&workspace, || {
            format!("{}  {}  {}", workspace.id, workspace.status, workspace.name)
        })?;
    }
    Ok(Exit::Done)
}

async fn show(args: &ShowArgs, io: &Output) -> anyhow::Result<Exit> {
    let builder = RemoteAgentClient::builder(args.id, args.platform.url()?);
    let client = args.platform.configure(builder).build()?;
    match client.look().await? {
        Lookup::Found(info) => io.data(&info, || described(&info))?,
        Lookup::Removed => return Err(AgentError::Deleted(args.id).into()),
        _ => return Err(AgentError::UnknownWorkspace(args.id).into()),
    }
    Ok(Exit::Done)
}

fn described(info: &WorkspaceInfo) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let card = info.agent_card.as_ref().map(ToString::to_string);
    let rows = [
        ("id", info.id.to_string()),
        ("name", info.name.clone()),
        ("status", info.status.to_string()),
        ("runtime", text(&info.runtime)),
        ("role", text(&info.role)),
        ("parent", text(&info.parent_id)),
        ("url", text(&info.url)),
        ("card", card.unwrap_or_default()),
    ];
    let filled = rows.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<_> = filled
        .map(|(key, value)| format!("{key:7} {value}"))
        .collect();
    lines.join("\n")
}
