//! A journal in memory: it ends with the process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use molecule_protocol::{ActivityId, InboundMessage};

use super::record::{Accepted, Burial, Counts, Entry, Head, Key, Seq, is_recent};
use super::store::{MOST_PENDING, Store};
use crate::{AgentError, DeadLetter};

/// How many messages that are done with are known again.
const MOST_DONE: usize = 200;
/// How many dead letters are kept in memory.
const MOST_DEAD: usize = 100;

/// The records, in memory.
#[derive(Debug, Default)]
pub(super) struct Volatile {
    next: Seq,
    pending: BTreeMap<Seq, Entry>,
    /// What waits and was acknowledged where it came from, so that it would not come again.
    acknowledged: BTreeSet<Seq>,
    dead: BTreeMap<Seq, (Burial, InboundMessage)>,
    done: VecDeque<Known>,
}

/// How a message that is done with is known again.
#[derive(Debug)]
struct Known {
    id: ActivityId,
    key: Option<Key>,
    at: u64,
}

impl Volatile {
    fn next(&mut self) -> Seq {
        self.next += 1;
        self.next
    }

    fn knows(&self, head: &Head) -> bool {
        let is_same = |id: ActivityId, key: Option<Key>, at: u64| {
            id == head.id || (key.is_some() && key == head.key && is_recent(at, head.at))
        };
        let waiting = self.pending.values().map(|entry| &entry.head);
        let dead = self.dead.values().map(|(burial, _)| &burial.head);
        waiting
            .chain(dead)
            .any(|known| is_same(known.id, known.key, known.at))
            || self
                .done
                .iter()
                .any(|known| is_same(known.id, known.key, known.at))
    }

    fn find(&self, id: ActivityId) -> Option<Seq> {
        let found = self
            .dead
            .iter()
            .find(|(_, (burial, _))| burial.head.id == id);
        found.map(|(seq, _)| *seq)
    }

    fn forget_later(&mut self, head: &Head) {
        if self.done.len() == MOST_DONE {
            self.done.pop_front();
        }
        self.done.push_back(Known {
            id: head.id,
            key: head.key,
            at: head.at,
        });
    }
}

impl Store for Volatile {
    fn accept(&mut self, message: &InboundMessage, now: u64) -> Result<Accepted, AgentError> {
        let head = Head::new(message, now);
        if self.knows(&head) {
            return Ok(Accepted::Known);
        }
        if self.pending.len() >= MOST_PENDING {
            return Ok(Accepted::Full);
        }
        let seq = self.next();
        let accepted = Accepted::New(seq, head.sender.clone());
        let message = message.clone();
        self.pending.insert(seq, Entry { head, message });
        Ok(accepted)
    }

    fn begin(&mut self) {
        let acknowledged = &self.acknowledged;
        self.pending.retain(|seq, _| acknowledged.contains(seq));
    }

    fn waiting(&mut self) -> Result<Vec<(Seq, Head)>, AgentError> {
        let heads = self.pending.iter();
        Ok(heads
            .map(|(seq, entry)| (*seq, entry.head.clone()))
            .collect())
    }

    fn entry(&mut self, seq: Seq) -> Result<Option<Entry>, AgentError> {
        Ok(self.pending.get(&seq).cloned())
    }

    fn update(&mut self, seq: Seq, head: &Head) -> Result<(), AgentError> {
        if let Some(entry) = self.pending.get_mut(&seq) {
            entry.head = head.clone();
        }
        Ok(())
    }

    fn settle(&mut self, seq: Seq) -> Result<(), AgentError> {
        self.acknowledged.remove(&seq);
        if let Some(entry) = self.pending.remove(&seq) {
            self.forget_later(&entry.head);
        }
        Ok(())
    }

    fn bury(&mut self, seq: Seq, burial: &Burial) -> Result<Option<ActivityId>, AgentError> {
        self.acknowledged.remove(&seq);
        let Some(entry) = self.pending.remove(&seq) else {
            return Ok(None);
        };
        self.dead.insert(seq, (burial.clone(), entry.message));
        if self.dead.len() <= MOST_DEAD {
            return Ok(None);
        }
        let oldest = self.dead.pop_first();
        Ok(oldest.map(|(_, (burial, _))| burial.head.id))
    }

    fn dead(&mut self) -> Result<Vec<DeadLetter>, AgentError> {
        let letters = self.dead.values();
        Ok(letters.map(|(burial, _)| burial.clone().letter()).collect())
    }

    fn dead_message(&mut self, id: ActivityId) -> Result<Option<InboundMessage>, AgentError> {
        let seq = self.find(id);
        Ok(seq.map(|seq| self.dead[&seq].1.clone()))
    }

    fn retry(&mut self, id: ActivityId) -> Result<bool, AgentError> {
        let Some((burial, message)) = self.find(id).and_then(|seq| self.dead.remove(&seq)) else {
            return Ok(false);
        };
        let head = burial.head.anew();
        let seq = self.next();
        self.pending.insert(seq, Entry { head, message });
        self.acknowledged.insert(seq);
        Ok(true)
    }

    fn remove(&mut self, id: ActivityId) -> Result<bool, AgentError> {
        let Some((burial, _)) = self.find(id).and_then(|seq| self.dead.remove(&seq)) else {
            return Ok(false);
        };
        self.forget_later(&burial.head);
        Ok(true)
    }

    fn counts(&mut self) -> Result<Counts, AgentError> {
        Ok(Counts {
            pending: self.pending.len(),
            dead: self.dead.len(),
        })
    }
}
