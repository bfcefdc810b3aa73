//! What there is to choose about a runtime.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use molecule_protocol::endpoints::RuntimeMetadata;

use crate::{AgentLoop, PushOptions};

/// The platform reaches a container by the container's network.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8000);

pub(super) type OnListening = Arc<dyn Fn(SocketAddr) + Send + Sync>;

/// Options of [`RemoteAgentClient::run_runtime`](crate::RemoteAgentClient::run_runtime). The defaults are those of a container.
#[derive(Clone)]
#[non_exhaustive]
pub struct RuntimeOptions {
    /// How it is called. Default: at `0.0.0.0:8000`.
    pub push: PushOptions,
    /// How the agent runs.
    pub agent_loop: AgentLoop,
    /// The config volume, in which the file `.initial_prompt_done` says that the initial prompt was sent. Default: `/configs`.
    pub config_dir: PathBuf,
    /// The text that is sent to the agent when its volume is new. Default: none.
    pub initial_prompt: Option<String>,
    /// The file to which delegations that ended are appended, one JSON object to a line. Default: `/tmp/delegation_results.jsonl`.
    pub delegation_results: PathBuf,
    /// What the runtime does instead of the platform. Default: nothing.
    pub metadata: RuntimeMetadata,
    pub(super) on_listening: Option<OnListening>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            push: PushOptions::new().with_listen(LISTEN),
            agent_loop: AgentLoop::new(),
            config_dir: PathBuf::from("/configs"),
            initial_prompt: None,
            delegation_results: PathBuf::from("/tmp/delegation_results.jsonl"),
            metadata: RuntimeMetadata::default(),
            on_listening: None,
        }
    }
}

impl RuntimeOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how it is called.
    #[must_use]
    pub fn with_push(mut self, push: PushOptions) -> Self {
        self.push = push;
        self
    }

    /// Sets how the agent runs.
    #[must_use]
    pub fn with_agent_loop(mut self, agent_loop: AgentLoop) -> Self {
        self.agent_loop = agent_loop;
        self
    }

    /// Sets where the config volume is mounted.
    #[must_use]
    pub fn with_config_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config_dir = dir.into();
        self
    }

    /// Sets the text that is sent to the agent when its volume is new.
    #[must_use]
    pub fn with_initial_prompt(mut self, text: impl Into<String>) -> Self {
        self.initial_prompt = Some(text.into());
        self
    }

    /// Sets the file to which delegations that ended are appended.
    #[must_use]
    pub fn with_delegation_results(mut self, file: impl Into<PathBuf>) -> Self {
        self.delegation_results = file.into();
        self
    }

    /// Sets what the runtime does instead of the platform.
    #[must_use]
    pub const fn with_metadata(mut self, metadata: RuntimeMetadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Called once, with the address at which it listens.
    #[must_use]
    pub fn with_on_listening(
        mut self,
        on_listening: impl Fn(SocketAddr) + Send + Sync + 'static,
    ) -> Self {
        self.on_listening = Some(Arc::new(on_listening));
        self
    }
}

impl fmt::Debug for RuntimeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeOptions")
            .field("push", &self.push)
            .field("agent_loop", &self.agent_loop)
            .field("config_dir", &self.config_dir)
            .field("initial_prompt", &self.initial_prompt)
            .field("delegation_results", &self.delegation_results)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
