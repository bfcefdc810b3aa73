//! One module for each family of commands.

pub(crate) mod approvals;
pub(crate) mod attachment;
pub(crate) mod attachments;
pub(crate) mod card;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod dead_letters;
pub(crate) mod delegations;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod fleet;
pub(crate) mod history;
pub(crate) mod man;
pub(crate) mod memory;
pub(crate) mod messages;
pub(crate) mod peers;
pub(crate) mod plugin;
pub(crate) mod secrets;
pub(crate) mod single;
pub(crate) mod status;
pub(crate) mod stub;
pub(crate) mod token;
pub(crate) mod workspace;

use clap::Subcommand;
use molecule_agent::protocol::endpoints::Lookup;
use molecule_agent::{AgentError, RemoteAgentClient};

use crate::exit::Exit;
use crate::options::Setting;
use crate::output::Output;
use crate::runtime::block_on;

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
    /// Show how the agent that runs here is
    Status(status::StatusArgs),
    /// List messages to the agent, without taking them; and those that it gave up
    Inbox(messages::InboxArgs),
    /// Answer a message
    Reply(messages::ReplyArgs),
    /// Show a text to the person at the canvas
    Notify(messages::NotifyArgs),
    /// Hand a task to another workspace
    Delegate(delegations::DelegateArgs),
    /// List the tasks handed to other workspaces, and what came of them
    Delegations(delegations::DelegationsArgs),
    /// The conversation with the person at the canvas
    History(history::HistoryArgs),
    /// Files that the platform keeps for the agent
    #[command(subcommand)]
    Attachments(attachments::AttachmentsCommand),
    /// Ask a person before doing something
    #[command(subcommand)]
    Approvals(approvals::ApprovalsCommand),
    /// What the agent remembers
    #[command(subcommand)]
    Memory(memory::MemoryCommand),
    /// List the workspaces that the agent may talk to
    Peers(peers::PeersArgs),
    /// Ask the platform where a peer takes messages
    Discover(peers::DiscoverArgs),
    /// Send a message to a peer, and print what it answers
    Call(peers::CallArgs),
    /// The secrets that the platform's user entrusts to the agent
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Install plugins, look after them, and make them
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Print the manifest hash of a plugin's directory
    #[command(name = "verify-sha256")]
    VerifySha256(plugin::VerifySha256Args),
    /// The agent's own token, and the others of its workspace
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Create and manage workspaces, as the administrator
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// The settings, and where each comes from
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look for what keeps the agent from working, and say what to do
    Doctor(doctor::DoctorArgs),
    /// The smallest program that a platform takes for a workspace's container
    Stub(stub::StubArgs),
    /// A local platform to develop against
    Dev(dev::DevArgs),
    /// A local platform, an agent and a conversation, in one command
    Demo(demo::DemoArgs),
    /// Print a script that completes this command line
    Completions(completions::CompletionsArgs),
    /// Print the manual page of a command
    Man(man::ManArgs),
}

/// Runs a command. Only those that call a platform, or are one, start the runtime.
///
/// # Errors
/// Whatever made it fail; [`Exit::of`] says how to end then.
pub(crate) fn run(command: &Command, settings: &[Setting], io: &Output) -> anyhow::Result<Exit> {
    match command {
        Command::Register(args) => block_on(single::register(args, io)),
        Command::State(args) => block_on(single::state(args, io)),
        Command::Heartbeat(args) => block_on(single::heartbeat(args, io)),
        Command::Card(command) => block_on(card::run(command, io)),
        Command::Connect(args) => block_on(connect::run(args, io)),
        Command::Status(args) => block_on(status::run(args, io)),
        Command::Inbox(args) => block_on(messages::inbox(args, io)),
        Command::Reply(args) => block_on(messages::reply(args, io)),
        Command::Notify(args) => block_on(messages::notify(args, io)),
        Command::Delegate(args) => block_on(delegations::delegate(args, io)),
        Command::Delegations(args) => block_on(delegations::list(args, io)),
        Command::History(args) => block_on(history::run(args, io)),
        Command::Attachments(command) => block_on(attachments::run(command, io)),
        Command::Approvals(command) => block_on(approvals::run(command, io)),
        Command::Memory(command) => block_on(memory::run(command, io)),
        Command::Peers(args) => block_on(peers::peers(args, io)),
        Command::Discover(args) => block_on(peers::discover(args, io)),
        Command::Call(args) => block_on(peers::call(args, io)),
        Command::Secrets(command) => block_on(secrets::run(command, io)),
        Command::Plugin(command) => plugin::run(command, io),
        Command::VerifySha256(args) => plugin::verify_sha256(args, io),
        Command::Token(command) => token::run(command, io),
        Command::Workspace(command) => block_on(workspace::run(command, io)),
        Command::Config(config::ConfigCommand::Show(_)) => config::show(settings, io),
        Command::Doctor(args) => block_on(doctor::run(args, io)),
        Command::Stub(args) => block_on(stub::run(args, io)),
        Command::Dev(args) => block_on(dev::run(args, io)),
        Command::Demo(args) => block_on(demo::run(args, io)),
        Command::Completions(args) => completions::run(args, io),
        Command::Man(args) => man::run(args, io),
    }
}

/// Finds out whether the workspace is there. A platform answers many calls of one that it deleted as if nothing had happened,
/// because no token of it is left to be asked for.
///
/// # Errors
/// When it was deleted, the platform does not know it, or gives no usable answer.
pub(crate) async fn check_present(client: &RemoteAgentClient) -> anyhow::Result<()> {
    let id = client.workspace_id();
    match client.look().await? {
        Lookup::Found(_) => Ok(()),
        Lookup::Removed => Err(AgentError::Deleted(id).into()),
        _ => Err(AgentError::UnknownWorkspace(id).into()),
    }
}
