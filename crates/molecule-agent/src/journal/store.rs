//! What a journal is kept in: memory, or a file.

use std::fmt;

use molecule_protocol::{ActivityId, InboundMessage};

use super::record::{Accepted, Burial, Counts, Entry, Head, Seq};
use crate::{AgentError, DeadLetter};

/// How many messages may wait. More stay with the platform until there is room.
pub(super) const MOST_PENDING: usize = 10_000;

/// The records. Each call is one step: it happens as a whole or not at all, and when it returns it has happened for good.
pub(super) trait Store: Send {
    /// Takes a message, unless it is known.
    fn accept(&mut self, message: &InboundMessage, now: u64) -> Result<Accepted, AgentError>;

    /// What comes again from where it came, because it was never acknowledged there, is forgotten.
    fn begin(&mut self) {}

    /// What waits, in order.
    fn waiting(&mut self) -> Result<Vec<(Seq, Head)>, AgentError>;

    /// What waits under this number.
    fn entry(&mut self, seq: Seq) -> Result<Option<Entry>, AgentError>;

    /// Replaces the head of what waits.
    fn update(&mut self, seq: Seq, head: &Head) -> Result<(), AgentError>;

    /// It waits no more. Its id stays known for a while.
    fn settle(&mut self, seq: Seq) -> Result<(), AgentError>;

    /// It waits no more, and is a dead letter. Gives the id of one that had to make room.
    fn bury(&mut self, seq: Seq, burial: &Burial) -> Result<Option<ActivityId>, AgentError>;

    /// The dead letters, in the order in which they were accepted.
    fn dead(&mut self) -> Result<Vec<DeadLetter>, AgentError>;

    /// The message of a dead letter.
    fn dead_message(&mut self, id: ActivityId) -> Result<Option<InboundMessage>, AgentError>;

    /// A dead letter waits again, behind all others. Says whether there is one.
    fn retry(&mut self, id: ActivityId) -> Result<bool, AgentError>;

    /// A dead letter is no more. Says whether there was one.
    fn remove(&mut self, id: ActivityId) -> Result<bool, AgentError>;

    /// How many of each there are.
    fn counts(&mut self) -> Result<Counts, AgentError>;

    /// Called before it is closed, with nothing that waits.
    fn tidy(&mut self) -> Result<(), AgentError> {
        Ok(())
    }
}

/// Where a store is.
pub(super) trait Place: fmt::Debug + Send + Sync {
    /// Opens it. Nothing is made unless `create` says so: a store that is not there is empty.
    fn open(&self, create: bool) -> Result<Option<Box<dyn Store>>, AgentError>;

    /// A store that was open here failed.
    fn failed(&self);

    /// The error of a store that panicked.
    fn panicked(&self, what: String) -> AgentError;
}
