//! Who goes next, and when: a function of time and of what happened so far. It waits for nothing and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use super::Priority;
use super::heard::Heard;
use super::queue::{Member, Queue, Ticket};

/// What the limit is counted over.
const WINDOW: Duration = Duration::from_secs(60);

/// Each so many turns, one goes to whoever has waited longest, so that nobody waits for ever.
const OLDEST_EVERY: u64 = 10;

/// The platform rounds its waits down to whole seconds.
const ROUNDED: Duration = Duration::from_secs(1);

/// The longest wait that an answer imposes on everybody; then one of them may ask again.
const LONGEST: Duration = Duration::from_secs(120);

/// What there is to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is this one's turn, and counted as such.
    Go(Ticket),
    /// It will be this one's turn at that time, if nothing happens before; without a time, only something that happens
    /// helps.
    Wait(Ticket, Option<Duration>),
    /// Nobody waits.
    Nobody,
}

/// Shares out at most `limit` requests in any 60 s.
///
/// A request counts from the moment it may go until 60 s after its answer came, because the platform counts it somewhere in
/// between. A tenth of the limit may go at once; what is more goes at an even pace, so that no burst uses up the minute of
/// the others. Of that tenth, messages leave a quarter and routine a half to what is more urgent, also when the minute is full.
#[derive(Debug)]
pub(super) struct Schedule {
    /// What the caller allows.
    most: u32,
    /// What the platform allows, if that is less.
    limit: u32,
    /// Requests under way.
    under_way: usize,
    /// When those that were answered no longer count, the first one first.
    counted: VecDeque<Duration>,
    /// When the next turn would be at an even pace.
    even: Duration,
    /// Until then nobody goes.
    quiet: Duration,
    /// Until then no routine goes.
    urgent_only: Duration,
    queue: Queue,
    /// How many turns there were.
    turns: u64,
}

impl Schedule {
    /// At most `limit` requests in any 60 s, and at least one.
    pub(super) fn new(limit: u32) -> Self {
        let limit = limit.max(1);
        Self {
            most: limit,
            limit,
            under_way: 0,
            counted: VecDeque::new(),
            even: Duration::ZERO,
            quiet: Duration::ZERO,
            urgent_only: Duration::ZERO,
            queue: Queue::default(),
            turns: 0,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn enter(&mut self, member: Member, priority: Priority) -> Ticket {
        self.queue.enter(member, priority)
    }

    /// Somebody who waits does so no longer.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.queue.leave(ticket);
    }

    pub(super) fn forget(&mut self, member: Member) {
        self.queue.forget(member);
    }

    /// Gives the next turn, if it is time.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        while self.counted.front().is_some_and(|until| *until <= now) {
            self.counted.pop_front();
        }
        let Some((ticket, priority)) = self.head() else {
            return Next::Nobody;
        };
        match self.ready(priority) {
            Some(at) if at <= now => {
                self.queue.serve(ticket);
                self.turns += 1;
                self.under_way += 1;
                self.even = self.even.max(now) + self.gap();
                Next::Go(ticket)
            }
            at => Next::Wait(ticket, at),
        }
    }

    /// Who is next. The oldest goes as if nothing were more urgent.
    fn head(&self) -> Option<(Ticket, Priority)> {
        if self.turns % OLDEST_EVERY == OLDEST_EVERY - 1 {
            let oldest = self.queue.oldest()?;
            return Some((oldest, Priority::Heartbeat));
        }
        self.queue.first()
    }

    fn ready(&self, priority: Priority) -> Option<Duration> {
        let spared = self.spared(priority);
        let at_once = (self.burst() - spared).max(1);
        let paced = self.even.saturating_sub(self.gap() * (at_once - 1));
        let urgent_only = match priority.is_routine() {
            true => self.urgent_only,
            false => Duration::ZERO,
        };
        let room = self.room(self.limit - spared)?;
        Some(room.max(paced).max(self.quiet).max(urgent_only))
    }

    /// How much of what may go at once is left to what is more urgent.
    fn spared(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Heartbeat => 0,
            Priority::Message => self.burst() / 4,
            Priority::Poll | Priority::State => self.burst() / 2,
        }
    }

    /// When there is room for one more in the window; `None` until something under way is answered.
    fn room(&self, limit: u32) -> Option<Duration> {
        let used = self.under_way + self.counted.len();
        match used.checked_sub(limit as usize) {
            None => Some(Duration::ZERO),
            Some(over) => self.counted.get(over).copied(),
        }
    }

    /// How many may go at once.
    fn burst(&self) -> u32 {
        (self.limit / 10).max(1)
    }

    /// The time between two turns at an even pace, so that burst and pace together keep the limit.
    fn gap(&self) -> Duration {
        WINDOW / (self.limit - self.burst()).max(1)
    }

    /// A turn was not used.
    pub(super) fn give_back(&mut self) {
        self.under_way -= 1;
        self.even = self.even.saturating_sub(self.gap());
    }

    /// A request was answered, or failed.
    pub(super) fn done(&mut self, now: Duration) {
        self.under_way -= 1;
        self.counted.push_back(now + WINDOW);
    }

    /// Learns from an answer.
    pub(super) fn hear(&mut self, heard: &Heard, now: Duration) {
        if let Some(limit) = heard.limit {
            self.limit = limit.clamp(1, self.most);
        }
        if let Some(wait) = heard.wait {
            self.hush(wait, now);
        }
        if let Some(quota) = heard.quota {
            let reset = now + quota.reset.min(LONGEST) + ROUNDED;
            let is_short = quota.remaining <= quota.limit / 10;
            self.urgent_only = if is_short { reset } else { Duration::ZERO };
            if quota.remaining == 0 {
                self.hush(quota.reset, now);
            }
        }
    }

    fn hush(&mut self, wait: Duration, now: Duration) {
        self.quiet = self.quiet.max(now + wait.min(LONGEST) + ROUNDED);
    }
}

#[cfg(test)]
mod tests;
