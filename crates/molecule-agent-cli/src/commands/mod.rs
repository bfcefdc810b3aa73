//! One module for each family of commands.

pub(crate) mod card;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod messages;
pub(crate) mod secrets;
pub(crate) mod single;
pub(crate) mod stub;
pub(crate) mod token;
pub(crate) mod workspace;

use clap::Subcommand;

use crate::exit::Exit;
use crate::options::Setting;
use crate::output::Output;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join the platform, or come back to it
    Register(single::RegisterArgs),
    /// Ask whether the workspace runs, is paused or is deleted
    State(single::StateArgs),
    /// Say once that the agent lives
    Heartbeat(single::HeartbeatArgs),
    /// What the platform knows about the agent
    #[command(subcommand)]
    Card(card::CardCommand),
    /// Run an agent until it is paused, deleted or stopped
    Connect(Box<connect::ConnectArgs>),
    /// List messages to the agent, without taking them
    Inbox(messages::InboxArgs),
    /// Answer a message
    Reply(messages::ReplyArgs),
    /// Show a text to the person at the canvas
    Notify(messages::NotifyArgs),
    /// The secrets that the platform's user entrusts to the agent
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// The agent's own token
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Create and manage workspaces, as the administrator
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// The settings, and where each comes from
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The smallest program that a platform takes for a workspace's container
    Stub(stub::StubArgs),
    /// A local platform to develop against
    Dev(dev::DevArgs),
    /// A local platform, an agent and a conversation, in one command
    Demo(demo::DemoArgs),
    /// Print a script that completes this command line
    Completions(completions::CompletionsArgs),
}

/// Runs a command.
///
/// # Errors
/// Whatever made it fail; [`Exit::of`] says how to end then.
pub(crate) async fn run(
    command: &Command,
    settings: &[Setting],
    io: &Output,
) -> anyhow::Result<Exit> {
    match command {
        Command::Register(args) => single::register(args, io).await,
        Command::State(args) => single::state(args, io).await,
        Command::Heartbeat(args) => single::heartbeat(args, io).await,
        Command::Card(command) => card::run(command, io).await,
        Command::Connect(args) => connect::run(args, io).await,
        Command::Inbox(args) => messages::inbox(args, io).await,
        Command::Reply(args) => messages::reply(args, io).await,
        Command::Notify(args) => messages::notify(args, io).await,
        Command::Secrets(command) => secrets::run(command, io).await,
        Command::Token(command) => token::run(command, io),
        Command::Workspace(command) => workspace::run(command, io).await,
        Command::Config(config::ConfigCommand::Show(_)) => config::show(settings, io),
        Command::Stub(args) => stub::run(args, io).await,
        Command::Dev(args) => dev::run(args, io).await,
        Command::Demo(args) => demo::run(args, io).await,
        Command::Completions(args) => completions::run(args, io),
    }
}
