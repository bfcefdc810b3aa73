//! Where tasks are kept.

use std::time::SystemTime;

use crate::codec::Version;
use crate::{BoxFuture, ListTasks, PushConfig, Task, TaskPage};

/// Where tasks are kept. [`MemoryTaskStore`](super::MemoryTaskStore) forgets them with the process; a store on disk lets clients
/// ask for them after a restart.
///
/// While work goes on, the server has the task in memory; it saves each status and each finished artifact, one save of a task
/// after the other.
pub trait TaskStore: Send + Sync + 'static {
    /// The task with this id, as it was saved last.
    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredTask>, StoreError>>;

    /// Keeps a task, in place of what was saved under its id.
    fn save(&self, task: StoredTask) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Some of the tasks. [`TaskPage::of`] finds them among all.
    fn list<'a>(&'a self, wanted: &'a ListTasks) -> BoxFuture<'a, Result<TaskPage, StoreError>>;
}

/// What a store keeps of a task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredTask {
    /// The task.
    pub task: Task,
    /// Who is told about it.
    pub webhooks: Vec<Webhook>,
    /// When its status changed last.
    pub changed: SystemTime,
}

impl StoredTask {
    /// A task that nobody else is told about.
    #[must_use]
    pub const fn new(task: Task, changed: SystemTime) -> Self {
        Self {
            task,
            webhooks: Vec::new(),
            changed,
        }
    }

    /// Says who is told about it.
    #[must_use]
    pub fn with_webhooks(mut self, webhooks: Vec<Webhook>) -> Self {
        self.webhooks = webhooks;
        self
    }
}

/// A webhook and the words it is spoken to in: those in which it was set.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Webhook {
    /// Where, and how to authenticate there. Its id is set.
    pub config: PushConfig,
    /// The version of the wire.
    pub version: Version,
}

impl Webhook {
    /// A webhook that is spoken to in this version.
    #[must_use]
    pub const fn new(config: PushConfig, version: Version) -> Self {
        Self { config, version }
    }

    /// What it is called among the webhooks of its task.
    #[must_use]
    pub fn id(&self) -> &str {
        self.config.id.as_deref().unwrap_or_default()
    }
}

/// Why a store did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room for another task.
    #[error("there are too many unfinished tasks; try again when some are done")]
    Full,
    /// A page token that was not given out.
    #[error("the page token was not given out by this agent; start at the first page")]
    PageToken,
    /// A moment that is none.
    #[error("statusTimestampAfter is no moment in RFC 3339")]
    Moment,
    /// The tasks could not be read or written.
    #[error("the tasks cannot be kept")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
