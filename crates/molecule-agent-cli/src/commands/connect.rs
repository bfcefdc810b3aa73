//! `connect`: the main job. An agent runs until it is paused, deleted or stopped.

mod container;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint, value_parser};
use molecule_agent::protocol::endpoints::Lookup;
use molecule_agent::transport::{Origin, RateBudget, SystemClock};
use molecule_agent::{
    AgentError, AgentLoop, ClientBuilder, Connect, EventsMode, FleetAgent, HeartbeatLoop,
    PollOptions, PushOptions, RemoteAgentClient, Since, StopReason, Token, WorkspaceId,
};

use crate::admin::{self, AgentSocket, Agents, Watched};
use crate::agent::read_token_file;
use crate::agent_lock::AgentLock;
use crate::args::{AgentArgs, JoinArgs};
use crate::commands::fleet;
use crate::commands::single::mode_name;
use crate::duration;
use crate::exit::{Exit, Problem};
use crate::handlers::{Context, HandlerArgs, NO_HANDLER};
use crate::listen_address::ListenAddress;
use crate::open_files;
use crate::output::Output;
use crate::signals::Signals;

/// Options of `connect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --runtime the environment says what nothing else does: PLATFORM_URL (or MOLECULE_URL) [default: http://host.docker.internal:8080 in Docker,
else http://localhost:8080]; CONFIGS_DIR is the volume with the token, WORKSPACE_CONFIG_PATH that with the mark of the initial prompt
[default: each other, /configs]; http://HOSTNAME:8000 is the address to register; delegations that ended are appended to
DELEGATION_RESULTS_FILE [default: delegation_results.jsonl in the directory for temporary files].")]
pub(crate) struct ConnectArgs {
    /// The workspace that the agent is; the same as --workspace-id
    #[arg(value_name = "WORKSPACE_ID", conflicts_with = "workspace_id")]
    workspace: Option<WorkspaceId>,
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    join: JoinArgs,
    #[command(flatten)]
    handler: HandlerArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// The agents, where there are many.
    #[arg(skip)]
    pub(crate) members: Vec<Member>,
}

/// Many agents in one process.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Many agents")]
pub(super) struct FleetArgs {
    /// Run all agents of this TOML file: what is for all, and an [[agent]] table for each
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["workspace", "workspace_id", "state_dir", "token_file", "token_fd", "cursor_file"]
    )]
    agents: Option<PathBuf>,
    /// The requests a minute that all agents may make together [default: 600 for many agents, no limit for one]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub(super) rate_limit: Option<u32>,
}

/// One of many agents.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) args: ConnectArgs,
    /// Its token, where the environment gives it.
    pub(crate) token: Option<Token>,
}

/// How the agent runs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Running")]
struct RunArgs {
    /// How messages come: auto has them pushed to --reported-url, and polls without one, or where the platform cannot push them
    #[arg(long, value_name = "MODE", default_value = "auto")]
    mode: Mode,
    /// Run as the runtime of the container in which this is, told by its environment what a container is told
    #[arg(long, conflicts_with_all = ["agents", "token_file", "token_fd"])]
    runtime: bool,
    /// Send the agent this text once in the life of its volume, with --runtime
    #[arg(long, value_name = "TEXT")]
    initial_prompt: Option<String>,
    /// Listen for pushed messages at this address; a port alone is one of 127.0.0.1, and 0 takes a free one [default: 127.0.0.1:8000, with
    /// --runtime 0.0.0.0:8000]
    #[arg(long, value_name = "ADDR", value_parser = str::parse::<ListenAddress>)]
    listen: Option<ListenAddress>,
    /// Take pushed messages only with the bearer token in this file; platforms send none, so that what is between has to add it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    inbound_token_file: Option<PathBuf>,
    /// Which messages from before its first run the agent handles: all, now, or those of the last while
    #[arg(long, value_name = "WHEN", default_value = "30s", value_parser = duration::parse_since)]
    since: Since,
    /// Wait while the workspace is paused, instead of ending
    #[arg(long)]
    stay: bool,
    /// How long a running handler may take to finish when the agent has to stop
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    drain_timeout: Duration,
    /// Whether to be told of messages as they come: auto does where the platform has a stream of events, and polls once a minute then
    #[arg(long, value_name = "MODE", default_value = "auto")]
    events: Events,
    /// How many handlers may run at the same time; the messages of one conversation are handled in order all the same
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    concurrency: u32,
    /// How often a handler is started with a message before the message is given up and kept as a dead letter
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    attempts: u32,
    /// How often to ask for messages
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_interval)]
    poll_interval: Duration,
    /// How often to say that the agent lives
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse_interval)]
    heartbeat_interval: Duration,
    /// How often to ask whether to go on
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse_interval)]
    state_poll_interval: Duration,
    /// Answer health, readiness and metrics at this address; a port alone is one of 127.0.0.1, and 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = str::parse::<ListenAddress>)]
    admin_listen: Option<ListenAddress>,
    /// Where the agent's place in the log is kept [default: cursor, in its directory]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    cursor_file: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<u32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=1_000).contains(number));
    number.ok_or_else(|| "a number from 1 to 1000".to_owned())
}

/// Whether the agent listens to events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Events {
    /// Where the platform has them.
    Auto,
    /// It polls alone.
    Off,
}

impl From<Events> for EventsMode {
    fn from(events: Events) -> Self {
        match events {
            Events::Auto => Self::Auto,
            Events::Off => Self::Off,
        }
    }
}

/// How messages reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Push where an address is reported and the platform takes it, poll elsewhere.
    Auto,
    /// The agent asks for them.
    Poll,
    /// The platform posts them to the reported address.
    Push,
}

/// How messages come after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The agent asks for them.
    Poll,
    /// The agent is called, and may poll where that does not work.
    Push { fallback: bool },
    /// The agent is called as the runtime of a container.
    Runtime,
    /// Something else is called.
    Elsewhere,
}

pub(crate) async fn run(args: &ConnectArgs, io: &Output) -> anyhow::Result<Exit> {
    if !args.members.is_empty() {
        return fleet::run(&args.members, io).await;
    }
    let args = args.with_id().in_its_place();
    let way = args.way()?;
    let client = args.client()?;
    args.check_handler(way)?;
    // A container that the platform made is known to it, and does not end because the platform is away.
    if !args.join.create && way != Way::Runtime {
        look_before_moving_in(&client).await?;
    }
    let lock = AgentLock::take(client.state_dir()).await?;
    open_files::make_room_for([args.run.concurrency]);
    let signals = Signals::listen()?;
    let watched = Watched::new(&client, way != Way::Elsewhere);
    let _listening = match args.run.admin_listen {
        Some(address) => {
            let agents = Agents::expected([]);
            agents.add(watched.clone());
            Some(admin::listen(address, &agents, io).await?)
        }
        None => None,
    };
    let _socket = AgentSocket::open(client.state_dir(), watched, &lock, io);
    let running = async {
        match way {
            Way::Elsewhere => stay_online(&args, &client, &signals, io).await,
            Way::Runtime => container::serve(&args, &client, &signals, io).await,
            way => handle(&args, way, &client, &signals, io).await,
        }
    };
    let reason = tokio::select! {
        reason = running => reason?,
        problem = forced(&signals, io) => return Err(problem.into()),
    };
    stopped(reason, &client, io)
}

/// A mistyped id leaves no directory behind: before the first one is made, the platform is asked whether it knows the
/// workspace.
pub(super) async fn look_before_moving_in(client: &RemoteAgentClient) -> anyhow::Result<()> {
    if client.state_dir().exists() {
        return Ok(());
    }
    match client.look().await? {
        Lookup::Found(_) => Ok(()),
        Lookup::Removed => Err(AgentError::Deleted(client.workspace_id()).into()),
        _ => Err(AgentError::UnknownWorkspace(client.workspace_id()).into()),
    }
}

/// Tells a person why there is no agent online yet.
async fn say_if_waiting(args: &ConnectArgs, client: &RemoteAgentClient, io: &Output) {
    if !args.run.stay || args.join.resume {
        return;
    }
    // Joining asks again, and reports what goes wrong.
    if let Ok(Lookup::Found(info)) = client.look().await
        && info.status.as_str() == "paused"
    {
        io.note("waiting: its user paused the workspace");
    }
}

/// Ends when a second signal came.
pub(super) async fn forced(signals: &Signals, io: &Output) -> Problem {
    signals.stop.cancelled().await;
    io.note("stopping: what runs may finish; a second signal ends it at once");
    signals.force.cancelled().await;
    let message = "a second signal ended the agent; a message that was being handled is handled again next time";
    Problem::new(Exit::Unexpected, message)
}

/// The agent gets messages and handles them.
async fn handle(
    args: &ConnectArgs,
    way: Way,
    client: &RemoteAgentClient,
    signals: &Signals,
    io: &Output,
) -> anyhow::Result<StopReason> {
    let handler = args.handler.build(Context::new(client.clone())).await?;
    say_if_waiting(args, client, io).await;
    let (online, joined) = (*io, client.clone());
    let connect = args.connect(way)?.with_on_registered(move |registration| {
        let mode = match registration.listening {
            Some(address) => format!("push mode, listening at {address}"),
            None => format!("{} mode", mode_name(registration.delivery_mode)),
        };
        say_online(&joined, &mode, &online);
    });
    Ok(client.connect(handler, connect, &signals.stop).await?)
}

/// Something else answers at the reported address; the agent keeps the workspace online.
async fn stay_online(
    args: &ConnectArgs,
    client: &RemoteAgentClient,
    signals: &Signals,
    io: &Output,
) -> anyhow::Result<StopReason> {
    match client.register_with(args.join.options()).await {
        Err(AgentError::Paused(_)) => return Ok(StopReason::Paused),
        registered => registered?,
    };
    say_online(client, "push mode", io);
    Ok(client
        .run_heartbeat_loop(HeartbeatLoop::new(), &signals.stop)
        .await?)
}

fn say_online(client: &RemoteAgentClient, mode: &str, io: &Output) {
    let (id, platform) = (client.workspace_id(), client.platform_url());
    io.note(&format!("online: workspace {id} at {platform}, {mode}"));
}

fn stopped(reason: StopReason, client: &RemoteAgentClient, io: &Output) -> anyhow::Result<Exit> {
    let why = match reason {
        StopReason::Removed => return Err(AgentError::Deleted(client.workspace_id()).into()),
        StopReason::Paused => {
            "its user paused the workspace (--stay waits for the end of the pause, --resume ends it)"
        }
        StopReason::Cancelled => "asked to by a signal; nothing is left undone",
        _ => "done",
    };
    io.note(&format!("stopped: {why}"));
    Ok(Exit::Done)
}

impl Member {
    /// The agent, which takes its lock and makes its handler when it is its turn to start.
    ///
    /// # Errors
    /// When an option is missing or cannot be used.
    pub(super) fn agent(&self, agents: &Agents, io: &Output) -> anyhow::Result<FleetAgent> {
        let args = &self.args;
        if args.run.runtime {
            let message = "one of many agents is no container's runtime: leave out runtime";
            return Err(Problem::usage(message).into());
        }
        if args.run.mode == Mode::Push || args.join.reported_url.is_some() {
            let message = "one of many agents polls for messages: leave out reported_url, and mode = \"push\"";
            return Err(Problem::usage(message).into());
        }
        let way = args.way()?;
        args.check_handler(way)?;
        let builder = args.agent.member_builder(self.token.clone())?;
        let builder = args
            .join
            .configure(&args.agent, args.run.configure(builder))?;
        let entry = fleet::Entry {
            handler: args.handler.clone(),
            create: args.join.create,
            agents: agents.clone(),
            io: *io,
        };
        let prepare = move |client| {
            let entry = entry.clone();
            async move { entry.prepare(client).await }
        };
        Ok(FleetAgent::prepared_by(builder, prepare).with_connect(args.connect(way)?))
    }

    /// Whose agent it is.
    pub(super) fn workspace_id(&self) -> Option<WorkspaceId> {
        self.args.workspace_id()
    }

    /// How many of its handlers may run at the same time.
    pub(super) const fn concurrency(&self) -> u32 {
        self.args.run.concurrency
    }

    /// Where all agents are watched.
    pub(super) fn admin_listen(&self) -> Option<ListenAddress> {
        self.args.run.admin_listen
    }

    /// How many requests all agents may make.
    pub(super) fn rate_limit(&self) -> Option<u32> {
        self.args.fleet.rate_limit
    }
}

impl ConnectArgs {
    pub(crate) fn workspace_id(&self) -> Option<WorkspaceId> {
        self.agent.identity.place.workspace_id
    }

    fn connect(&self, way: Way) -> anyhow::Result<Connect> {
        let connect = Connect::new()
            .with_register(self.join.options())
            .with_stay(self.run.stay)
            .with_agent_loop(self.run.agent_loop())
            .with_poll(self.run.poll());
        Ok(match way {
            Way::Push { fallback } => connect.with_push(self.run.push(fallback)?),
            _ => connect,
        })
    }

    fn with_id(&self) -> Self {
        let mut args = self.clone();
        let place = &mut args.agent.identity.place;
        place.workspace_id = self.workspace.or(place.workspace_id);
        args
    }

    /// How messages come. Who reports an address and has no handler means that something else answers there.
    fn way(&self) -> anyhow::Result<Way> {
        let (is_reported, is_given) = (self.join.reported_url.is_some(), self.handler.is_given());
        let problem = match self.run.mode {
            Mode::Poll if self.run.runtime => {
                "--mode poll and --runtime exclude each other: the platform calls a container"
            }
            _ if self.run.initial_prompt.is_some() && !self.run.runtime => {
                "--initial-prompt is for the runtime of a container: leave it out, or add --runtime"
            }
            _ if self.run.runtime => return Ok(Way::Runtime),
            Mode::Poll if is_reported => {
                "--mode poll and --reported-url exclude each other: leave one of them out"
            }
            Mode::Auto | Mode::Push if is_reported && !is_given && self.run.stay => {
                "--stay needs a handler here: choose one, or leave out --stay or --reported-url"
            }
            Mode::Auto | Mode::Push if is_reported && !is_given => return Ok(Way::Elsewhere),
            Mode::Push if !is_reported && !self.is_platform_here()? => {
                "--mode push needs the address at which the platform reaches this agent: --reported-url URL; a tunnel or a reverse \
                 proxy may lead from there to --listen"
            }
            Mode::Push => return Ok(Way::Push { fallback: false }),
            Mode::Auto if is_reported => return Ok(Way::Push { fallback: true }),
            Mode::Auto | Mode::Poll => return Ok(Way::Poll),
        };
        Err(Problem::usage(problem).into())
    }

    /// Who gets messages needs something that answers them.
    fn check_handler(&self, way: Way) -> Result<(), Problem> {
        if way == Way::Elsewhere || self.handler.is_given() {
            return Ok(());
        }
        Err(Problem::usage(NO_HANDLER))
    }

    /// Whether the platform is on this machine, where it finds the agent without being told.
    fn is_platform_here(&self) -> anyhow::Result<bool> {
        let url = self.agent.platform.url()?.to_string().parse()?;
        Ok(Origin::of(&url).is_ok_and(|origin| origin.is_loopback()))
    }

    fn client(&self) -> anyhow::Result<RemoteAgentClient> {
        self.join.client(&self.agent, |builder| {
            let mut builder = self.run.configure(builder);
            if self.run.runtime {
                builder = builder.token_volume(container::volume());
            }
            match self.fleet.rate_limit {
                Some(limit) => {
                    builder.rate_budget(RateBudget::new(limit, Arc::new(SystemClock::new())))
                }
                None => builder,
            }
        })
    }
}

impl RunArgs {
    fn configure(&self, builder: ClientBuilder) -> ClientBuilder {
        builder
            .poll_interval(self.poll_interval)
            .heartbeat_interval(self.heartbeat_interval)
            .state_poll_interval(self.state_poll_interval)
    }

    fn agent_loop(&self) -> AgentLoop {
        AgentLoop::new()
            .with_drain_timeout(self.drain_timeout)
            .with_concurrency(self.concurrency as usize)
            .with_attempts(self.attempts)
    }

    fn push(&self, fallback: bool) -> anyhow::Result<PushOptions> {
        let mut options = PushOptions::new().with_fallback(fallback);
        if let Some(ListenAddress(listen)) = self.listen {
            options = options.with_listen(listen);
        }
        Ok(match &self.inbound_token_file {
            Some(path) => options.with_inbound_token(read_token_file(path)?),
            None => options,
        })
    }

    fn poll(&self) -> PollOptions {
        let options = PollOptions::new()
            .with_since(self.since)
            .with_events(self.events.into());
        match &self.cursor_file {
            Some(path) => options.with_cursor_file(path),
            None => options,
        }
    }
}
