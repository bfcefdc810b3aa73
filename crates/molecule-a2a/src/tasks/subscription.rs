//! Who listens to a task.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Live;
use crate::Event;

/// An event and its number among those of its task.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) number: u64,
    pub(crate) event: Arc<Event>,
}

/// What somebody hears of a task: what was before, then what happens. It ends with the status that ends the stream, or when the
/// listener is too slow.
pub(crate) struct Subscription {
    pub(super) backlog: VecDeque<Published>,
    pub(super) events: mpsc::Receiver<Published>,
    /// The task is in memory as long as somebody listens.
    pub(super) live: Arc<Live>,
}

impl Subscription {
    /// The next event. It may be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Published> {
        match self.backlog.pop_front() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        }
    }

    /// What the task's events are called on the wire: unlike those of any other time that it was in memory.
    pub(crate) fn epoch(&self) -> &str {
        self.live.epoch()
    }
}

/// The listeners of a task, and the newest events for those that come back.
#[derive(Debug)]
pub(super) struct Listeners {
    senders: Vec<mpsc::Sender<Published>>,
    recent: VecDeque<Published>,
    last: u64,
    queue: usize,
}

impl Listeners {
    /// Each may have so many events waiting.
    pub(super) const fn new(queue: usize) -> Self {
        Self {
            senders: Vec::new(),
            recent: VecDeque::new(),
            last: 0,
            queue,
        }
    }

    pub(super) fn count(&mut self) -> usize {
        self.senders.retain(|sender| !sender.is_closed());
        self.senders.len()
    }

    pub(super) fn add(&mut self) -> mpsc::Receiver<Published> {
        let (sender, receiver) = mpsc::channel(self.queue);
        self.senders.push(sender);
        receiver
    }

    /// Tells everybody. Whoever has not taken what was told before is not waited for.
    pub(super) fn tell(&mut self, event: Event) {
        self.last += 1;
        let published = Published {
            number: self.last,
            event: Arc::new(event),
        };
        self.senders
            .retain(|sender| sender.try_send(published.clone()).is_ok());
        self.recent.push_back(published);
        if self.recent.len() > self.queue {
            self.recent.pop_front();
        }
    }

    pub(super) fn end(&mut self) {
        self.senders.clear();
    }

    /// What came after `number`, if all of it is still there.
    pub(super) fn after(&self, number: u64) -> Option<VecDeque<Published>> {
        let missed = self.last.checked_sub(number)?;
        let missed = usize::try_from(missed).ok()?;
        let from = self.recent.len().checked_sub(missed)?;
        Some(self.recent.range(from..).cloned().collect())
    }

    /// The number of the newest event.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }
}
