//! The tasks that somebody asked for, a page at a time.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{StoreError, StoredTask, of_task, shorten};
use crate::{ListTasks, Task, TaskPage};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 100;
/// Bytes of a page, roughly. A task that is larger is a page of its own.
const PAGE_BYTES: usize = 8 << 20;

impl TaskPage {
    /// The wanted ones among `tasks`, the one whose status changed last first. A page goes on where the one before ended, even
    /// if tasks came or went meanwhile. A page that would be very large is shorter than was asked for.
    ///
    /// # Errors
    /// [`StoreError::PageToken`] and [`StoreError::Moment`] when `wanted` makes no sense.
    pub fn of<'a>(
        tasks: impl IntoIterator<Item = &'a StoredTask>,
        wanted: &ListTasks,
    ) -> Result<Self, StoreError> {
        let filter = Filter::new(wanted)?;
        let mut found: Vec<_> = tasks
            .into_iter()
            .filter(|task| filter.takes(task))
            .collect();
        found.sort_unstable_by_key(|task| Place::of(task));
        let total_size = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let start = match wanted
            .page_token
            .as_deref()
            .filter(|token| !token.is_empty())
        {
            Some(token) => {
                let last = Place::parse(token).ok_or(StoreError::PageToken)?;
                found.partition_point(|task| Place::of(task) <= last)
            }
            None => 0,
        };
        let page_size = wanted.page_size.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
        let rest = &found[start..];
        let wanted_ones = rest.iter().take(page_size as usize);
        let tasks = fitting(wanted_ones.map(|stored| told(stored, wanted)));
        let more = tasks.len() < rest.len();
        let last = rest[..tasks.len()].last().filter(|_| more);
        Ok(Self {
            tasks,
            next_page_token: last.map_or_else(String::new, |task| Place::of(task).token()),
            page_size,
            total_size,
        })
    }
}

/// As many as a page holds, and one at least.
fn fitting(tasks: impl Iterator<Item = Task>) -> Vec<Task> {
    let (mut page, mut bytes) = (Vec::new(), 0_usize);
    for task in tasks {
        bytes += of_task(&task);
        if bytes > PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(task);
    }
    page
}

struct Filter<'a> {
    wanted: &'a ListTasks,
    after: Option<SystemTime>,
}

impl<'a> Filter<'a> {
    fn new(wanted: &'a ListTasks) -> Result<Self, StoreError> {
        let after = wanted.status_timestamp_after.as_deref();
        let after = after.map(str::parse::<jiff::Timestamp>).transpose();
        let after = after.map_err(|_| StoreError::Moment)?;
        Ok(Self {
            wanted,
            after: after.map(SystemTime::from),
        })
    }

    fn takes(&self, stored: &StoredTask) -> bool {
        let (task, wanted) = (&stored.task, self.wanted);
        let in_context = wanted.context_id.as_ref();
        in_context.is_none_or(|context| *context == task.context_id)
            && wanted.state.is_none_or(|state| state == task.status.state)
            && self.after.is_none_or(|after| stored.changed >= after)
    }
}

/// Where a task stands in the list.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    changed: Reverse<Duration>,
    id: &'a str,
}

impl<'a> Place<'a> {
    fn of(stored: &'a StoredTask) -> Self {
        let changed = stored.changed.duration_since(UNIX_EPOCH);
        Self {
            changed: Reverse(changed.unwrap_or_default()),
            id: &stored.task.id,
        }
    }

    fn token(&self) -> String {
        format!("{}-{}", self.changed.0.as_nanos(), self.id)
    }

    fn parse(token: &'a str) -> Option<Self> {
        let (nanos, id) = token.split_once('-')?;
        let changed = Duration::from_nanos(nanos.parse().ok()?);
        Some(Self {
            changed: Reverse(changed),
            id,
        })
    }
}

fn told(stored: &StoredTask, wanted: &ListTasks) -> Task {
    let mut task = Task {
        artifacts: None,
        ..stored.task.clone()
    };
    if wanted.include_artifacts == Some(true) {
        task.artifacts.clone_from(&stored.task.artifacts);
    }
    shorten(&mut task, wanted.history_length);
    task
}
