//! Messages that were handled lately: the platform may deliver one twice, under the same id.

use std::collections::VecDeque;
use std::time::Duration;

use molecule_protocol::{InboundMessage, Sender};

/// How many are remembered.
const CAPACITY: usize = 200;
/// How long. Ids are up to their senders, and some use the same again and again.
const MEMORY: Duration = Duration::from_secs(300);

/// The latest messages, by sender, id and text.
#[derive(Debug, Default)]
pub(crate) struct Handled {
    recent: VecDeque<(Duration, Key)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    sender: Sender,
    message_id: String,
    text: String,
}

impl Key {
    /// A message without an id is like no other.
    fn of(message: &InboundMessage) -> Option<Self> {
        Some(Self {
            sender: message.sender.clone(),
            message_id: message.message_id.clone()?,
            text: message.text.clone(),
        })
    }
}

impl Handled {
    pub(crate) fn has(&mut self, message: &InboundMessage, now: Duration) -> bool {
        self.recent
            .retain(|(at, _)| now.saturating_sub(*at) < MEMORY);
        Key::of(message).is_some_and(|key| self.recent.iter().any(|(_, known)| *known == key))
    }

    pub(crate) fn add(&mut self, message: &InboundMessage, now: Duration) {
        if self.recent.len() == CAPACITY {
            self.recent.pop_front();
        }
        self.recent.extend(Key::of(message).map(|key| (now, key)));
    }
}
