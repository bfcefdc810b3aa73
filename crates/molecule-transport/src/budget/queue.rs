//! Who waits, in the order they go: by priority, within it each member in turn.

use std::collections::BTreeMap;

use super::{PRIORITIES, Priority};

/// A place in the queue; later ones have higher numbers.
pub(super) type Ticket = u64;
/// Who shares the budget.
pub(super) type Member = u64;

/// Priority, round, ticket: the smallest goes first.
type Rank = (Priority, u64, Ticket);

/// Start-time fair queueing. Requests of a member are numbered by rounds, and rounds are served in order; one that comes
/// anew starts in the round that is being served, so that it neither waits behind another's backlog nor has credit
/// from before.
#[derive(Debug, Default)]
pub(super) struct Queue {
    by_rank: BTreeMap<Rank, Member>,
    by_age: BTreeMap<Ticket, Rank>,
    /// The last round of each member and priority.
    last: BTreeMap<Member, [u64; PRIORITIES]>,
    /// The round that is being served.
    serving: [u64; PRIORITIES],
    next_ticket: Ticket,
}

impl Queue {
    pub(super) fn enter(&mut self, member: Member, priority: Priority) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let last = &mut self.last.entry(member).or_default()[priority.index()];
        *last = (*last + 1).max(self.serving[priority.index()]);
        let rank = (priority, *last, ticket);
        self.by_rank.insert(rank, member);
        self.by_age.insert(ticket, rank);
        ticket
    }

    /// Takes somebody out whose turn it is.
    pub(super) fn serve(&mut self, ticket: Ticket) {
        if let Some((rank, _)) = self.take(ticket) {
            let (priority, round, _) = rank;
            let serving = &mut self.serving[priority.index()];
            *serving = round.max(*serving);
        }
    }

    /// Takes somebody out who does not want to go any more; its round is the member's again.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let Some(((priority, round, _), member)) = self.take(ticket) else {
            return;
        };
        if let Some(rounds) = self.last.get_mut(&member)
            && rounds[priority.index()] == round
        {
            rounds[priority.index()] -= 1;
        }
    }

    /// Forgets a member.
    pub(super) fn forget(&mut self, member: Member) {
        self.last.remove(&member);
    }

    /// Who goes first.
    pub(super) fn first(&self) -> Option<(Ticket, Priority)> {
        let ((priority, _, ticket), _) = self.by_rank.first_key_value()?;
        Some((*ticket, *priority))
    }

    /// Who has waited longest.
    pub(super) fn oldest(&self) -> Option<Ticket> {
        self.by_age.first_key_value().map(|(ticket, _)| *ticket)
    }

    pub(super) fn len(&self) -> usize {
        self.by_rank.len()
    }

    fn take(&mut self, ticket: Ticket) -> Option<(Rank, Member)> {
        let rank = self.by_age.remove(&ticket)?;
        let member = self.by_rank.remove(&rank)?;
        Some((rank, member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members in the order in which they are served.
    fn drain(queue: &mut Queue) -> Vec<Member> {
        let mut order = Vec::new();
        while let Some((ticket, _)) = queue.first() {
            let rank = queue.by_age[&ticket];
            order.push(queue.by_rank[&rank]);
            queue.serve(ticket);
        }
        order
    }

    #[test]
    fn a_backlog_does_not_hold_up_the_others() {
        let mut queue = Queue::default();
        for member in [1, 1, 1, 1, 2, 2, 3] {
            queue.enter(member, Priority::Poll);
        }
        assert_eq!(drain(&mut queue), [1, 2, 3, 1, 2, 1, 1]);
    }

    #[test]
    fn who_was_away_has_no_credit() {
        let mut queue = Queue::default();
        for _ in 0..5 {
            queue.enter(1, Priority::Poll);
        }
        assert_eq!(drain(&mut queue), [1; 5]);
        for member in [1, 1, 2, 2, 2] {
            queue.enter(member, Priority::Poll);
        }
        assert_eq!(drain(&mut queue), [2, 1, 2, 1, 2]);
    }

    #[test]
    fn priorities_come_before_rounds() {
        let mut queue = Queue::default();
        queue.enter(1, Priority::State);
        queue.enter(2, Priority::Poll);
        queue.enter(3, Priority::Message);
        queue.enter(4, Priority::Heartbeat);
        queue.enter(4, Priority::Heartbeat);
        assert_eq!(queue.oldest(), Some(0));
        assert_eq!(drain(&mut queue), [4, 4, 3, 2, 1]);
    }

    #[test]
    fn who_leaves_keeps_its_round_and_nothing_is_left_of_it() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            let ticket = queue.enter(1, Priority::Poll);
            queue.leave(ticket);
        }
        queue.enter(2, Priority::Poll);
        queue.enter(1, Priority::Poll);
        assert_eq!(drain(&mut queue), [2, 1]);
        queue.forget(1);
        queue.forget(2);
        assert_eq!((queue.len(), queue.last.len()), (0, 0));
    }
}
