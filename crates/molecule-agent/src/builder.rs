//! How a client is put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use molecule_peers::PeerCache;
use molecule_protocol::endpoints::Delivery;
use molecule_protocol::{AgentCard, PlatformUrl, WorkspaceId};
use molecule_token_store::{Token, Wait};
use molecule_transport::{
    Clock, Origin, RateBudget, ReqwestTransport, StackOptions, SystemClock, Timeouts, Transport,
    stack,
};

use crate::caller::Caller;
use crate::client::Settings;
use crate::files::Files;
use crate::foreign::Foreign;
use crate::peers::Peers;
use crate::tokens::{Given, LOCK_WAIT, Tokens};
use crate::vitals::Vitals;
use crate::wake::Wakes;
use crate::{AdminClient, AgentError, Cadence, Journal, RemoteAgentClient};

/// How often the agent says that it lives.
pub const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
/// How often the agent asks whether to go on.
pub const DEFAULT_STATE_POLL_INTERVAL: Duration = Duration::from_secs(30);
/// How often the agent asks for messages.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Options of a client; made by [`RemoteAgentClient::builder`].
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    workspace_id: WorkspaceId,
    platform: PlatformUrl,
    agent_card: Option<AgentCard>,
    delivery: Delivery,
    state_dir: Option<PathBuf>,
    given: Option<Given>,
    token_lock_wait: Wait,
    intervals: (Duration, Duration, Duration),
    a2a_timeout: Duration,
    url_cache_ttl: Duration,
    allow_private_peers: bool,
    peer_transport: Option<Arc<dyn Transport>>,
    files: Files,
    connection: Connection,
}

/// What it takes to talk to a platform, whoever talks.
#[derive(Clone, Default)]
struct Connection {
    org_id: Option<String>,
    without_origin: bool,
    ca_file: Option<PathBuf>,
    insecure_http: bool,
    deadline: Option<Duration>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    budget: Option<RateBudget>,
    has_cursors: Arc<AtomicBool>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("workspace_id", &self.workspace_id)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(workspace_id: WorkspaceId, platform: PlatformUrl) -> Self {
        Self {
            workspace_id,
            platform,
            agent_card: None,
            delivery: Delivery::Poll,
            state_dir: None,
            given: None,
            token_lock_wait: LOCK_WAIT,
            intervals: (
                DEFAULT_HEARTBEAT_INTERVAL,
                DEFAULT_STATE_POLL_INTERVAL,
                DEFAULT_POLL_INTERVAL,
            ),
            a2a_timeout: Timeouts::A2A.idle_read,
            url_cache_ttl: molecule_peers::DEFAULT_TTL,
            allow_private_peers: false,
            peer_transport: None,
            files: Files::default(),
            connection: Connection::default(),
        }
    }

    /// What the agent says about itself. Default: `{"name": "remote-agent-<first 8 of the id>"}`.
    pub fn agent_card(mut self, card: AgentCard) -> Self {
        self.agent_card = Some(card);
        self
    }

    /// An address at which the platform can reach the agent: messages are pushed there.
    /// Default: none, and messages are polled for.
    pub fn reported_url(mut self, url: impl Into<String>) -> Self {
        self.delivery = Delivery::Push { url: url.into() };
        self
    }

    /// The agent's directory, with the token and the cursor. Default: `~/.molecule/<workspace id>`.
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(dir.into());
        self
    }

    /// The token. Default: the one in the agent's directory.
    pub fn token(mut self, token: Token) -> Self {
        self.given = Some(Given::Fixed(token));
        self
    }

    /// A file with the token that something else maintains; read as it is mounted, for every request.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.given = Some(Given::File(path.into()));
        self
    }

    /// Reads the token from `.auth_token` in the config volume of a container, for every call, and keeps the one that a registration
    /// brings there, with mode 0600. Whoever provisions the container may replace the file at any time.
    pub fn token_volume(mut self, dir: impl AsRef<Path>) -> Self {
        self.given = Some(Given::Volume(dir.as_ref().join(".auth_token")));
        self
    }

    /// How long another process may hold the token file before a call that needs it fails. Default: 5 s.
    pub const fn token_lock_wait(mut self, wait: Wait) -> Self {
        self.token_lock_wait = wait;
        self
    }

    /// How often to say that the agent lives. Default: 30 s.
    pub const fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.intervals.0 = interval;
        self
    }

    /// How often to ask whether to go on. Default: 30 s.
    pub const fn state_poll_interval(mut self, interval: Duration) -> Self {
        self.intervals.1 = interval;
        self
    }

    /// How often to ask for messages. Default: 5 s.
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.intervals.2 = interval;
        self
    }

    /// How long to wait for another agent to take a message. Default: 30 s.
    pub const fn a2a_timeout(mut self, timeout: Duration) -> Self {
        self.a2a_timeout = timeout;
        self
    }

    /// How long to remember where a peer is. Default: 300 s.
    pub const fn url_cache_ttl(mut self, ttl: Duration) -> Self {
        self.url_cache_ttl = ttl;
        self
    }

    /// Lets [`call_peer`](RemoteAgentClient::call_peer) call peers on this machine and on private networks directly:
    /// whoever can register a peer then decides where in your network a message is posted to. Default: only public
    /// addresses.
    pub const fn allow_private_peers(mut self) -> Self {
        self.allow_private_peers = true;
        self
    }

    /// The transport to peers' own addresses, in place of one that checks them. It gets neither the token nor anything
    /// else that is for the platform.
    pub fn peer_transport(mut self, transport: impl Transport) -> Self {
        self.peer_transport = Some(Arc::new(transport));
        self
    }

    /// File work (token, cursor, journal) on the async thread, where it holds up everything else for as long as the disk takes. It is
    /// for simulations in one thread, whose order of events must not depend on other threads. Default: on threads of its own.
    pub const fn inline_files(mut self) -> Self {
        self.files = Files::Inline;
        self
    }

    /// The organisation whose tenant the platform is, sent as `X-Molecule-Org-Id`.
    pub fn org_id(mut self, org_id: impl Into<String>) -> Self {
        self.connection.org_id = Some(org_id.into());
        self
    }

    /// Sends no `Origin` header: needed behind a proxy that rewrites `Host`.
    pub const fn without_origin_header(mut self) -> Self {
        self.connection.without_origin = true;
        self
    }

    /// A PEM file of certificate authorities to trust besides the system's.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.connection.ca_file = Some(path.into());
        self
    }

    /// Lets the token cross plain http to a public host.
    pub const fn allow_insecure_http(mut self) -> Self {
        self.connection.insecure_http = true;
        self
    }

    /// The longest that one call may take, with all its retries. Default: no limit but theirs.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.connection.deadline = Some(deadline);
        self
    }

    /// The transport below retries, pacing and authorization. Default: reqwest.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.connection.transport = Some(Arc::new(transport));
        self
    }

    /// Where time, sleep and jitter come from. Default: the system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.connection.clock = Some(clock);
        self
    }

    /// The rate limit that this client shares with others of the process. Default: none, and the platform's answers set the
    /// pace of this client alone. A [`Fleet`](crate::Fleet) shares one among its agents.
    pub fn rate_budget(mut self, budget: RateBudget) -> Self {
        self.connection.budget = Some(budget);
        self
    }

    /// One of many: intervals are at least those of the cadence where that is not the usual one.
    pub(crate) fn in_cadence(mut self, cadence: &Cadence) -> Self {
        let (heartbeat, state, poll) = self.intervals;
        self.intervals = (
            stretched(heartbeat, DEFAULT_HEARTBEAT_INTERVAL, cadence.heartbeat),
            stretched(state, DEFAULT_STATE_POLL_INTERVAL, cadence.state),
            stretched(poll, DEFAULT_POLL_INTERVAL, cadence.poll),
        );
        self
    }

    pub(crate) const fn workspace_id(&self) -> WorkspaceId {
        self.workspace_id
    }

    pub(crate) fn origin(&self) -> Origin {
        origin(&self.platform)
    }

    /// Takes time, connections and budget from others, where it was not given its own, and learns with them what the platform can.
    pub(crate) fn sharing(
        mut self,
        clock: &Arc<dyn Clock>,
        budget: RateBudget,
        has_cursors: &Arc<AtomicBool>,
        transports: &mut Transports,
    ) -> Result<Self, AgentError> {
        let own = &mut self.connection;
        own.clock.get_or_insert_with(|| Arc::clone(clock));
        own.budget.get_or_insert(budget);
        own.has_cursors = Arc::clone(has_cursors);
        if own.transport.is_none() {
            own.transport = Some(transports.get(own.ca_file.as_ref())?);
        }
        Ok(self)
    }

    /// The client. Nothing is sent and nothing is written yet.
    ///
    /// # Errors
    /// When there is no directory for the agent's files, or an option cannot be used.
    pub fn build(self) -> Result<RemoteAgentClient, AgentError> {
        check_interval("the heartbeat interval", self.intervals.0)?;
        check_interval("the state poll interval", self.intervals.1)?;
        check_interval("the poll interval", self.intervals.2)?;
        let state_dir = self
            .state_dir
            .map_or_else(|| default_state_dir(&self.workspace_id), Ok)?;
        let clock = self.connection.clock();
        let has_cursors = Arc::clone(&self.connection.has_cursors);
        let foreign = Foreign::new(
            self.allow_private_peers,
            self.connection.ca_file.clone(),
            clock.clone(),
            self.peer_transport,
        );
        let caller = self.connection.caller(
            self.platform,
            Tokens::new(self.given, &state_dir, self.token_lock_wait, self.files),
            clock.clone(),
        )?;
        let (heartbeat_interval, state_poll_interval, poll_interval) = self.intervals;
        let agent_card = self
            .agent_card
            .unwrap_or_else(|| AgentCard::default_for(&self.workspace_id));
        Ok(RemoteAgentClient::new(Settings {
            agent_card: Mutex::new(agent_card),
            a2a_timeout: self.a2a_timeout,
            workspace_id: self.workspace_id,
            delivery: Mutex::new(self.delivery),
            files: self.files,
            journal: default_journal(&state_dir).with_files(self.files),
            vitals: Vitals::new(Arc::clone(&clock)),
            state_dir,
            heartbeat_interval,
            state_poll_interval,
            poll_interval,
            started: clock.now(),
            clock,
            has_cursors,
            caller,
            peers: Peers::new(PeerCache::new().with_ttl(self.url_cache_ttl)),
            foreign,
            wakes: Wakes::default(),
        }))
    }

    /// A client of the platform's administrator over the same connection, with its own token.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub(crate) fn build_admin(self, token: Token) -> Result<AdminClient, AgentError> {
        let clock = self.connection.clock();
        let tokens = Tokens::new(
            Some(Given::Fixed(token)),
            Path::new(""),
            self.token_lock_wait,
            self.files,
        );
        Ok(AdminClient::new(self.connection.caller(
            self.platform,
            tokens,
            clock,
        )?))
    }
}

/// One transport for each set of certificate authorities.
#[derive(Default)]
pub(crate) struct Transports {
    built: BTreeMap<Option<PathBuf>, Arc<dyn Transport>>,
}

impl Transports {
    fn get(&mut self, ca_file: Option<&PathBuf>) -> Result<Arc<dyn Transport>, AgentError> {
        let key = ca_file.cloned();
        if let Some(transport) = self.built.get(&key) {
            return Ok(Arc::clone(transport));
        }
        let transport: Arc<dyn Transport> = Arc::new(reqwest(key.clone())?);
        self.built.insert(key, Arc::clone(&transport));
        Ok(transport)
    }
}

impl Connection {
    fn clock(&self) -> Arc<dyn Clock> {
        self.clock
            .clone()
            .unwrap_or_else(|| Arc::new(SystemClock::new()))
    }

    fn caller(
        self,
        platform: PlatformUrl,
        tokens: Tokens,
        clock: Arc<dyn Clock>,
    ) -> Result<Caller, AgentError> {
        let mut options = StackOptions::new(origin(&platform), clock)
            .with_tokens(Arc::new(tokens.clone()))
            .with_origin_header(!self.without_origin)
            .with_insecure_http(self.insecure_http);
        if let Some(budget) = self.budget {
            options = options.with_budget(budget);
        }
        if let Some(org_id) = &self.org_id {
            options = options.with_org_id(header_value("the organisation id", org_id)?);
        }
        let transport: Arc<dyn Transport> = match self.transport {
            Some(transport) => transport,
            None => Arc::new(reqwest(self.ca_file)?),
        };
        Ok(Caller::new(
            platform,
            Arc::new(stack(transport, options)),
            tokens,
            self.deadline,
        ))
    }
}

#[cfg(feature = "journal")]
fn default_journal(state_dir: &Path) -> Journal {
    Journal::open(Journal::path_in(state_dir))
}

#[cfg(not(feature = "journal"))]
fn default_journal(_: &Path) -> Journal {
    Journal::volatile()
}

fn stretched(own: Duration, usual: Duration, cadence: Duration) -> Duration {
    if cadence > usual {
        own.max(cadence)
    } else {
        own
    }
}

fn reqwest(ca_file: Option<PathBuf>) -> Result<ReqwestTransport, AgentError> {
    let mut builder = ReqwestTransport::builder();
    if let Some(path) = ca_file {
        builder = builder.with_ca_file(path);
    }
    Ok(builder.build()?)
}

fn origin(platform: &PlatformUrl) -> Origin {
    let uri = platform
        .to_string()
        .parse()
        .expect("a checked URL is a URI");
    Origin::of(&uri).expect("a platform URL is absolute and http or https")
}

/// None at all would be a flood, and a year is as good as never.
pub(crate) fn check_interval(option: &'static str, interval: Duration) -> Result<(), AgentError> {
    if (Duration::from_millis(1)..=Duration::from_secs(366 * 24 * 3600)).contains(&interval) {
        return Ok(());
    }
    let reason = "it has to be between a millisecond and a year";
    Err(AgentError::Option {
        option,
        value: format!("{interval:?}"),
        reason,
    })
}

fn header_value(option: &'static str, value: &str) -> Result<HeaderValue, AgentError> {
    let reason = "only visible ASCII can go into a header";
    HeaderValue::from_str(value).map_err(|_| AgentError::Option {
        option,
        value: value.to_owned(),
        reason,
    })
}

/// An agent's directory unless it is told another: `~/.molecule/<workspace id>`, where the Python SDK keeps its token too.
///
/// # Errors
/// When there is no home directory.
pub fn default_state_dir(workspace_id: &WorkspaceId) -> Result<PathBuf, AgentError> {
    let home = std::env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or(AgentError::NoHome)?;
    Ok(home.join(".molecule").join(workspace_id.to_string()))
}
