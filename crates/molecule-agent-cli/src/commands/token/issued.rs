//! The tokens that the platform issued.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueHint};
use molecule_agent::protocol::endpoints::TokenInfo;
use molecule_agent::protocol::{ApiError, Timestamp, TokenId};
use molecule_agent::{AgentError, OldToken, RemoteAgentClient, Rotation, Token};
use serde_json::json;

use crate::args::AgentArgs;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// Options of `token list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    agent: AgentArgs,
}

/// Options of `token create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    place: NewTokenPlace,
}

/// Where a new token goes: the platform shows it this once.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct NewTokenPlace {
    /// Write the token to this new file, which only you can read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Print the token
    #[arg(long)]
    show: bool,
}

/// Options of `token revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Revoke it also if it is the token in use
    #[arg(long)]
    force: bool,
    /// Which one, as `token list` names it
    id: TokenId,
}

/// Options of `token rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    agent: AgentArgs,
}

pub(super) async fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let tokens = client.list_tokens().await?;
    let current = client.load_token().await?;
    for token in &tokens {
        let in_use = is_in_use(token, current.as_ref());
        let TokenInfo {
            id,
            prefix,
            created_at,
            last_used_at,
            ..
        } = token;
        let data = json!({"id": id, "prefix": prefix, "created_at": created_at, "last_used_at": last_used_at, "in_use": in_use});
        io.data(&data, || line(token, in_use))?;
    }
    if tokens.is_empty() {
        io.note("no tokens");
    }
    Ok(Exit::Done)
}

fn line(token: &TokenInfo, in_use: bool) -> String {
    let time =
        |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    let (created, used) = (time(token.created_at), time(token.last_used_at));
    let mark = if in_use { "  in use" } else { "" };
    format!(
        "{}  {}...  created {created}  used {used}{mark}",
        token.id, token.prefix
    )
}

fn is_in_use(token: &TokenInfo, current: Option<&Token>) -> bool {
    current.is_some_and(|current| token.may_be(current.expose()))
}

pub(super) async fn create(args: &CreateArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    match &args.place.out {
        Some(path) => create_in(&client, path, io).await,
        None => {
            let token = client.create_token().await?;
            if io.is_json() {
                let data = json!({"workspace_id": client.workspace_id(), "prefix": token.prefix(), "token": token.expose()});
                io.data(&data, String::new)?;
            } else {
                io.raw(token.expose())?;
            }
            Ok(Exit::Done)
        }
    }
}

/// The file is made first, because a token that cannot be written would be lost.
async fn create_in(client: &RemoteAgentClient, path: &Path, io: &Output) -> anyhow::Result<Exit> {
    let file = new_file(path)?;
    let issued = client.create_token().await;
    if issued.is_err() {
        // What it was made for did not come; the error says why.
        let _ = fs::remove_file(path);
    }
    let token = issued?;
    let prefix = token.prefix();
    write(file, &token).with_context(|| {
        Problem::new(
            Exit::Unexpected,
            format!(
                "the token {prefix}... was issued, but cannot be written to {}; find it with `token list` and revoke it",
                path.display()
            ),
        )
    })?;
    let data = json!({"workspace_id": client.workspace_id(), "prefix": prefix, "path": path});
    io.data(&data, || format!("wrote {prefix}... to {}", path.display()))?;
    Ok(Exit::Done)
}

fn new_file(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| {
        let what = match error.kind() {
            ErrorKind::AlreadyExists => "exists already; name a new file",
            _ => "cannot be made; check the directory",
        };
        let problem = Problem::usage(format!("--out: {} {what}", path.display()));
        anyhow::Error::new(error).context(problem)
    })
}

fn write(mut file: File, token: &Token) -> std::io::Result<()> {
    file.write_all(token.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

pub(super) async fn revoke(args: &RevokeArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let tokens = client.list_tokens().await?;
    let current = client.load_token().await?;
    let in_use = tokens
        .iter()
        .any(|token| token.id == args.id && is_in_use(token, current.as_ref()));
    if in_use && !args.force {
        return Err(Problem::usage(format!(
            "{} is the token in use; `molecule-agent token rotate` replaces it, and --force revokes it all the same",
            args.id
        ))
        .into());
    }
    let revoked = client.revoke_token(args.id).await;
    revoked.map_err(|error| explain(error, args.id))?;
    let data = json!({"workspace_id": client.workspace_id(), "id": args.id, "status": "revoked"});
    io.data(&data, || format!("revoked {}", args.id))?;
    if in_use {
        io.note("it was the token in use: store another with `molecule-agent token set`");
    }
    if matches!(&tokens[..], [only] if only.id == args.id) {
        io.note(
            "it was the workspace's last: whoever registers the workspace now gets its next token",
        );
    }
    Ok(Exit::Done)
}

/// The platform does not tell a token that was revoked from one that never was.
fn explain(error: AgentError, id: TokenId) -> anyhow::Error {
    match error {
        AgentError::Api(ApiError::NotFound(_)) => {
            let message = format!(
                "there is no valid token {id} of this workspace; `molecule-agent token list` shows those there are"
            );
            anyhow::Error::new(error).context(Problem::usage(message))
        }
        error => error.into(),
    }
}

pub(super) async fn rotate(args: &RotateArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let Rotation { prefix, old, .. } = client.rotate_token().await?;
    let (word, ids) = match &old {
        OldToken::Revoked(id) => ("revoked", vec![*id]),
        OldToken::NotRevoked { id, .. } => ("not_revoked", vec![*id]),
        OldToken::Ambiguous(ids) => ("ambiguous", ids.clone()),
        _ => ("not_listed", Vec::new()),
    };
    let data = json!({"workspace_id": client.workspace_id(), "prefix": prefix, "old": word, "old_ids": ids});
    io.data(&data, || format!("{prefix}... is the token in use now"))?;
    left_over(old)
}

/// What is left to do about the old token: it is still valid unless it was revoked.
fn left_over(old: OldToken) -> anyhow::Result<Exit> {
    let begin = "the new token is in use, and the old one is still valid";
    Err(match old {
        OldToken::Revoked(_) => return Ok(Exit::Done),
        OldToken::NotRevoked { id, error } => {
            let message = format!("{begin}: run `molecule-agent token revoke {id}`");
            anyhow::Error::new(error).context(Problem::new(Exit::Temporary, message))
        }
        OldToken::Ambiguous(ids) => {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            let ids = ids.join(", ");
            unfinished(format!(
                "{begin}, because several begin like it: revoke the one that is yours of {ids}"
            ))
        }
        _ => unfinished(format!(
            "{begin}, unless somebody revoked it: the platform did not list it; look with `molecule-agent token list`"
        )),
    })
}

fn unfinished(message: String) -> anyhow::Error {
    Problem::new(Exit::Unexpected, message).into()
}
