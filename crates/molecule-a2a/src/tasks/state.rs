//! What a task is while it is in memory, and what may happen to it.

use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::subscription::Listeners;
use super::{StoredTask, Webhook, timestamp, weight};
use crate::{
    Artifact, ArtifactUpdate, Event, Message, StatusUpdate, Task, TaskOutcome, TaskState,
    TaskStatus,
};

/// A task, who is told about it, and the work that goes on.
#[derive(Debug)]
pub(super) struct State {
    pub(super) task: Task,
    pub(super) webhooks: Vec<Webhook>,
    pub(super) changed: SystemTime,
    pub(super) listeners: Listeners,
    pub(super) run: Option<Run>,
    /// Bytes of the artifacts, roughly.
    made: usize,
    /// Whether what was said along with the status is part of the history already.
    remembered: bool,
}

/// Work that goes on.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Tells it to stop.
    pub(super) cancel: CancellationToken,
    /// Says that it is over.
    pub(super) ended: CancellationToken,
}

/// How much a task may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Messages of the history.
    pub(crate) history: usize,
    /// Bytes of the history, and as many again of the artifacts.
    pub(crate) bytes: usize,
}

impl State {
    pub(super) fn new(stored: StoredTask, queue: usize) -> Self {
        let artifacts = stored.task.artifacts.iter().flatten();
        let made = artifacts.map(weight::of_artifact);
        let said = stored.task.status.message.as_ref();
        let said = said.map(|message| &message.message_id);
        let mut history = stored.task.history.iter().flatten();
        Self {
            remembered: history.any(|message| Some(&message.message_id) == said),
            made: made.sum(),
            task: stored.task,
            webhooks: stored.webhooks,
            changed: stored.changed,
            listeners: Listeners::new(queue),
            run: None,
        }
    }

    pub(super) fn stored(&self) -> StoredTask {
        StoredTask::new(self.task.clone(), self.changed).with_webhooks(self.webhooks.clone())
    }

    pub(super) fn is_final(&self) -> bool {
        self.task.status.state.is_final()
    }

    /// Adds what somebody said. The oldest goes when there is no room.
    pub(super) fn say(&mut self, message: Message, room: Room) {
        let history = self.task.history.get_or_insert_default();
        history.push(message);
        let mut bytes: usize = history.iter().map(weight::of_message).sum();
        let mut gone = 0;
        while history.len() - gone > room.history.max(1)
            || (bytes > room.bytes && history.len() - gone > 1)
        {
            bytes -= weight::of_message(&history[gone]);
            gone += 1;
        }
        history.drain(..gone);
    }

    /// Makes what was said along with the status part of the history, if it is not yet.
    pub(super) fn remember_status(&mut self, room: Room) {
        let said = self.task.status.message.clone();
        if let Some(said) = said.filter(|_| !std::mem::replace(&mut self.remembered, true)) {
            self.say(said, room);
        }
    }

    /// Sets the status; what was said along with the one before becomes history.
    pub(super) fn turn_to(&mut self, status: TaskStatus, now: SystemTime, room: Room) -> Event {
        self.remember_status(room);
        self.task.status = TaskStatus {
            message: status.message.map(|message| self.of_this(message)),
            timestamp: timestamp(now),
            ..status
        };
        self.remembered = false;
        self.changed = now;
        let state = self.task.status.state;
        Event::Status(StatusUpdate {
            task_id: self.task.id.clone(),
            context_id: self.task.context_id.clone(),
            status: self.task.status.clone(),
            is_final: state.is_final() || state.is_interrupted(),
            metadata: None,
        })
    }

    /// How the work ended. Whoever told it to stop does not find it waiting for the user.
    pub(super) fn end(&mut self, mut outcome: TaskOutcome, now: SystemTime, room: Room) -> Event {
        let run = self.run.take();
        let canceled = run.is_some_and(|run| run.cancel.is_cancelled());
        if canceled && !outcome.state.is_final() {
            outcome = TaskOutcome::canceled();
        }
        if outcome.usage.is_some() {
            self.task.usage = outcome.usage;
        }
        let status = TaskStatus {
            message: outcome.message,
            ..TaskStatus::new(outcome.state)
        };
        self.turn_to(status, now, room)
    }

    /// Adds what the work made. `None`: there is no room for it.
    pub(super) fn make(
        &mut self,
        artifact: Artifact,
        append: bool,
        last_chunk: bool,
        room: Room,
    ) -> Option<Event> {
        let artifacts = self.task.artifacts.get_or_insert_default();
        let known = artifacts
            .iter_mut()
            .find(|known| known.artifact_id == artifact.artifact_id);
        let (replaced, bytes) = match &known {
            Some(_) if append => (0, weight::of_parts(&artifact.parts)),
            Some(known) => (weight::of_artifact(known), weight::of_artifact(&artifact)),
            None => (0, weight::of_artifact(&artifact)),
        };
        let made = self.made - replaced + bytes;
        if made > room.bytes {
            return None;
        }
        self.made = made;
        match known {
            Some(known) if append => known.parts.extend(artifact.parts.iter().cloned()),
            Some(known) => known.clone_from(&artifact),
            None => artifacts.push(artifact.clone()),
        }
        Some(Event::Artifact(ArtifactUpdate {
            task_id: self.task.id.clone(),
            context_id: self.task.context_id.clone(),
            artifact,
            append: Some(append),
            last_chunk: Some(last_chunk),
            metadata: None,
        }))
    }

    /// The message as one about this task.
    pub(super) fn of_this(&self, mut message: Message) -> Message {
        message.task_id.get_or_insert_with(|| self.task.id.clone());
        let context_id = || self.task.context_id.clone();
        message.context_id.get_or_insert_with(context_id);
        message
    }

    /// Whether work would go on, if there were any.
    pub(super) const fn wants_work(&self) -> bool {
        matches!(
            self.task.status.state,
            TaskState::Submitted | TaskState::Working
        )
    }
}
