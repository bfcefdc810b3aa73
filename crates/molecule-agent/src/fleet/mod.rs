//! Many agents in one process.

mod agent;
mod supervise;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use molecule_protocol::WorkspaceId;
use molecule_transport::{Clock, Origin, RateBudget, SystemClock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use agent::FleetAgent;
use supervise::Supervised;

use crate::builder::Transports;
use crate::{AgentError, Cadence, ClientBuilder, Registration, StopReason};

/// The requests a minute that a platform allows an address, unless it is set up otherwise.
pub const DEFAULT_RATE_LIMIT: u32 = 600;

type OnEvent = Arc<dyn Fn(FleetEvent<'_>) + Send + Sync>;

/// Many agents in one process, over one pool of connections and one rate limit.
///
/// A platform counts the requests of an address, so that many agents behind one have to share what it allows:
///
/// * All requests to a platform go through one [`RateBudget`], heartbeats first, each agent in turn.
/// * Intervals stretch with the number of agents, as [`Cadence::for_agents`] says; longer ones that an agent was given stay.
/// * Agents start one after the other, [`Cadence::between_starts`].
///
/// A workspace has one agent: a second one with its id ends with [`AgentError::TwiceInFleet`].
///
/// Each agent is supervised alone: one that cannot go on ends with its [`AgentOutcome`], one whose trouble may pass starts
/// again, after 1 s at first and 30 s at most, and the others do not notice either.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use molecule_agent::{CancellationToken, Fleet, FleetAgent, InboundMessage, RemoteAgentClient};
///
/// let mut fleet = Fleet::new();
/// for id in ["9e453dad-99f0-4e01-8c72-0031bf974e26", "66e06ec4-90a3-43b9-ad33-4b7d3a1ae8a5"] {
///     let client = RemoteAgentClient::builder(id.parse()?, "https://molecule.example.com".parse()?);
///     let shout = async |message: InboundMessage| message.text.to_uppercase();
///     fleet.add(FleetAgent::new(client, shout));
/// }
/// for outcome in fleet.run(&CancellationToken::new()).await {
///     println!("{}: {:?}", outcome.workspace_id, outcome.result);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Fleet {
    agents: Vec<FleetAgent>,
    rate_limit: u32,
    clock: Arc<dyn Clock>,
    on_event: OnEvent,
}

/// How an agent of a fleet ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct AgentOutcome {
    /// Whose agent it was.
    pub workspace_id: WorkspaceId,
    /// Why it stopped, or what it could not go on for.
    pub result: Result<StopReason, AgentError>,
}

/// What happens to an agent of a fleet.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum FleetEvent<'a> {
    /// It has joined the platform.
    Online {
        /// Whose agent it is.
        workspace_id: WorkspaceId,
        /// What the platform said.
        registration: &'a Registration,
    },
    /// It failed in a way that may pass, and will be started again.
    Restarting {
        /// Whose agent it is.
        workspace_id: WorkspaceId,
        /// How it failed.
        error: &'a AgentError,
        /// When it starts again, from now.
        after: Duration,
    },
    /// It ended for good.
    Ended {
        /// Whose agent it was.
        workspace_id: WorkspaceId,
        /// Why it stopped, or what it could not go on for.
        result: &'a Result<StopReason, AgentError>,
    },
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("agents", &self.agents.len())
            .field("rate_limit", &self.rate_limit)
            .finish_non_exhaustive()
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// A fleet without agents.
    pub fn new() -> Self {
        Self {
            agents: Vec::new(),
            rate_limit: DEFAULT_RATE_LIMIT,
            clock: Arc::new(SystemClock::new()),
            on_event: Arc::new(|_| {}),
        }
    }

    /// Sets how many requests a minute all agents of a platform may make together. Default: 600. A platform that allows less
    /// is obeyed.
    pub const fn with_rate_limit(mut self, per_minute: u32) -> Self {
        self.rate_limit = per_minute;
        self
    }

    /// Sets where time comes from, for agents that were not given their own. Default: the system.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Told what happens to the agents.
    pub fn with_on_event(
        mut self,
        on_event: impl Fn(FleetEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_event = Arc::new(on_event);
        self
    }

    /// Adds an agent.
    pub fn add(&mut self, agent: FleetAgent) {
        self.agents.push(agent);
    }

    /// Adds an agent.
    pub fn with_agent(mut self, agent: FleetAgent) -> Self {
        self.add(agent);
        self
    }

    /// Runs all agents until each has ended, and says how, in the order in which they were added. `cancel` lets all of them
    /// finish what they do; dropping the future ends them at once.
    pub async fn run(self, cancel: &CancellationToken) -> Vec<AgentOutcome> {
        let mut outcomes = Vec::with_capacity(self.agents.len());
        for (workspace_id, agent) in self.start(cancel) {
            let result = match agent.await {
                Ok(result) => result,
                Err(_) => Err(AgentError::TaskFailed("supervisor")),
            };
            outcomes.push(AgentOutcome {
                workspace_id,
                result,
            });
        }
        outcomes
    }

    fn start(self, cancel: &CancellationToken) -> Vec<(WorkspaceId, Agent)> {
        let mut platforms = self.platforms();
        let mut transports = Transports::default();
        let mut running = Vec::with_capacity(self.agents.len());
        let mut known = HashSet::new();
        for agent in self.agents {
            let workspace_id = agent.builder().workspace_id();
            let is_new = known.insert(workspace_id);
            let platform = platforms
                .entry(agent.builder().origin())
                .or_insert_with(|| Platform::new(1, self.rate_limit, &self.clock));
            let (cadence, budget) = (platform.cadence, platform.budget.clone());
            let has_cursors = Arc::clone(&platform.has_cursors);
            let share = |builder: ClientBuilder| {
                builder.in_cadence(&cadence).sharing(
                    &self.clock,
                    budget,
                    &has_cursors,
                    &mut transports,
                )
            };
            let supervised = Supervised {
                workspace_id,
                agent: match is_new {
                    true => agent.map_builder(share),
                    false => Err(AgentError::TwiceInFleet(workspace_id)),
                },
                start: platform.next_start(),
                clock: Arc::clone(&self.clock),
                on_event: Arc::clone(&self.on_event),
                cancel: cancel.clone(),
            };
            let task = AbortOnDropHandle::new(tokio::spawn(supervised.run()));
            running.push((workspace_id, task));
        }
        running
    }

    fn platforms(&self) -> HashMap<Origin, Platform> {
        let mut agents: HashMap<Origin, usize> = HashMap::new();
        for agent in &self.agents {
            *agents.entry(agent.builder().origin()).or_default() += 1;
        }
        let platform = |(origin, agents): (Origin, usize)| {
            let platform = Platform::new(agents, self.rate_limit, &self.clock);
            if !platform.cadence.fits(agents, self.rate_limit) {
                tracing::warn!(
                    %origin, agents, limit = self.rate_limit,
                    "more agents than the rate limit carries: some will be offline at times"
                );
            }
            (origin, platform)
        };
        agents.into_iter().map(platform).collect()
    }
}

/// An agent that runs.
type Agent = AbortOnDropHandle<Result<StopReason, AgentError>>;

/// What agents of one platform share.
struct Platform {
    cadence: Cadence,
    budget: RateBudget,
    /// Whether it is known to have cursors.
    has_cursors: Arc<AtomicBool>,
    between_starts: Duration,
    started: u32,
}

impl Platform {
    fn new(agents: usize, limit: u32, clock: &Arc<dyn Clock>) -> Self {
        Self {
            cadence: Cadence::for_agents(agents, limit),
            budget: RateBudget::new(limit, Arc::clone(clock)),
            has_cursors: Arc::default(),
            between_starts: Cadence::between_starts(limit),
            started: 0,
        }
    }

    /// When the next agent starts, from now.
    fn next_start(&mut self) -> Duration {
        self.started += 1;
        self.between_starts * (self.started - 1)
    }
}
