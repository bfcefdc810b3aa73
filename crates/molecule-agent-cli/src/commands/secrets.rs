//! `secrets`: what the platform's user entrusts to the agent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use molecule_agent::SecretEnv;
use molecule_agent::protocol::Secret;
use serde_json::json;

use crate::args::AgentArgs;
use crate::env;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// The one descriptor with a token that a program would inherit: `main` keeps back all but the standard ones.
const STDIN: u32 = 0;

/// Commands about secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// List the secrets, without their values
    List(ListArgs),
    /// Print the value of a secret
    Get(GetArgs),
    /// Run a program with the secrets in its environment, in place of this one
    Exec(ExecArgs),
}

/// Options of `secrets list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    agent: AgentArgs,
}

/// Options of `secrets get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Which one
    key: String,
}

/// Options of `secrets exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// Only these secrets [default: all whose keys can be variables]
    #[arg(long, value_name = "KEY,...", value_delimiter = ',')]
    only: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(command: &SecretsCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        SecretsCommand::List(args) => list(args, io).await,
        SecretsCommand::Get(args) => get(args, io).await,
        SecretsCommand::Exec(args) => exec(args).await,
    }
}

async fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    let secrets = args.agent.client()?.list_secrets().await?;
    for secret in &secrets {
        io.data(secret, || format!("{}  {}", secret.key, secret.scope))?;
    }
    if secrets.is_empty() {
        io.note("no secrets");
    }
    Ok(Exit::Done)
}

async fn get(args: &GetArgs, io: &Output) -> anyhow::Result<Exit> {
    let secrets = args.agent.client()?.pull_secrets().await?;
    let value = secrets.get(&args.key).ok_or_else(|| missing(&args.key))?;
    if io.is_json() {
        io.data(
            &json!({"key": args.key, "value": value.expose()}),
            String::new,
        )?;
    } else {
        io.raw(value.expose())?;
    }
    Ok(Exit::Done)
}

fn missing(key: &str) -> Problem {
    Problem::usage(format!(
        "the platform has no secret {key:?} for this workspace; `molecule-agent secrets list` shows which there are"
    ))
}

async fn exec(args: &ExecArgs) -> anyhow::Result<Exit> {
    let secrets = chosen(args.agent.client()?.pull_secrets().await?, &args.only)?;
    let (program, arguments) = args
        .command
        .split_first()
        .expect("the command line requires a program");
    #[expect(
        clippy::disallowed_methods,
        reason = "the program takes this one's place; its environment is scrubbed here"
    )]
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(env::inheritable())
        .envs(secrets.iter().map(|(key, value)| (key, value.expose())));
    if args.agent.identity.token_fd == Some(STDIN) {
        // A file can be read again from its beginning.
        command.stdin(Stdio::null());
    }
    let error = command.exec();
    let name = program.to_string_lossy();
    Err(error).context(Problem::usage(format!(
        "cannot run {name}; is it installed, and in the PATH?"
    )))
}

/// The secrets to pass on. One that cannot be passed on is an error if it was asked for, and else left out.
fn chosen(secrets: BTreeMap<String, Secret>, only: &[String]) -> anyhow::Result<SecretEnv> {
    if !only.is_empty() {
        let chosen = SecretEnv::only(secrets, only);
        return Ok(chosen.map_err(|unfit| Problem::usage(unfit.to_string()))?);
    }
    let (fitting, left_out) = SecretEnv::fitting(secrets);
    for unfit in left_out {
        tracing::warn!("left out: {unfit}");
    }
    Ok(fitting)
}
