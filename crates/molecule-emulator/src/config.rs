//! What a local platform can be told before it starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::quirks::Quirks;

/// Which of the two known servers to behave like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Generation {
    /// The server of April 2026: no poll mode, no activity cursor.
    A,
    /// The later server: poll mode, activity cursors, 410 for removed workspaces.
    #[default]
    B,
}

/// The environment that the platform believes to run in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// There is an admin token (one is generated when none is given), and agents on loopback are reached.
    #[default]
    Default,
    /// Without an admin token, requests that carry no bearer pass as the administrator's and nothing is rate limited.
    Development,
    /// Without an admin token, any workspace token counts as one; agents on private addresses are not dispatched to.
    Production,
}

/// When a silent workspace stops counting as online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Liveness {
    /// Age of the last heartbeat from which an external workspace is lost.
    pub stale_after: Duration,
    /// Time between two sweeps.
    pub sweep_every: Duration,
    /// Life of the liveness key that a register sets and a heartbeat extends.
    pub key_ttl: Duration,
}

impl Liveness {
    /// The platform's own times: 90 s, 15 s and 180 s.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stale_after: Duration::from_secs(90),
            sweep_every: Duration::from_secs(15),
            key_ttl: Duration::from_secs(180),
        }
    }

    /// Sets the age of the last heartbeat from which an external workspace is lost.
    #[must_use]
    pub fn with_stale_after(mut self, age: Duration) -> Self {
        self.stale_after = age;
        self
    }

    /// Sets the time between two sweeps.
    #[must_use]
    pub fn with_sweep_every(mut self, period: Duration) -> Self {
        self.sweep_every = period;
        self
    }

    /// Sets the life of the liveness key.
    #[must_use]
    pub fn with_key_ttl(mut self, ttl: Duration) -> Self {
        self.key_ttl = ttl;
        self
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Self::new()
    }
}

/// Options of a local platform.
///
/// ```
/// use molecule_emulator::{EmulatorConfig, Generation};
///
/// let config = EmulatorConfig::new().with_generation(Generation::A).with_rate_limit(60);
/// assert_eq!(config.listen.port(), 0);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct EmulatorConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which server to behave like.
    pub generation: Generation,
    /// The administrator's token. `None` generates one in [`Mode::Default`] and means "no such token" in the other modes.
    pub admin_token: Option<String>,
    /// The environment that the platform believes to run in.
    pub mode: Mode,
    /// Makes the platform a tenant of the hosted service: requests must name this organisation.
    pub org_id: Option<String>,
    /// Requests per minute and client address.
    pub rate_limit: u32,
    /// When a silent workspace stops counting as online.
    pub liveness: Liveness,
    /// Whether rows that are neither external nor provisioned here are failed by the sweep, as on a Docker host.
    pub container_sweep: bool,
    /// Whether there is a provisioner at all; without one, resume answers 503.
    pub provisioner: bool,
    /// Which mistakes it makes; `None` for those of its generation.
    pub quirks: Option<Quirks>,
    /// Whether the hosted service's edge stands in front: requests that do not name the platform as their origin get an
    /// empty 404 below `/workspaces` and from the list of peers.
    pub edge: bool,
    /// Where the state survives a restart of the process.
    pub state_file: Option<PathBuf>,
    /// The plugins of the registry: a directory with one folder for each.
    pub plugins_dir: Option<PathBuf>,
    /// Where the platform takes the time from.
    pub clock: Arc<dyn Clock>,
}

impl EmulatorConfig {
    /// Generation B on a free port of 127.0.0.1, in memory, with the platform's own times and limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            generation: Generation::default(),
            admin_token: None,
            mode: Mode::default(),
            org_id: None,
            rate_limit: 600,
            liveness: Liveness::new(),
            container_sweep: false,
            provisioner: true,
            quirks: None,
            edge: false,
            state_file: None,
            plugins_dir: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sets where to listen.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets which server to behave like.
    #[must_use]
    pub fn with_generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    /// Sets the administrator's token.
    #[must_use]
    pub fn with_admin_token(mut self, token: impl Into<String>) -> Self {
        self.admin_token = Some(token.into());
        self
    }

    /// Sets the environment that the platform believes to run in.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Makes the platform a tenant of the hosted service.
    #[must_use]
    pub fn with_org_id(mut self, org_id: impl Into<String>) -> Self {
        self.org_id = Some(org_id.into());
        self
    }

    /// Sets the requests per minute and client address.
    #[must_use]
    pub fn with_rate_limit(mut self, per_minute: u32) -> Self {
        self.rate_limit = per_minute;
        self
    }

    /// Sets when a silent workspace stops counting as online.
    #[must_use]
    pub fn with_liveness(mut self, liveness: Liveness) -> Self {
        self.liveness = liveness;
        self
    }

    /// Sets whether the sweep fails rows without a container.
    #[must_use]
    pub fn with_container_sweep(mut self, on: bool) -> Self {
        self.container_sweep = on;
        self
    }

    /// Sets whether there is a provisioner.
    #[must_use]
    pub fn with_provisioner(mut self, on: bool) -> Self {
        self.provisioner = on;
        self
    }

    /// Sets which mistakes it makes, whatever its generation.
    #[must_use]
    pub fn with_quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = Some(quirks);
        self
    }

    /// The mistakes it makes: those that were set, or those of its generation.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        self.quirks.unwrap_or_else(|| Quirks::of(self.generation))
    }

    /// Sets whether the hosted service's edge stands in front.
    #[must_use]
    pub fn with_edge(mut self, on: bool) -> Self {
        self.edge = on;
        self
    }

    /// Keeps the state in this file (mode 0600), secrets of workspaces included.
    #[must_use]
    pub fn with_state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Serves the plugins of this directory, one folder each. It is read anew for every request.
    #[must_use]
    pub fn with_plugins_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.plugins_dir = Some(path.into());
        self
    }

    /// Sets where the platform takes the time from.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Whether rows can be `awaiting_agent` and `hibernated`.
    pub(crate) fn has_new_statuses(&self) -> bool {
        !self.quirks().silent_status_enum
    }

    /// Whether private addresses of agents are acceptable, as in the hosted service.
    pub(crate) fn is_tenant(&self) -> bool {
        self.org_id.is_some()
    }
}

impl Default for EmulatorConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EmulatorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorConfig")
            .field("listen", &self.listen)
            .field("generation", &self.generation)
            .field(
                "admin_token",
                &self.admin_token.as_ref().map(|_| "[redacted]"),
            )
            .field("mode", &self.mode)
            .field("org_id", &self.org_id)
            .field("rate_limit", &self.rate_limit)
            .field("liveness", &self.liveness)
            .field("quirks", &self.quirks().names())
            .field("state_file", &self.state_file)
            .field("plugins_dir", &self.plugins_dir)
            .finish_non_exhaustive()
    }
}
