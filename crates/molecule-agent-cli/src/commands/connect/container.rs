//! `connect --runtime`: the agent as the runtime of a container that the platform provisioned, told by the container's environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use molecule_agent::{PlatformUrl, RemoteAgentClient, RuntimeOptions, StopReason};

use super::ConnectArgs;
use crate::env;
use crate::handlers::Context;
use crate::listen_address::ListenAddress;
use crate::output::Output;
use crate::signals::Signals;

/// The platform reaches a container by the container's network.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8000);

/// Where containers mount their configuration.
const CONFIGS: &str = "/configs";

impl ConnectArgs {
    /// The same with what a container's environment says where nothing else does.
    pub(super) fn in_its_place(mut self) -> Self {
        if !self.run.runtime {
            return self;
        }
        let platform = &mut self.agent.platform;
        platform.platform_url.get_or_insert_with(default_platform);
        // It is what platforms speak in the network of their containers.
        platform.allow_insecure_http = true;
        let ListenAddress(listen) = *self.run.listen.get_or_insert(ListenAddress(LISTEN));
        if listen.port() != 0 {
            let url = || format!("http://{}:{}", hostname(), listen.port());
            self.join.reported_url.get_or_insert_with(url);
        }
        self
    }
}

/// Runs until the workspace is paused or deleted, or a signal comes.
pub(super) async fn serve(
    args: &ConnectArgs,
    client: &RemoteAgentClient,
    signals: &Signals,
    io: &Output,
) -> anyhow::Result<StopReason> {
    let handler = args.handler.build(Context::new(client.clone())).await?;
    let (id, platform) = (client.workspace_id(), client.platform_url().clone());
    let out = *io;
    let mut options = RuntimeOptions::new()
        .with_push(args.run.push(false)?)
        .with_agent_loop(args.run.agent_loop())
        .with_config_dir(config_dir())
        .with_delegation_results(delegation_results())
        .with_on_listening(move |address| {
            out.note(&format!(
                "runtime of workspace {id} at {platform}, listening at {address}"
            ));
        });
    if let Some(text) = &args.run.initial_prompt {
        options = options.with_initial_prompt(text);
    }
    Ok(client.run_runtime(handler, options, &signals.stop).await?)
}

/// Where the token is.
pub(super) fn volume() -> PathBuf {
    directory(["CONFIGS_DIR", "WORKSPACE_CONFIG_PATH"])
}

/// Where everything else is that outlives a container.
fn config_dir() -> PathBuf {
    directory(["WORKSPACE_CONFIG_PATH", "CONFIGS_DIR"])
}

fn directory(variables: [&str; 2]) -> PathBuf {
    let given = variables.into_iter().find_map(env::get);
    given.map_or_else(|| PathBuf::from(CONFIGS), PathBuf::from)
}

fn delegation_results() -> PathBuf {
    let given = env::get("DELEGATION_RESULTS_FILE").map(PathBuf::from);
    given.unwrap_or_else(|| std::env::temp_dir().join("delegation_results.jsonl"))
}

/// Containers are named by their engine.
fn hostname() -> String {
    let name = env::get("HOSTNAME").unwrap_or_else(|| "localhost".into());
    name.to_string_lossy().trim().to_owned()
}

/// The platform that a container finds without being told.
fn default_platform() -> PlatformUrl {
    let in_docker = Path::new("/.dockerenv").exists() || env::get("DOCKER_VERSION").is_some();
    let host = if in_docker {
        "host.docker.internal"
    } else {
        "localhost"
    };
    let url = format!("http://{host}:8080").parse();
    url.expect("both are hosts of a platform")
}
