//! A task in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};
use uuid::Uuid;

use super::state::State;
use super::{Engine, Published, StoredTask, Subscription};
use crate::{A2aError, ErrorCode, Event, Task};

/// A task that work goes on for, or that somebody is about to change or listens to. There is one of them at a time for a task.
pub(crate) struct Live {
    engine: Weak<Engine>,
    id: String,
    epoch: String,
    /// Held while a change is saved, so that the store sees changes in their order.
    state: Mutex<State>,
    /// Held by the one message that is being answered.
    turn: Arc<Mutex<()>>,
    waiting: Arc<AtomicUsize>,
}

impl Live {
    pub(super) fn new(engine: &Arc<Engine>, stored: StoredTask, queue: usize) -> Arc<Self> {
        let mut epoch = Uuid::new_v4().simple().to_string();
        epoch.truncate(8);
        Arc::new(Self {
            engine: Arc::downgrade(engine),
            id: stored.task.id.clone(),
            epoch,
            state: Mutex::new(State::new(stored, queue)),
            turn: Arc::default(),
            waiting: Arc::default(),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) async fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// The task as it is now.
    pub(crate) async fn task(&self) -> Task {
        self.state().await.task.clone()
    }

    /// A place behind the messages that are not answered yet, of which at most `limit` wait at a time.
    pub(crate) fn place(&self, limit: usize) -> Result<Place, A2aError> {
        if let Ok(turn) = self.turn.clone().try_lock_owned() {
            return Ok(Place::First(turn));
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= limit {
            return Err(A2aError::new(
                ErrorCode::Internal,
                "too many messages to this task wait for an answer; send it again later",
            ));
        }
        Ok(Place::Behind(self.turn.clone(), waiting))
    }

    /// Hears of the task from now on: first as it is, or what was missed after the event of this name.
    pub(super) fn listen(
        self: &Arc<Self>,
        state: &mut State,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Subscription, A2aError> {
        if state.listeners.count() >= limit {
            return Err(A2aError::new(
                ErrorCode::Internal,
                "too many clients listen to this task; ask for it with tasks/get",
            ));
        }
        let missed = after.and_then(|name| self.number(name));
        let missed = missed.and_then(|number| state.listeners.after(number));
        let backlog = missed.unwrap_or_else(|| {
            let event = Arc::new(Event::Task(state.task.clone()));
            let number = state.listeners.last();
            [Published { number, event }].into()
        });
        Ok(Subscription {
            backlog,
            events: state.listeners.add(),
            live: self.clone(),
        })
    }

    /// The number in an event's name, if it was given in this time in memory.
    fn number(&self, name: &str) -> Option<u64> {
        let (epoch, number) = name.split_once('-')?;
        (epoch == self.epoch).then(|| number.parse().ok())?
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.forget(&self.id);
        }
    }
}

/// Where a message stands among those to its task that are not answered yet.
#[must_use]
pub(crate) enum Place {
    /// It is the one to answer.
    First(OwnedMutexGuard<()>),
    /// It waits for others.
    Behind(Arc<Mutex<()>>, Waiting),
}

impl Place {
    pub(crate) const fn has_to_wait(&self) -> bool {
        matches!(self, Self::Behind(..))
    }

    /// Waits until the messages before are answered.
    pub(crate) async fn turn(self) -> OwnedMutexGuard<()> {
        match self {
            Self::First(turn) => turn,
            Self::Behind(turn, _waiting) => turn.lock_owned().await,
        }
    }
}

pub(crate) struct Waiting {
    count: Arc<AtomicUsize>,
    before: usize,
}

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        let before = count.fetch_add(1, Ordering::Relaxed);
        Self {
            count: count.clone(),
            before,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
