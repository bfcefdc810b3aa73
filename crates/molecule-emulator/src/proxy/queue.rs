//! Messages that an agent dropped: kept, and offered again with its heartbeats.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::envelope::message_id;

/// Deliveries after which a message is given up.
const MAX_ATTEMPTS: u32 = 5;

/// One message that waits for its target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: Uuid,
    pub(crate) target: Uuid,
    pub(crate) caller: Option<Uuid>,
    pub(crate) envelope: Value,
    attempts: u32,
    /// A delivery is under way; another heartbeat must not start a second one.
    #[serde(skip)]
    in_flight: bool,
}

/// All waiting messages, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Queue(Vec<Item>);

impl Queue {
    /// Queues a message and returns its place: the id and how many wait for the target. A message that waits already
    /// keeps its place.
    pub(crate) fn push(
        &mut self,
        target: Uuid,
        caller: Option<Uuid>,
        envelope: &Value,
    ) -> (Uuid, usize) {
        let known = message_id(envelope).and_then(|id| self.find(target, id));
        let id = known.unwrap_or_else(Uuid::new_v4);
        if known.is_none() {
            let envelope = envelope.clone();
            self.0.push(Item {
                id,
                target,
                caller,
                envelope,
                attempts: 0,
                in_flight: false,
            });
        }
        (id, self.depth(target))
    }

    fn find(&self, target: Uuid, message: &str) -> Option<Uuid> {
        let is_same =
            |item: &&Item| item.target == target && message_id(&item.envelope) == Some(message);
        self.0.iter().find(is_same).map(|item| item.id)
    }

    fn depth(&self, target: Uuid) -> usize {
        self.0.iter().filter(|item| item.target == target).count()
    }

    /// The oldest message for a target that is not under way, now under way.
    pub(crate) fn take_next(&mut self, target: Uuid) -> Option<Item> {
        let item = self
            .0
            .iter_mut()
            .find(|item| item.target == target && !item.in_flight)?;
        item.in_flight = true;
        item.attempts += 1;
        Some(item.clone())
    }

    /// Settles a delivery: a delivered message leaves, another one stays until it was tried five times.
    pub(crate) fn settle(&mut self, id: Uuid, delivered: bool) {
        self.0.retain_mut(|item| {
            item.in_flight &= item.id != id;
            item.id != id || !(delivered || item.attempts >= MAX_ATTEMPTS)
        });
    }

    pub(crate) fn forget(&mut self, target: Uuid) {
        self.0.retain(|item| item.target != target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(id: &str) -> Value {
        json!({"params": {"message": {"messageId": id}}})
    }

    #[test]
    fn the_same_message_keeps_its_place() {
        let mut queue = Queue::default();
        let (first, _) = queue.push(Uuid::nil(), None, &message("a"));
        let (second, depth) = queue.push(Uuid::nil(), None, &message("b"));
        assert_eq!(
            (queue.push(Uuid::nil(), None, &message("a")), depth),
            ((first, 2), 2)
        );
        assert_ne!(first, second);
    }

    #[test]
    fn a_message_is_given_up_after_five_deliveries() {
        let mut queue = Queue::default();
        queue.push(Uuid::nil(), None, &message("a"));
        for _ in 0..MAX_ATTEMPTS {
            let item = queue.take_next(Uuid::nil()).unwrap();
            assert!(queue.take_next(Uuid::nil()).is_none(), "it is under way");
            queue.settle(item.id, false);
        }
        assert!(queue.take_next(Uuid::nil()).is_none());
    }
}
