//! The life of one agent of a fleet: it starts when it is its turn, and again when it failed in a way that may pass.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use molecule_protocol::WorkspaceId;
use molecule_transport::Clock;
use tokio_util::sync::CancellationToken;

use super::agent::Ready;
use super::{FleetEvent, OnEvent};
use crate::connect::OnRegistered;
use crate::life::describe;
use crate::vitals::{Phase, Work};
use crate::{AgentError, ErrorKind, Handler, RegisterOptions, Registration, StopReason};

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// No platform that is there again waits longer for an agent.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// An agent that ran for so long fails for the first time.
const LIVED: Duration = Duration::from_secs(300);

/// An agent of a fleet with what it needs to run.
pub(super) struct Supervised {
    pub(super) workspace_id: WorkspaceId,
    pub(super) agent: Result<Ready, AgentError>,
    pub(super) start: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) on_event: OnEvent,
    pub(super) cancel: CancellationToken,
}

impl Supervised {
    /// Runs the agent to its end.
    pub(super) async fn run(self) -> Result<StopReason, AgentError> {
        let (workspace_id, on_event) = (self.workspace_id, Arc::clone(&self.on_event));
        let result = self.result().await;
        let ended = FleetEvent::Ended {
            workspace_id,
            result: &result,
        };
        tell(&on_event, ended);
        result
    }

    async fn result(self) -> Result<StopReason, AgentError> {
        let mut runs = Runs {
            ready: self.agent?,
            handler: None,
            joined: Arc::default(),
            on_event: self.on_event,
            cancel: self.cancel.clone(),
        };
        let mut wait = self.start;
        let mut backoff = FIRST_BACKOFF;
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    runs.ready.client.vitals().phase(Phase::Stopped(StopReason::Cancelled));
                    return Ok(StopReason::Cancelled);
                }
                () = self.clock.sleep(wait) => {}
            }
            let started = self.clock.now();
            let error = match runs.once().await {
                Err(error) if may_start_again(&error) => error,
                result => return result,
            };
            if self.clock.now().saturating_sub(started) > LIVED {
                backoff = FIRST_BACKOFF;
            }
            wait = backoff.mul_f64(1.0 - self.clock.jitter() / 2.0);
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            runs.restarting(&error, wait);
        }
    }
}

/// The agent, run after run.
struct Runs {
    ready: Ready,
    handler: Option<Arc<dyn Handler>>,
    /// The agent has been online.
    joined: Arc<AtomicBool>,
    on_event: OnEvent,
    cancel: CancellationToken,
}

impl Runs {
    /// One run; its panic is an error.
    async fn once(&mut self) -> Result<StopReason, AgentError> {
        let run = AssertUnwindSafe(self.run()).catch_unwind();
        run.await
            .unwrap_or(Err(AgentError::TaskFailed("supervised")))
    }

    async fn run(&mut self) -> Result<StopReason, AgentError> {
        let client = self.ready.client.clone();
        let handler = match &self.handler {
            Some(handler) => Arc::clone(handler),
            None => {
                let handler = (self.ready.prepare)(client.clone()).await?;
                Arc::clone(self.handler.insert(handler))
            }
        };
        let mut connect = self.ready.connect.clone();
        connect.on_registered = Some(self.on_registered());
        if self.joined.load(Ordering::Relaxed) {
            // Once it ran, nothing but its user may resume it.
            connect.register = RegisterOptions::new();
        }
        // On the heap, and only while it runs: a fleet mostly consists of these.
        Box::pin(client.connect(handler, connect, &self.cancel)).await
    }

    fn on_registered(&self) -> OnRegistered {
        let workspace_id = self.ready.client.workspace_id();
        let own = self.ready.connect.on_registered.clone();
        let (joined, on_event) = (Arc::clone(&self.joined), Arc::clone(&self.on_event));
        Arc::new(move |registration: &Registration| {
            joined.store(true, Ordering::Relaxed);
            if let Some(own) = &own {
                own(registration);
            }
            on_event(FleetEvent::Online {
                workspace_id,
                registration,
            });
        })
    }

    fn restarting(&self, error: &AgentError, after: Duration) {
        let vitals = self.ready.client.vitals();
        vitals.start();
        vitals.failed(Work::State, error);
        let workspace_id = self.ready.client.workspace_id();
        tracing::warn!(workspace = %workspace_id, error = describe(error), ?after, "the agent failed; starting it again");
        let event = FleetEvent::Restarting {
            workspace_id,
            error,
            after,
        };
        tell(&self.on_event, event);
    }
}

/// Whoever listens must not end an agent by panicking.
fn tell(on_event: &OnEvent, event: FleetEvent<'_>) {
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| on_event(event)));
    if told.is_err() {
        tracing::error!("what listens to the fleet panicked");
    }
}

/// What no restart would change ends the agent.
fn may_start_again(error: &AgentError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Temporary | ErrorKind::Unreachable | ErrorKind::Unexpected
    )
}
