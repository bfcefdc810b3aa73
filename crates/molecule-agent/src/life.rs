//! Staying alive: heartbeats on one task, the question whether to go on on another.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::endpoints::{Heartbeat, RuntimeMetadata, WorkspaceState};
use molecule_transport::Clock;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::vitals::Work;
use crate::{AgentError, RemoteAgentClient, suspension};

/// The shortest time between two questions whether to go on, so that a flood of events is no flood of questions.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Why a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The workspace's user paused it.
    Paused,
    /// The workspace was deleted.
    Removed,
    /// The caller asked for it.
    Cancelled,
    /// As many beats were sent as the caller wanted.
    MaxIterations,
    /// Something failed for good. Loops return the error instead; a status has this.
    Failed,
}

impl StopReason {
    /// The word for it: `paused`, `removed`, `cancelled`, `max_iterations` or `failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Removed => "removed",
            Self::Cancelled => "cancelled",
            Self::MaxIterations => "max_iterations",
            Self::Failed => "failed",
        }
    }

    pub(crate) const fn of(state: &WorkspaceState) -> Option<Self> {
        match state {
            WorkspaceState { deleted: true, .. } => Some(Self::Removed),
            WorkspaceState { paused: true, .. } => Some(Self::Paused),
            _ => None,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the agent reports that it is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskReport {
    /// In words.
    pub current_task: String,
    /// How many tasks.
    pub active_tasks: u32,
}

impl TaskReport {
    /// So many tasks, one of which is this.
    #[must_use]
    pub fn new(active_tasks: u32, current_task: impl Into<String>) -> Self {
        Self {
            current_task: current_task.into(),
            active_tasks,
        }
    }
}

/// Options of [`RemoteAgentClient::run_heartbeat_loop`].
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct HeartbeatLoop {
    /// Stop after so many beats. Default: never.
    pub max_iterations: Option<u64>,
    /// What the runtime of a container does itself. Its beats tell of failures since the beat before, other beats of those of the last
    /// minute. Default: the agent is no such runtime.
    pub runtime_metadata: Option<RuntimeMetadata>,
    task_supplier: Option<Arc<dyn Fn() -> TaskReport + Send + Sync>>,
}

impl fmt::Debug for HeartbeatLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatLoop")
            .field("max_iterations", &self.max_iterations)
            .field("runtime_metadata", &self.runtime_metadata)
            .finish_non_exhaustive()
    }
}

impl HeartbeatLoop {
    /// Until the workspace is paused or deleted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops after so many beats.
    #[must_use]
    pub const fn with_max_iterations(mut self, max: u64) -> Self {
        self.max_iterations = Some(max);
        self
    }

    /// Beats as the runtime of a container does.
    #[must_use]
    pub const fn with_runtime_metadata(mut self, metadata: RuntimeMetadata) -> Self {
        self.runtime_metadata = Some(metadata);
        self
    }

    /// Asked before every beat what the agent is doing.
    #[must_use]
    pub fn with_task_supplier(
        mut self,
        supplier: impl Fn() -> TaskReport + Send + Sync + 'static,
    ) -> Self {
        self.task_supplier = Some(Arc::new(supplier));
        self
    }
}

impl RemoteAgentClient {
    /// Sends heartbeats and watches the workspace's state, until it is paused or deleted, `cancel` is cancelled, or
    /// `options.max_iterations` beats were sent. Failures are logged, and the next beat tries again.
    ///
    /// # Errors
    /// [`AgentError::TaskFailed`] when the task supplier panics.
    pub async fn run_heartbeat_loop(
        &self,
        options: HeartbeatLoop,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        let run = self.vitals().begin();
        let mut life = Life::start(self, options);
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(StopReason::Cancelled),
            reason = life.ended() => reason,
        };
        run.ended(&ended);
        ended
    }
}

/// The two tasks. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Life {
    tasks: JoinSet<StopReason>,
}

impl Life {
    pub(crate) fn start(client: &RemoteAgentClient, options: HeartbeatLoop) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(beat(client.clone(), options));
        tasks.spawn(watch(client.clone()));
        tasks.spawn(suspension::watch(client.clone()));
        Self { tasks }
    }

    /// Why the agent should stop.
    pub(crate) async fn ended(&mut self) -> Result<StopReason, AgentError> {
        match self.tasks.join_next().await {
            Some(Ok(reason)) => Ok(reason),
            _ => Err(AgentError::TaskFailed("heartbeat")),
        }
    }
}

/// The first beat goes out at once; each later one a little before the interval is over, never after it. Time that a beat took counts, so
/// that one whose answer does not come is no reason for the next one to be late.
async fn beat(client: RemoteAgentClient, options: HeartbeatLoop) -> StopReason {
    let mut alarm = client.wakes().beat.alarm();
    let clock = client.clock().as_ref();
    let mut last = None;
    let mut is_lost = false;
    for _ in 0..options.max_iterations.unwrap_or(u64::MAX) {
        if let Some(last) = last {
            let interval = client.settings().heartbeat_interval;
            let rest = interval.saturating_sub(clock.now().saturating_sub(last));
            alarm.pause(clock, rest.max(interval / 3)).await;
        }
        last = Some(clock.now());
        let mut beat = client.vitals().report(client.beat());
        if let Some(metadata) = options.runtime_metadata {
            beat = beat.with_runtime_metadata(metadata);
            client.vitals().count_anew();
        }
        if let Some(supplier) = &options.task_supplier {
            let report = supplier();
            beat = beat.with_work(report.active_tasks, report.current_task);
        }
        let span = tracing::error_span!("heartbeat", workspace = %client.workspace_id());
        let arrived = send(&client, &beat).instrument(span).await;
        if arrived && is_lost {
            // The platform may have taken the agent for dead meanwhile.
            client.wakes().state.trigger();
        }
        is_lost = !arrived;
    }
    // A pause that came with the last beat is the better reason.
    let state = client.poll_state().await.ok();
    state
        .and_then(|state| StopReason::of(&state))
        .unwrap_or(StopReason::MaxIterations)
}

/// Whether the platform took it. What a refusal means is for the question about the state to find out: it would hold up the next beat.
async fn send(client: &RemoteAgentClient, beat: &Heartbeat) -> bool {
    let sent = client.call(beat).await;
    match &sent {
        Ok(()) => {
            client.vitals().succeeded(Work::Heartbeat);
            tracing::debug!("heartbeat");
        }
        Err(error) => {
            client.vitals().failed(Work::Heartbeat, error);
            let error = describe(error);
            tracing::warn!(error, "heartbeat failed; the next one tries again");
        }
    }
    sent.is_ok()
}

async fn watch(client: RemoteAgentClient) -> StopReason {
    let mut alarm = client.wakes().state.alarm();
    loop {
        let span = tracing::error_span!("state", workspace = %client.workspace_id());
        let is_well = match look(&client).instrument(span).await {
            ControlFlow::Break(reason) => return reason,
            ControlFlow::Continue(is_well) => is_well,
        };
        let (clock, interval) = (client.clock(), client.settings().state_poll_interval);
        // An agent that may be offline does not take its time.
        let interval = if is_well { interval } else { interval / 3 };
        let asked = clock.now();
        if alarm.pause(clock.as_ref(), interval).await {
            let since = clock.now().saturating_sub(asked);
            clock.sleep(BETWEEN_LOOKS.saturating_sub(since)).await;
        }
    }
}

/// Why the agent should stop, if it should; else whether it is where it should be.
async fn look(client: &RemoteAgentClient) -> ControlFlow<StopReason, bool> {
    match client.poll_state().await {
        Ok(state) => match StopReason::of(&state) {
            Some(reason) => ControlFlow::Break(reason),
            None => ControlFlow::Continue(come_back(client, &state).await),
        },
        Err(error) => {
            client.vitals().failed(Work::State, &error);
            tracing::warn!(error = describe(&error), "asking for the state failed");
            ControlFlow::Continue(false)
        }
    }
}

/// Some states are left by registering alone, not by beating. Whether the agent is where it should be.
async fn come_back(client: &RemoteAgentClient, state: &WorkspaceState) -> bool {
    if state.status.needs_registration() {
        tracing::info!(status = %state.status, "the platform lost the agent; registering again");
        client.vitals().lost();
        if let Err(error) = client.register().await {
            client.vitals().failed(Work::State, &error);
            tracing::warn!(error = describe(&error), "registering again failed");
            return false;
        }
    }
    client.vitals().succeeded(Work::State);
    true
}

/// Waits for an interval, up to a tenth less, so that many agents do not move in step.
pub(crate) async fn pause(clock: &dyn Clock, interval: Duration) {
    clock
        .sleep(interval.mul_f64(1.0 - clock.jitter() / 10.0))
        .await;
}

/// An error with its causes, on one line.
pub(crate) fn describe(error: &AgentError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
