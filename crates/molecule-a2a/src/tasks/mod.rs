//! Tasks: kept in a store, driven while their work goes on, and told about to whoever wants to know.

mod engine;
mod follow;
mod json;
mod live;
mod memory;
mod page;
mod state;
mod store;
mod subscription;
mod weight;
mod work;

pub(crate) use engine::{Engine, EngineOptions};
pub(crate) use live::{Live, Place};
pub use memory::MemoryTaskStore;
pub(crate) use state::Room;
pub use store::{StoreError, StoredTask, TaskStore, Webhook};
pub(crate) use subscription::{Published, Subscription};
pub(crate) use weight::{of_config, of_message, of_task};
pub(crate) use work::Started;

use std::time::SystemTime;

use crate::Task;

/// RFC 3339, to the millisecond. A time that no calendar has is left out.
pub(crate) fn timestamp(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(format!("{time:.3}"))
}

/// Keeps the newest messages of the history alone.
pub(crate) fn shorten(task: &mut Task, history_length: Option<u32>) {
    let Some(length) = history_length else { return };
    match (usize::try_from(length), &mut task.history) {
        (Ok(0), history) => *history = None,
        (Ok(length), Some(history)) => {
            history.drain(..history.len().saturating_sub(length));
        }
        _ => {}
    }
}
