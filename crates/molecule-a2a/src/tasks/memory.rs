//! The store that forgets.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use molecule_transport::Clock;

use super::{StoreError, StoredTask, TaskStore, weight};
use crate::{BoxFuture, ListTasks, TaskPage};

/// Keeps tasks in memory, in bounds: a task that is over is forgotten after a while, and one that waits for its user after a longer
/// one; when there is no room, those go first that have been over, or have waited, for the longest time. Tasks whose work goes on are
/// never forgotten, and when nothing else is left, no further ones are taken.
pub struct MemoryTaskStore {
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    kept: Mutex<Kept>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    tasks: usize,
    bytes: usize,
    finished: Duration,
    waiting: Duration,
}

impl MemoryTaskStore {
    /// A store for 1000 tasks of 256 MiB together, which keeps those that are over for an hour and those that wait for a day.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            bounds: Bounds {
                tasks: 1000,
                bytes: 256 << 20,
                finished: Duration::from_secs(3600),
                waiting: Duration::from_secs(24 * 3600),
            },
            kept: Mutex::default(),
        }
    }

    /// Sets how many tasks it keeps, and of how many bytes together.
    #[must_use]
    pub const fn with_room(mut self, tasks: usize, bytes: usize) -> Self {
        self.bounds.tasks = tasks;
        self.bounds.bytes = bytes;
        self
    }

    /// Sets how long a task is kept that is over, and one that waits for its user.
    #[must_use]
    pub const fn with_keep(mut self, finished: Duration, waiting: Duration) -> Self {
        self.bounds.finished = finished;
        self.bounds.waiting = waiting;
        self
    }

    /// The tasks, without those whose time is over.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.expire(self.clock.wall(), self.bounds);
        kept
    }
}

impl TaskStore for MemoryTaskStore {
    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredTask>, StoreError>> {
        let task = self.kept().tasks.get(id).cloned();
        Box::pin(ready(Ok(task)))
    }

    fn save(&self, task: StoredTask) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(self.kept().put(task, self.bounds)))
    }

    fn list<'a>(&'a self, wanted: &'a ListTasks) -> BoxFuture<'a, Result<TaskPage, StoreError>> {
        Box::pin(ready(TaskPage::of(self.kept().tasks.values(), wanted)))
    }
}

impl fmt::Debug for MemoryTaskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTaskStore")
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Kept {
    tasks: HashMap<String, StoredTask>,
    /// Those that may be forgotten, in the order in which they are.
    idle: BTreeSet<Idle>,
    bytes: usize,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Idle {
    waits: bool,
    since: SystemTime,
    id: String,
}

impl Idle {
    fn of(stored: &StoredTask) -> Option<Self> {
        let state = stored.task.status.state;
        let idle = state.is_final() || state.is_interrupted();
        idle.then(|| Self {
            waits: state.is_interrupted(),
            since: stored.changed,
            id: stored.task.id.clone(),
        })
    }
}

impl Kept {
    fn put(&mut self, task: StoredTask, bounds: Bounds) -> Result<(), StoreError> {
        let bytes = weight::of_stored(&task);
        let known = self.remove(&task.task.id).is_some();
        while self.tasks.len() >= bounds.tasks || self.bytes + bytes > bounds.bytes {
            // A task that is known already stays, whatever it takes: its work goes on.
            match self.idle.pop_first() {
                Some(idle) => self.remove(&idle.id),
                None if known => break,
                None => return Err(StoreError::Full),
            };
        }
        self.bytes += bytes;
        self.idle.extend(Idle::of(&task));
        self.tasks.insert(task.task.id.clone(), task);
        Ok(())
    }

    fn remove(&mut self, id: &str) -> Option<StoredTask> {
        let task = self.tasks.remove(id)?;
        self.bytes -= weight::of_stored(&task);
        if let Some(idle) = Idle::of(&task) {
            self.idle.remove(&idle);
        }
        Some(task)
    }

    fn expire(&mut self, now: SystemTime, bounds: Bounds) {
        for (waits, keep) in [(false, bounds.finished), (true, bounds.waiting)] {
            while let Some(id) = self.overdue(waits, now, keep) {
                self.remove(&id);
            }
        }
    }

    fn overdue(&self, waits: bool, now: SystemTime, keep: Duration) -> Option<String> {
        let from = Idle {
            waits,
            since: SystemTime::UNIX_EPOCH,
            id: String::new(),
        };
        let oldest = self.idle.range(from..).next()?;
        let age = now.duration_since(oldest.since).unwrap_or_default();
        (oldest.waits == waits && age >= keep).then(|| oldest.id.clone())
    }
}
