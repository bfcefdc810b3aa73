//! `connect` with many agents in one process.

use std::sync::Arc;

use molecule_agent::transport::BoxFuture;
use molecule_agent::{
    AgentError, AgentOutcome, DEFAULT_RATE_LIMIT, Fleet, FleetEvent, Handler, HandlerOutcome,
    InboundMessage, RemoteAgentClient, StopReason, WorkspaceId,
};

use crate::admin::{self, AgentSocket, Agents, Watched};
use crate::agent_lock::AgentLock;
use crate::commands::connect::{Member, forced, look_before_moving_in};
use crate::exit::{Exit, Problem};
use crate::handlers::{Context, HandlerArgs};
use crate::open_files;
use crate::output::Output;
use crate::signals::Signals;

/// Runs all agents until each has ended. What ends one is reported when it does, and the worst of it is how the program ends.
///
/// # Errors
/// When signals cannot be listened to, or the second one came.
pub(super) async fn run(members: &[Member], io: &Output) -> anyhow::Result<Exit> {
    open_files::make_room_for(members.iter().map(Member::concurrency));
    let signals = Signals::listen()?;
    let limit = members.first().and_then(Member::rate_limit);
    let agents = Agents::expected(members.iter().filter_map(Member::workspace_id));
    let address = members.first().and_then(Member::admin_listen);
    let _listening = match address {
        Some(address) => Some(admin::listen(address, &agents, io).await?),
        None => None,
    };
    let (listener, known) = (*io, agents.clone());
    let mut fleet = Fleet::new()
        .with_rate_limit(limit.unwrap_or(DEFAULT_RATE_LIMIT))
        .with_on_event(move |event| tell(&event, &known, &listener));
    let mut worst = Exit::Done;
    for member in members {
        match member.agent(&agents, io) {
            Ok(agent) => fleet.add(agent),
            Err(error) => {
                let (id, exit) = (member.workspace_id(), Exit::of(&error));
                id.into_iter().for_each(|id| agents.ended(id));
                fail(id, &error, exit, io);
                worst = worst.worse(exit);
            }
        }
    }
    let outcomes = tokio::select! {
        outcomes = fleet.run(&signals.stop) => outcomes,
        problem = forced(&signals, io) => return Err(problem.into()),
    };
    let worst = outcomes.iter().map(exit_of).fold(worst, Exit::worse);
    io.note(&format!("stopped: all {} agents have ended", members.len()));
    Ok(worst)
}

/// What an agent needs to enter its directory.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) handler: HandlerArgs,
    pub(super) create: bool,
    /// Where it shows itself.
    pub(super) agents: Agents,
    pub(super) io: Output,
}

impl Entry {
    /// Takes the agent's lock, lets it be asked, and makes what answers its messages.
    ///
    /// # Errors
    /// When another process runs the agent, its workspace is not there, or the handler cannot be made.
    pub(super) async fn prepare(
        &self,
        client: RemoteAgentClient,
    ) -> Result<Arc<dyn Handler>, AgentError> {
        match self.locked(client).await {
            Ok(handler) => Ok(Arc::new(handler)),
            Err(error) => Err(into_agent_error(error)),
        }
    }

    async fn locked(&self, client: RemoteAgentClient) -> anyhow::Result<Locked> {
        if !self.create {
            look_before_moving_in(&client).await?;
        }
        let lock = AgentLock::take(client.state_dir()).await?;
        let handler = self.handler.build(Context::new(client.clone())).await?;
        let watched = Watched::new(&client, true);
        self.agents.add(watched.clone());
        Ok(Locked {
            handler,
            _socket: AgentSocket::open(client.state_dir(), watched, &lock, &self.io),
            _lock: lock,
        })
    }
}

/// What the agent knows decides whether it starts again; anything else is for its user to mend.
fn into_agent_error(error: anyhow::Error) -> AgentError {
    error.downcast().unwrap_or_else(|error: anyhow::Error| {
        AgentError::setup(Problem::new(Exit::of(&error), format!("{error:#}")))
    })
}

/// A handler that holds its agent's lock and socket for as long as the agent runs. The socket goes first.
struct Locked {
    handler: Arc<dyn Handler>,
    _socket: Option<AgentSocket>,
    _lock: AgentLock,
}

impl Handler for Locked {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        self.handler.handle(message)
    }
}

fn tell(event: &FleetEvent<'_>, agents: &Agents, io: &Output) {
    match event {
        FleetEvent::Online { workspace_id, .. } => {
            io.note(&format!("online: workspace {workspace_id}"));
        }
        FleetEvent::Restarting {
            workspace_id,
            error,
            after,
        } => io.note(&format!(
            "workspace {workspace_id} failed, and starts again in {} s: {error}",
            after.as_secs_f32().ceil()
        )),
        FleetEvent::Ended {
            workspace_id,
            result,
        } => {
            agents.ended(*workspace_id);
            tell_end(*workspace_id, result, io);
        }
        _ => {}
    }
}

fn tell_end(id: WorkspaceId, result: &Result<StopReason, AgentError>, io: &Output) {
    match result {
        Ok(StopReason::Removed) => {
            let deleted = anyhow::Error::new(AgentError::Deleted(id));
            fail(Some(id), &deleted, Exit::Deleted, io);
        }
        Ok(StopReason::Cancelled) => {}
        Ok(reason) => io.note(&format!("stopped: workspace {id}, {reason}")),
        Err(error) => {
            let text = with_causes(error);
            fail(
                Some(id),
                &anyhow::Error::msg(text),
                Exit::of_error(error),
                io,
            );
        }
    }
}

fn fail(id: Option<WorkspaceId>, error: &anyhow::Error, exit: Exit, io: &Output) {
    let id = id.map_or_else(String::new, |id| format!("workspace {id}: "));
    let error = Problem::new(exit, format!("{id}{error:#}"));
    io.failure(&error.into(), exit);
}

fn with_causes(error: &AgentError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

fn exit_of(outcome: &AgentOutcome) -> Exit {
    match &outcome.result {
        Ok(StopReason::Removed) => Exit::Deleted,
        Ok(_) => Exit::Done,
        Err(error) => Exit::of_error(error),
    }
}
