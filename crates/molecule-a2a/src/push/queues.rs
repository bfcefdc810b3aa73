//! What waits to be sent, in bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::PushConfig;
use crate::tasks::of_config;

/// A webhook: its task, and what it is called among those of the task.
pub(super) type Key = (String, String);

/// How much may wait to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushLimits {
    /// Notifications that wait for one webhook. The oldest goes when there are more.
    pub(crate) queue: usize,
    /// Webhooks that notifications wait for, each of which is waited for by itself. The one that has been waited for for the longest
    /// time is given up when there are more.
    pub(crate) webhooks: usize,
    /// Bytes of all notifications together. The oldest of whoever has the most go when there are more.
    pub(crate) bytes: usize,
}

pub(super) struct Notification {
    pub(super) config: Arc<PushConfig>,
    pub(super) body: Bytes,
    bytes: usize,
}

/// What waits for each webhook that something sends to.
pub(super) struct Queues {
    limits: PushLimits,
    all: HashMap<Key, Queue>,
    bytes: usize,
}

struct Queue {
    waiting: VecDeque<Notification>,
    /// Bytes of what waits.
    bytes: usize,
    /// Bytes of what is being sent, and since when.
    sending: usize,
    since: Duration,
    given_up: CancellationToken,
}

impl Queues {
    pub(super) fn new(limits: PushLimits) -> Self {
        Self {
            limits,
            all: HashMap::new(),
            bytes: 0,
        }
    }

    /// Lets a notification wait. If nothing sends to this webhook yet, something has to, until it is told that the webhook is given up.
    pub(super) fn add(
        &mut self,
        key: &Key,
        config: &PushConfig,
        body: Bytes,
        now: Duration,
    ) -> Option<CancellationToken> {
        let begun = match self.all.get(key) {
            Some(_) => None,
            None => Some(self.begin(key, now)),
        };
        let queue = self.all.get_mut(key)?;
        let notification = queue.notification(config, body);
        self.bytes += notification.bytes;
        queue.bytes += notification.bytes;
        queue.waiting.push_back(notification);
        if queue.waiting.len() > self.limits.queue {
            self.skip(key);
        }
        while self.bytes > self.limits.bytes && self.all.len() > 1 {
            self.make_room();
        }
        begun
    }

    fn begin(&mut self, key: &Key, now: Duration) -> CancellationToken {
        if self.all.len() >= self.limits.webhooks {
            self.give_up_slowest();
        }
        let given_up = CancellationToken::new();
        let queue = Queue {
            waiting: VecDeque::new(),
            bytes: 0,
            sending: 0,
            since: now,
            given_up: given_up.clone(),
        };
        self.all.insert(key.clone(), queue);
        given_up
    }

    /// The oldest notification, when the one before is sent; with the last one the queue goes too.
    pub(super) fn next(&mut self, key: &Key, now: Duration) -> Option<Notification> {
        let queue = self.all.get_mut(key)?;
        self.bytes -= std::mem::take(&mut queue.sending);
        let Some(next) = queue.waiting.pop_front() else {
            self.all.remove(key);
            return None;
        };
        queue.bytes -= next.bytes;
        queue.sending = next.bytes;
        queue.since = now;
        Some(next)
    }

    /// Forgets everything that waits for a webhook, and has its sender stop.
    pub(super) fn give_up(&mut self, key: &Key) {
        if let Some(queue) = self.all.remove(key) {
            let (task, skipped) = (&*key.0, queue.waiting.len());
            tracing::warn!(
                task,
                skipped,
                "a webhook is too slow: it is given up for now"
            );
            self.bytes -= queue.bytes + queue.sending;
            queue.given_up.cancel();
        }
    }

    fn give_up_slowest(&mut self) {
        let slowest = self.all.iter().min_by_key(|(_, queue)| queue.since);
        if let Some(key) = slowest.map(|(key, _)| key.clone()) {
            self.give_up(&key);
        }
    }

    fn make_room(&mut self) {
        let heaviest = self.all.iter().max_by_key(|(_, queue)| queue.bytes);
        match heaviest.filter(|(_, queue)| queue.bytes > 0) {
            Some((key, _)) => {
                let key = key.clone();
                self.skip(&key);
            }
            None => self.give_up_slowest(),
        }
    }

    /// Forgets the oldest notification that waits for a webhook.
    fn skip(&mut self, key: &Key) {
        let queue = self.all.get_mut(key);
        if let Some((queue, skipped)) = queue.and_then(|queue| {
            let skipped = queue.waiting.pop_front()?;
            Some((queue, skipped))
        }) {
            tracing::warn!(task = key.0, "a webhook is slow: a notification is skipped");
            queue.bytes -= skipped.bytes;
            self.bytes -= skipped.bytes;
        }
    }
}

impl Queue {
    /// All that wait share one configuration, unless it changed.
    fn notification(&self, config: &PushConfig, body: Bytes) -> Notification {
        let newest = self.waiting.back().map(|newest| &newest.config);
        match newest.filter(|newest| ***newest == *config) {
            Some(same) => Notification {
                config: same.clone(),
                bytes: body.len(),
                body,
            },
            None => Notification {
                config: Arc::new(config.clone()),
                bytes: body.len() + of_config(config),
                body,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PushLimits = PushLimits {
        queue: 3,
        webhooks: 2,
        bytes: 10_000,
    };

    fn key(name: &str) -> Key {
        ("task".into(), name.into())
    }

    fn add(queues: &mut Queues, name: &str, bytes: usize, now: u64) -> Option<CancellationToken> {
        let body = vec![b'x'; bytes].into();
        let config = PushConfig::new("http://a/");
        queues.add(&key(name), &config, body, Duration::from_secs(now))
    }

    fn next(queues: &mut Queues, name: &str, now: u64) -> Option<usize> {
        let next = queues.next(&key(name), Duration::from_secs(now))?;
        Some(next.body.len())
    }

    #[test]
    fn a_queue_forgets_its_oldest_and_counts_its_bytes_down_to_nothing() {
        let mut queues = Queues::new(LIMITS);
        assert!(add(&mut queues, "a", 1, 0).is_some());
        for bytes in 2..=5 {
            assert!(add(&mut queues, "a", bytes, 0).is_none(), "it is sent to");
        }
        for bytes in [Some(3), Some(4), Some(5), None] {
            assert_eq!(next(&mut queues, "a", 1), bytes);
        }
        assert_eq!((queues.bytes, queues.all.len()), (0, 0));
    }

    #[test]
    fn the_webhook_that_has_been_waited_for_for_the_longest_time_makes_place_for_another() {
        let mut queues = Queues::new(LIMITS);
        let hangs = add(&mut queues, "hangs", 1, 0).unwrap();
        next(&mut queues, "hangs", 0);
        let works = add(&mut queues, "works", 1, 1).unwrap();
        next(&mut queues, "works", 1);
        assert!(add(&mut queues, "new", 1, 2).is_some());
        assert!(hangs.is_cancelled() && !works.is_cancelled());
    }

    #[test]
    fn whoever_has_the_most_bytes_loses_them_first_and_what_is_being_sent_last() {
        let mut queues = Queues::new(LIMITS);
        let much = add(&mut queues, "much", 4000, 0).unwrap();
        next(&mut queues, "much", 0);
        add(&mut queues, "much", 3500, 0);
        let little = add(&mut queues, "little", 1000, 1).unwrap();
        add(&mut queues, "little", 2000, 1);
        assert!(queues.bytes <= LIMITS.bytes && !much.is_cancelled());
        assert_eq!(next(&mut queues, "little", 2), Some(1000));
        add(&mut queues, "little", 2500, 2);
        add(&mut queues, "little", 3000, 2);
        assert!(queues.bytes <= LIMITS.bytes);
        assert!(!little.is_cancelled() && !much.is_cancelled());
        assert_eq!(next(&mut queues, "little", 3), Some(3000));
        queues.give_up(&key("much"));
        queues.give_up(&key("little"));
        assert_eq!(queues.bytes, 0);
    }
}
