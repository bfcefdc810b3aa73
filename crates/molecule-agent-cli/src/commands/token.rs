//! `token`: the agent's own token, and the others of its workspace.

mod issued;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use molecule_agent::Token;
use molecule_agent::token_store::{TokenStore, Wait};
use serde_json::json;

use crate::agent::{read_token, read_token_fd, read_token_file};
use crate::args::{IdentityArgs, PlaceArgs, descriptor};
use crate::exit::{Exit, Problem};
use crate::options::secret_argument;
use crate::output::Output;
use crate::runtime::block_on;

/// How long another process may hold the token file before that is an error.
const LOCK_WAIT: Wait = Wait::For(Duration::from_secs(5));

/// Commands about the token.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Show where the token comes from, and how it begins
    Show(ShowArgs),
    /// Keep a token, read from a file, a descriptor or stdin
    Set(SetArgs),
    /// Remove the token from the agent's directory
    Remove(RemoveArgs),
    /// List the tokens that are valid on the platform, by how they begin
    List(issued::ListArgs),
    /// Have the platform issue one more token
    Create(issued::CreateArgs),
    /// Make a token invalid
    Revoke(issued::RevokeArgs),
    /// Replace the agent's token with a new one, and revoke the old one
    Rotate(issued::RotateArgs),
}

/// Options of `token show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Options of `token set`. Its source has to be said in this call: a setting is where tokens are read from, not what to keep.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Read the token from this file instead of stdin
    #[arg(id = "set_token_file", long = "token-file", value_name = "FILE", group = "input", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Read the token from this open descriptor instead of stdin
    #[arg(
        id = "set_token_fd",
        long = "token-fd",
        value_name = "N",
        group = "input",
        value_parser = descriptor
    )]
    fd: Option<u32>,
    /// Taken here to be refused: the parser's own refusal would repeat it.
    #[arg(hide = true, num_args = 0..)]
    token: Vec<OsString>,
}

/// Options of `token remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) fn run(command: &TokenCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        TokenCommand::Show(args) => show(args, io),
        TokenCommand::Set(args) => set(args, io),
        TokenCommand::Remove(args) => remove(args, io),
        TokenCommand::List(args) => block_on(issued::list(args, io)),
        TokenCommand::Create(args) => block_on(issued::create(args, io)),
        TokenCommand::Revoke(args) => block_on(issued::revoke(args, io)),
        TokenCommand::Rotate(args) => block_on(issued::rotate(args, io)),
    }
}

fn show(args: &ShowArgs, io: &Output) -> anyhow::Result<Exit> {
    let id = args.identity.place.id()?;
    let (token, source) = find(&args.identity)?;
    let prefix = token.prefix();
    let data = json!({"workspace_id": id, "prefix": prefix, "source": source});
    io.data(&data, || format!("{prefix}...  from {source}"))?;
    Ok(Exit::Done)
}

/// The token that calls would carry, and where it is.
///
/// # Errors
/// When there is none, or what is there is none.
pub(crate) fn find(identity: &IdentityArgs) -> anyhow::Result<(Token, String)> {
    if let Some(path) = &identity.token_file {
        return Ok((read_token_file(path)?, path.display().to_string()));
    }
    if let Some(token) = identity.given()? {
        let source = match identity.token_fd {
            Some(fd) => format!("descriptor {fd}"),
            None => "environment MOLECULE_WORKSPACE_TOKEN".to_owned(),
        };
        return Ok((token, source));
    }
    let store = identity.place.store()?;
    let path = store.path().display().to_string();
    let token = store.load(LOCK_WAIT)?.ok_or_else(|| {
        Problem::new(
            Exit::Authentication,
            format!("there is no token in {path}; keep one with `molecule-agent token set`"),
        )
    })?;
    Ok((token, path))
}

fn set(args: &SetArgs, io: &Output) -> anyhow::Result<Exit> {
    if !args.token.is_empty() {
        return Err(secret_argument("a token as an argument").into());
    }
    let store = args.place.store()?;
    let token = match (&args.file, args.fd) {
        (Some(path), _) => read_token_file(path)?,
        (None, Some(fd)) => read_token_fd(fd)?,
        (None, None) => from_stdin(io)?,
    };
    store.save(&token, LOCK_WAIT)?;
    let (path, prefix) = (store.path(), token.prefix());
    let data = json!({"workspace_id": args.place.id()?, "prefix": prefix, "path": path});
    io.data(&data, || format!("kept {prefix}... in {}", path.display()))?;
    Ok(Exit::Done)
}

fn from_stdin(io: &Output) -> anyhow::Result<Token> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        io.note("paste the token, then press Enter and Ctrl-D (it will be visible)");
    }
    read_token(stdin, "the input")
}

fn remove(args: &RemoveArgs, io: &Output) -> anyhow::Result<Exit> {
    let store = args.place.store()?;
    let removed = store.remove(LOCK_WAIT)?;
    let path = store.path();
    let data = json!({"workspace_id": args.place.id()?, "removed": removed, "path": path});
    io.data(&data, || {
        let what = if removed {
            "removed"
        } else {
            "there was no token in"
        };
        format!("{what} {}", path.display())
    })?;
    Ok(Exit::Done)
}

impl PlaceArgs {
    fn store(&self) -> anyhow::Result<TokenStore> {
        Ok(TokenStore::new(self.dir(&self.id()?)?))
    }
}
