//! Work on a task, from its beginning to its end.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::state::Run;
use super::{Engine, Live, Subscription};
use crate::{
    A2aError, Task, TaskContext, TaskOutcome, TaskState, TaskStatus, TaskUpdate, TaskUpdates,
    TaskWork,
};

/// Work that began.
pub(crate) struct Started {
    /// The task before the work.
    pub(crate) first: Task,
    /// Cancelled when the work is over.
    pub(crate) ended: CancellationToken,
    /// What happens, if somebody wanted to know.
    pub(crate) events: Option<Subscription>,
    pub(crate) live: Arc<Live>,
}

impl Engine {
    /// Begins to work on a task, which nobody else does as long as the turn is held.
    pub(crate) async fn start(
        self: &Arc<Self>,
        live: Arc<Live>,
        work: TaskWork,
        turn: OwnedMutexGuard<()>,
        listen: bool,
    ) -> Result<Started, A2aError> {
        let run = Run {
            cancel: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        let mut state = live.state().await;
        let over = state.is_final();
        if !over {
            state.run = Some(run.clone());
        }
        if state.task.status.state.is_interrupted() {
            let working = TaskStatus::new(TaskState::Working);
            self.turn_to(&mut state, working).await;
        }
        let listeners = self.options.listeners;
        let events = listen.then(|| live.listen(&mut state, None, listeners));
        let first = state.task.clone();
        let ended = run.ended.clone();
        if over {
            state.listeners.end();
            ended.cancel();
        } else {
            let drive = self.clone().drive(live.clone(), work, run, turn);
            self.options.tracker.spawn(drive);
        }
        drop(state);
        Ok(Started {
            first,
            ended,
            events: events.transpose()?,
            live,
        })
    }

    async fn drive(
        self: Arc<Self>,
        live: Arc<Live>,
        work: TaskWork,
        run: Run,
        turn: OwnedMutexGuard<()>,
    ) {
        let _ended = run.ended.clone().drop_guard();
        let outcome = self.outcome(&live, work, &run.cancel).await;
        let mut state = live.state().await;
        self.end(&mut state, outcome).await;
        drop(turn);
    }

    /// Does the work, and takes in what it tells meanwhile.
    async fn outcome(
        &self,
        live: &Live,
        work: TaskWork,
        cancel: &CancellationToken,
    ) -> TaskOutcome {
        let (context, mut updates) = live.context(cancel.clone()).await;
        let work = async move { work.start(context).await };
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let mut overdue = pin!(self.overdue(cancel));
        loop {
            tokio::select! {
                biased;
                () = &mut overdue => return TaskOutcome::canceled(),
                () = self.options.stop.cancelled() => return stopped(),
                update = updates.next() => if let Some((update, taken)) = update {
                    if !self.take(live, update).await {
                        return too_much();
                    }
                    // Work that went on meanwhile does not wait to hear this.
                    let _ = taken.send(());
                } else {
                    break;
                },
                outcome = &mut work => return outcome.unwrap_or_else(|_| panicked(live.id())),
            }
        }
        // Nothing holds a context any more, so there is nothing left to hear of but the end.
        tokio::select! {
            biased;
            outcome = &mut work => outcome.unwrap_or_else(|_| panicked(live.id())),
            () = &mut overdue => TaskOutcome::canceled(),
            () = self.options.stop.cancelled() => stopped(),
        }
    }

    /// Whether there was room for it.
    async fn take(&self, live: &Live, update: TaskUpdate) -> bool {
        let mut state = live.state().await;
        match update {
            TaskUpdate::Status(status) => self.turn_to(&mut state, status).await,
            TaskUpdate::Artifact {
                artifact,
                append,
                last_chunk,
            } => {
                let event = state.make(artifact, append, last_chunk, self.options.room);
                let Some(event) = event else { return false };
                if last_chunk {
                    self.save(&state).await;
                }
                self.tell(&mut state, event);
            }
        }
        true
    }

    /// Work was told to stop, and had the time to.
    async fn overdue(&self, cancel: &CancellationToken) {
        cancel.cancelled().await;
        self.options.clock.sleep(self.options.cancel_grace).await;
    }
}

impl Live {
    async fn context(&self, cancel: CancellationToken) -> (TaskContext, TaskUpdates) {
        let context_id = self.state().await.task.context_id.clone();
        TaskContext::channel(self.id(), context_id, cancel)
    }
}

fn panicked(task: &str) -> TaskOutcome {
    tracing::error!(task, "the work on a task panicked");
    TaskOutcome::failed("the agent failed")
}

fn stopped() -> TaskOutcome {
    TaskOutcome::failed("the agent was stopped before this was done")
}

fn too_much() -> TaskOutcome {
    TaskOutcome::failed("this made more than a task can hold")
}
