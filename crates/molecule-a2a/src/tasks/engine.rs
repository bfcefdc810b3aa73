//! What can be done with tasks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use molecule_transport::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::state::{Room, State};
use super::{Live, StoreError, StoredTask, Subscription, TaskStore, Webhook, shorten, timestamp};
use crate::push::Webhooks;
use crate::{
    A2aError, ErrorCode, Event, ListTasks, Message, PushConfig, PushConfigOf, Task, TaskOutcome,
    TaskPage, TaskState, TaskStatus,
};

/// What the engine is held to, and what it works with.
pub(crate) struct EngineOptions {
    pub(crate) store: Arc<dyn TaskStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) webhooks: Webhooks,
    /// What must be done before the server ends.
    pub(crate) tracker: TaskTracker,
    /// Work that goes on after this fails.
    pub(crate) stop: CancellationToken,
    pub(crate) room: Room,
    /// Events that may wait for a listener.
    pub(crate) queue: usize,
    pub(crate) listeners: usize,
    /// Messages that may wait for their turn at a task.
    pub(crate) waiting: usize,
    pub(crate) webhooks_per_task: usize,
    /// How long work may take to stop when it was told to.
    pub(crate) cancel_grace: Duration,
}

/// All the tasks. Those that something goes on with are in memory, each once; the others are in the store.
pub(crate) struct Engine {
    pub(super) options: EngineOptions,
    live: Mutex<HashMap<String, Weak<Live>>>,
    /// Held while a task is brought into memory, so that it is there once.
    opening: tokio::sync::Mutex<()>,
}

impl Engine {
    pub(crate) fn new(options: EngineOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            live: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        })
    }

    /// Takes a task on, for a message that begins something new.
    pub(crate) async fn create(
        self: &Arc<Self>,
        message: Message,
        webhook: Option<Webhook>,
    ) -> Result<Arc<Live>, A2aError> {
        let now = self.options.clock.wall();
        let context_id = message.context_id.clone().unwrap_or_default();
        let mut task = Task::new(Uuid::new_v4().to_string(), context_id);
        task.status.timestamp = timestamp(now);
        let live = Live::new(self, StoredTask::new(task, now), self.options.queue);
        let mut state = live.state().await;
        let message = state.of_this(message);
        state.say(message, self.options.room);
        if let Some(webhook) = webhook {
            self.add_webhook(&mut state, webhook)?;
        }
        // Whoever finds it in the store from now on finds this one in memory, and waits until it is saved.
        self.lives().insert(live.id().into(), Arc::downgrade(&live));
        let saved = self.options.store.save(state.stored()).await;
        saved.map_err(of_store)?;
        let event = Event::Task(state.task.clone());
        self.tell(&mut state, event);
        drop(state);
        Ok(live)
    }

    /// The task with this id, in memory.
    pub(crate) async fn find(self: &Arc<Self>, id: &str) -> Result<Arc<Live>, A2aError> {
        if let Some(live) = self.in_memory(id) {
            return Ok(live);
        }
        let _opening = self.opening.lock().await;
        if let Some(live) = self.in_memory(id) {
            return Ok(live);
        }
        let stored = self.options.store.load(id).await.map_err(of_store)?;
        let stored = stored.ok_or(ErrorCode::TaskNotFound)?;
        let live = Live::new(self, stored, self.options.queue);
        self.settle(&live).await;
        self.lives().insert(id.into(), Arc::downgrade(&live));
        Ok(live)
    }

    /// The task as it is, with this much of its history.
    pub(crate) async fn get(
        self: &Arc<Self>,
        id: &str,
        history_length: Option<u32>,
    ) -> Result<Task, A2aError> {
        let mut task = self.find(id).await?.task().await;
        shorten(&mut task, history_length);
        Ok(task)
    }

    pub(crate) async fn list(&self, wanted: &ListTasks) -> Result<TaskPage, A2aError> {
        self.options.store.list(wanted).await.map_err(of_store)
    }

    /// Stops a task, and returns when it has stopped.
    pub(crate) async fn cancel(self: &Arc<Self>, id: &str) -> Result<Task, A2aError> {
        let live = self.find(id).await?;
        let mut state = live.state().await;
        if state.is_final() {
            return Err(not_cancelable(state.task.status.state));
        }
        let Some(run) = state.run.clone() else {
            self.end(&mut state, TaskOutcome::canceled()).await;
            return Ok(state.task.clone());
        };
        drop(state);
        if run.cancel.is_cancelled() {
            return Err(not_cancelable(TaskState::Canceled));
        }
        run.cancel.cancel();
        run.ended.cancelled().await;
        let task = live.task().await;
        match task.status.state {
            TaskState::Canceled => Ok(task),
            state => Err(not_cancelable(state)),
        }
    }

    /// Hears of a task that is not over.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        id: &str,
        after: Option<&str>,
    ) -> Result<Subscription, A2aError> {
        let live = self.find(id).await?;
        let mut state = live.state().await;
        if state.is_final() {
            return Err(over());
        }
        live.listen(&mut state, after, self.options.listeners)
    }

    /// Tells a webhook about the task from now on, in place of one with the same id.
    pub(crate) async fn set_webhook(
        self: &Arc<Self>,
        task_id: &str,
        webhook: Webhook,
    ) -> Result<PushConfigOf, A2aError> {
        let live = self.find(task_id).await?;
        let mut state = live.state().await;
        let set = self.add_webhook(&mut state, webhook)?;
        self.save(&state).await;
        Ok(PushConfigOf::new(task_id, told(&set)))
    }

    pub(crate) async fn webhooks(
        self: &Arc<Self>,
        task_id: &str,
    ) -> Result<Vec<PushConfigOf>, A2aError> {
        let live = self.find(task_id).await?;
        let state = live.state().await;
        let configs = state.webhooks.iter().map(|webhook| told(&webhook.config));
        Ok(configs
            .map(|config| PushConfigOf::new(task_id, config))
            .collect())
    }

    /// The webhook with this id; without one, the first.
    pub(crate) async fn webhook(
        self: &Arc<Self>,
        task_id: &str,
        id: Option<&str>,
    ) -> Result<PushConfigOf, A2aError> {
        let mut all = self.webhooks(task_id).await?.into_iter();
        let wanted = id.unwrap_or(task_id);
        let first = all.clone().next().filter(|_| id.is_none());
        let found = all.find(|set| set.config.id.as_deref() == Some(wanted));
        found.or(first).ok_or_else(no_webhook)
    }

    /// There is no such webhook afterwards, whether there was one or not.
    pub(crate) async fn delete_webhook(
        self: &Arc<Self>,
        task_id: &str,
        id: &str,
    ) -> Result<(), A2aError> {
        let live = self.find(task_id).await?;
        let mut state = live.state().await;
        state.webhooks.retain(|webhook| webhook.id() != id);
        self.save(&state).await;
        Ok(())
    }

    pub(super) fn add_webhook(
        &self,
        state: &mut State,
        mut webhook: Webhook,
    ) -> Result<PushConfig, A2aError> {
        let task_id = state.task.id.clone();
        webhook.config.id.get_or_insert(task_id);
        let others = state.webhooks.iter();
        let others = others.filter(|other| other.id() != webhook.id()).count();
        if others >= self.options.webhooks_per_task {
            return Err(A2aError::new(
                ErrorCode::InvalidParams,
                "too many webhooks are told about this task; delete one first",
            ));
        }
        state.webhooks.retain(|other| other.id() != webhook.id());
        let config = webhook.config.clone();
        state.webhooks.push(webhook);
        Ok(config)
    }

    /// Changes the status, keeps it, and tells everybody.
    pub(super) async fn turn_to(&self, state: &mut State, status: TaskStatus) {
        let event = state.turn_to(status, self.options.clock.wall(), self.options.room);
        self.save(state).await;
        self.tell(state, event);
    }

    /// The same for a status that ends streams.
    pub(super) async fn end(&self, state: &mut State, outcome: TaskOutcome) {
        let event = state.end(outcome, self.options.clock.wall(), self.options.room);
        self.save(state).await;
        self.tell(state, event);
        state.listeners.end();
    }

    /// A store that fails costs the task its memory, not its work.
    pub(super) async fn save(&self, state: &State) {
        if let Err(error) = self.options.store.save(state.stored()).await {
            let task = &*state.task.id;
            tracing::warn!(
                task,
                error = &error as &dyn std::error::Error,
                "a task was not kept"
            );
        }
    }

    pub(super) fn tell(&self, state: &mut State, event: Event) {
        self.options
            .webhooks
            .tell(&state.task, &event, &state.webhooks);
        state.listeners.tell(event);
    }

    /// Work that was going on when the process ended never ends.
    async fn settle(&self, live: &Live) {
        let mut state = live.state().await;
        if state.wants_work() {
            let outcome = TaskOutcome::failed("the agent was restarted while it worked on this");
            self.end(&mut state, outcome).await;
        }
    }

    pub(super) fn forget(&self, id: &str) {
        if let Entry::Occupied(entry) = self.lives().entry(id.into())
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
    }

    fn in_memory(&self, id: &str) -> Option<Arc<Live>> {
        self.lives().get(id)?.upgrade()
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<String, Weak<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What anybody who may call may know of a webhook: its owner has the credentials anyway.
fn told(config: &PushConfig) -> PushConfig {
    let mut told = config.clone();
    if let Some(authentication) = &mut told.authentication {
        authentication.credentials = None;
    }
    told
}

pub(super) fn over() -> A2aError {
    A2aError::new(
        ErrorCode::UnsupportedOperation,
        "the task is over; send the message without a taskId to begin another",
    )
}

fn not_cancelable(state: TaskState) -> A2aError {
    let text = ErrorCode::TaskNotCancelable.text();
    A2aError::new(
        ErrorCode::TaskNotCancelable,
        format!("{text}: it is {state:?}"),
    )
}

fn no_webhook() -> A2aError {
    A2aError::new(ErrorCode::InvalidParams, "the task has no such webhook")
}

/// What a client may know of a store's failure.
fn of_store(error: StoreError) -> A2aError {
    match error {
        StoreError::PageToken | StoreError::Moment => {
            A2aError::new(ErrorCode::InvalidParams, error.to_string())
        }
        StoreError::Full | StoreError::Failed(_) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the task store failed"
            );
            A2aError::new(ErrorCode::Internal, error.to_string())
        }
    }
}
