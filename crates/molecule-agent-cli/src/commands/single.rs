//! The single calls: register, state, heartbeat.

use clap::Args;
use molecule_agent::protocol::endpoints::DeliveryMode;
use molecule_agent::{AgentError, RegisterOptions, WorkspaceId};
use serde_json::json;

use super::check_present;
use crate::args::{AgentArgs, JoinArgs};
use crate::exit::Exit;
use crate::output::Output;

/// Options of `register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    join: JoinArgs,
}

/// Options of `state`.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    agent: AgentArgs,
}

/// Options of `heartbeat`.
#[derive(Debug, Args)]
pub(crate) struct HeartbeatArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// What the agent is doing, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    task: String,
    /// How many messages it is handling
    #[arg(long, value_name = "N", default_value_t = 0)]
    active_tasks: u32,
}

impl JoinArgs {
    /// What registering may do besides joining.
    pub(crate) fn options(&self) -> RegisterOptions {
        RegisterOptions::new()
            .with_create(self.create)
            .with_resume(self.resume)
    }

    /// The client that joins.
    ///
    /// # Errors
    /// When an option is missing or cannot be used.
    pub(crate) fn client(
        &self,
        agent: &AgentArgs,
        configure: impl FnOnce(molecule_agent::ClientBuilder) -> molecule_agent::ClientBuilder,
    ) -> anyhow::Result<molecule_agent::RemoteAgentClient> {
        Ok(self
            .configure(agent, configure(agent.builder()?))?
            .build()?)
    }

    /// Sets what the agent says about itself.
    ///
    /// # Errors
    /// When the card cannot be read.
    pub(crate) fn configure(
        &self,
        agent: &AgentArgs,
        mut builder: molecule_agent::ClientBuilder,
    ) -> anyhow::Result<molecule_agent::ClientBuilder> {
        if let Some(card) = self.card.card(&agent.identity.place.id()?)? {
            builder = builder.agent_card(card);
        }
        if let Some(url) = &self.reported_url {
            builder = builder.reported_url(url);
        }
        Ok(builder)
    }
}

/// The word for how messages come.
pub(crate) const fn mode_name(mode: Option<DeliveryMode>) -> &'static str {
    match mode {
        Some(DeliveryMode::Poll) => "poll",
        Some(DeliveryMode::Push) => "push",
        None => "unknown",
    }
}

pub(crate) async fn register(args: &RegisterArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.join.client(&args.agent, |builder| builder)?;
    let id = client.workspace_id();
    let registration = match client.register_with(args.join.options()).await {
        Ok(registration) => registration,
        Err(error @ AgentError::Paused(_)) => return Err(paused(id, error, io)),
        Err(error) => return Err(error.into()),
    };
    let mode = mode_name(registration.delivery_mode);
    let data = json!({
        "workspace_id": id,
        "status": "registered",
        "delivery_mode": mode,
        "token_issued": registration.token_issued,
    });
    io.data(&data, || format!("registered {id} ({mode} mode)"))?;
    if registration.token_issued {
        let dir = client.state_dir().display();
        io.note(&format!("the platform issued a token; it is kept in {dir}"));
    }
    Ok(Exit::Done)
}

/// A paused workspace is both an answer and a reason why nothing was done.
fn paused(id: WorkspaceId, why: AgentError, io: &Output) -> anyhow::Error {
    let data = json!({"workspace_id": id, "status": "paused"});
    match io.data(&data, || format!("paused {id}")) {
        Ok(()) => why.into(),
        Err(error) => error,
    }
}

/// A deleted workspace is both an answer and an error.
pub(crate) async fn state(args: &StateArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let state = client.poll_state().await?;
    io.data(&state, || state.status.to_string())?;
    if state.deleted {
        return Err(AgentError::Deleted(client.workspace_id()).into());
    }
    Ok(Exit::Done)
}

pub(crate) async fn heartbeat(args: &HeartbeatArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    check_present(&client).await?;
    let beat = client.beat().with_work(args.active_tasks, &args.task);
    client.heartbeat(beat).await?;
    let data = json!({"workspace_id": client.workspace_id(), "status": "ok"});
    io.data(&data, || "ok".to_owned())?;
    Ok(Exit::Done)
}
