//! What the stub runtime is told before it starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use molecule_protocol::{PlatformUrl, WorkspaceId};
use molecule_transport::{Clock, SystemClock, Transport};

/// Settings of a [`StubRuntime`](super::StubRuntime). The defaults are those of a container that
/// the platform provisioned.
///
/// ```
/// use molecule_agent::stub::StubConfig;
///
/// let config = StubConfig::new(
///     "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?,
///     "http://platform:8080".parse()?,
/// )
/// .with_config_dir("/configs/")
/// .with_listen(([127, 0, 0, 1], 0).into());
/// assert_eq!(config.config_dir.to_str(), Some("/configs"));
/// assert_eq!(config.register_url, "http://localhost:8000");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone)]
pub struct StubConfig {
    /// The workspace that the runtime claims to be.
    pub workspace_id: WorkspaceId,
    /// The platform it registers with.
    pub platform_url: PlatformUrl,
    /// The mounted volume; `.auth_token` in it is the token. Default: `/configs`.
    pub config_dir: PathBuf,
    /// The url it registers. Default: `http://localhost:8000`, wherever it listens, because the
    /// platform refuses the private address of a container and routes by its own record anyway.
    pub register_url: String,
    /// Its host's name, for the log alone. Default: empty.
    pub hostname: String,
    /// Where it listens; port 0 takes a free one. Default: `0.0.0.0:8000`.
    pub listen: SocketAddr,
    /// Where time and sleep come from. Default: the operating system.
    pub clock: Arc<dyn Clock>,
    /// What carries the calls to the platform. Default: HTTP over the network, without retries
    /// of its own.
    pub transport: Option<Arc<dyn Transport>>,
}

impl StubConfig {
    /// The defaults for this workspace of this platform.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, platform_url: PlatformUrl) -> Self {
        Self {
            workspace_id,
            platform_url,
            config_dir: PathBuf::from("/configs"),
            register_url: "http://localhost:8000".to_owned(),
            hostname: String::new(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8000)),
            clock: Arc::new(SystemClock::new()),
            transport: None,
        }
    }

    /// Sets where the volume is mounted; slashes at the end are dropped.
    #[must_use]
    pub fn with_config_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config_dir = directory.into().components().collect();
        self
    }

    /// Sets the url to register.
    #[must_use]
    pub fn with_register_url(mut self, url: impl Into<String>) -> Self {
        self.register_url = url.into();
        self
    }

    /// Sets the host's name that the log shows.
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = hostname.into();
        self
    }

    /// Sets where to listen.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets where time and sleep come from.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets what carries the calls to the platform.
    #[must_use]
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }
}

impl fmt::Debug for StubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StubConfig")
            .field("workspace_id", &self.workspace_id)
            .field("platform_url", &self.platform_url)
            .field("config_dir", &self.config_dir)
            .field("register_url", &self.register_url)
            .field("hostname", &self.hostname)
            .field("listen", &self.listen)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
