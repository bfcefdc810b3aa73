//! Conversations side by side: the messages of one are handled in order, those of several at the same time.

use std::collections::{BTreeMap, VecDeque};

use molecule_protocol::{Sender, WorkspaceId};

use crate::journal::Seq;

/// A conversation, by whom it is with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Canvas,
    Peer(WorkspaceId),
    Other(String),
}

impl From<Sender> for Lane {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::CanvasUser => Self::Canvas,
            Sender::Peer(peer) => Self::Peer(peer),
            Sender::Unknown(sender) => Self::Other(sender),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// What is being worked on in each conversation, and what waits behind it.
#[derive(Debug, Default)]
pub(super) struct Lanes(BTreeMap<Lane, VecDeque<Seq>>);

impl Lanes {
    /// Adds a message unless it is there. Says whether it is to be begun now.
    pub(super) fn add(&mut self, lane: Lane, seq: Seq) -> bool {
        let waiting = self.0.entry(lane).or_default();
        if waiting.contains(&seq) {
            return false;
        }
        waiting.push_back(seq);
        waiting.len() == 1
    }

    /// The first message of a conversation is done with. The next one, which is to be begun now.
    pub(super) fn next(&mut self, lane: &Lane) -> Option<Seq> {
        let waiting = self.0.get_mut(lane)?;
        waiting.pop_front();
        let next = waiting.front().copied();
        if next.is_none() {
            self.0.remove(lane);
        }
        next
    }

    /// A conversation is not gone on with.
    pub(super) fn leave(&mut self, lane: &Lane) {
        self.0.remove(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(name: &str) -> Lane {
        Lane::Other(name.to_owned())
    }

    #[test]
    fn a_conversation_goes_on_when_its_first_message_is_done_with() {
        let mut lanes = Lanes::default();
        assert!(lanes.add(Lane::Canvas, 1));
        assert!(!lanes.add(Lane::Canvas, 2));
        assert!(lanes.add(other("a"), 3));
        assert_eq!(lanes.next(&Lane::Canvas), Some(2));
        assert_eq!(lanes.next(&Lane::Canvas), None);
        assert_eq!(lanes.next(&other("a")), None);
        assert!(lanes.0.is_empty());
    }

    #[test]
    fn a_message_that_is_there_is_not_added_again() {
        let mut lanes = Lanes::default();
        assert!(lanes.add(Lane::Canvas, 1));
        assert!(!lanes.add(Lane::Canvas, 1));
        assert!(!lanes.add(Lane::Canvas, 2));
        assert!(!lanes.add(Lane::Canvas, 2));
        assert_eq!(lanes.next(&Lane::Canvas), Some(2));
        assert_eq!(lanes.next(&Lane::Canvas), None);
        assert!(lanes.add(Lane::Canvas, 2), "it is done with by then");
    }

    #[test]
    fn a_conversation_that_is_left_begins_anew() {
        let mut lanes = Lanes::default();
        lanes.add(Lane::Canvas, 1);
        lanes.add(Lane::Canvas, 2);
        lanes.leave(&Lane::Canvas);
        assert!(lanes.add(Lane::Canvas, 3));
    }
}
