use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Quota;

const SECOND: Duration = Duration::from_secs(1);

/// A schedule whose requests take some time, and a log of their turns.
struct Run {
    schedule: Schedule,
    now: Duration,
    waiting: BTreeMap<Ticket, (Member, Priority, Duration)>,
    under_way: Vec<Duration>,
    /// From when until when each request counts.
    counted: Vec<(Duration, Duration)>,
    served: Vec<(Member, Priority, Duration)>,
}

impl Run {
    fn new(limit: u32) -> Self {
        Self {
            schedule: Schedule::new(limit),
            now: Duration::ZERO,
            waiting: BTreeMap::new(),
            under_way: Vec::new(),
            counted: Vec::new(),
            served: Vec::new(),
        }
    }

    fn enter(&mut self, member: Member, priority: Priority) -> Ticket {
        let ticket = self.schedule.enter(member, priority);
        self.waiting.insert(ticket, (member, priority, self.now));
        ticket
    }

    /// Gives all turns that are due now, and says when to look again; answers take `latency`.
    fn serve(&mut self, latency: Duration) -> Option<Duration> {
        self.under_way.sort();
        while self.under_way.first().is_some_and(|at| *at <= self.now) {
            let at = self.under_way.remove(0);
            self.schedule.done(at);
        }
        let again = loop {
            match self.schedule.next(self.now) {
                Next::Go(ticket) => self.go(ticket, latency),
                Next::Wait(_, at) => break at,
                Next::Nobody => break None,
            }
        };
        again
            .into_iter()
            .chain(self.under_way.first().copied())
            .min()
    }

    fn go(&mut self, ticket: Ticket, latency: Duration) {
        let (member, priority, since) = self.waiting.remove(&ticket).unwrap();
        self.served.push((member, priority, self.now - since));
        self.under_way.push(self.now + latency);
        self.counted.push((self.now, self.now + latency + WINDOW));
    }

    fn run(&mut self, time: Duration, latency: Duration) {
        let end = self.now + time;
        while let Some(again) = self.serve(latency).filter(|again| *again <= end) {
            assert!(again > self.now || latency.is_zero(), "{again:?}");
            self.now = again;
        }
        self.now = end;
    }

    /// The most requests that count at any one moment.
    fn most_at_once(&self) -> usize {
        let at = |moment| {
            let counts = |(from, until): &&(Duration, Duration)| *from <= moment && moment < *until;
            self.counted.iter().filter(counts).count()
        };
        let starts = self.counted.iter().map(|(from, _)| at(*from));
        starts.max().unwrap_or_default()
    }
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop_oneof![
        Just(Priority::Heartbeat),
        Just(Priority::Message),
        Just(Priority::Poll),
        Just(Priority::State),
    ]
}

/// Something that happens, and the milliseconds before it.
#[derive(Debug, Clone)]
enum Event {
    Enter(Member, Priority),
    Leave(usize),
    Limit(u32),
    Refused(u64),
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        20 => (0..5_u64, priorities()).prop_map(|(member, priority)| Event::Enter(member, priority)),
        2 => (0..50_usize).prop_map(Event::Leave),
        1 => (1..40_u32).prop_map(Event::Limit),
        1 => (0..30_u64).prop_map(Event::Refused),
    ];
    proptest::collection::vec((0..400_u64, event), 1..300)
}

impl Run {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Enter(member, priority) => {
                self.enter(*member, *priority);
            }
            Event::Leave(index) => {
                if let Some(ticket) = self.waiting.keys().nth(*index).copied() {
                    self.waiting.remove(&ticket);
                    self.schedule.leave(ticket);
                }
            }
            Event::Limit(limit) => {
                let limit = Some(*limit);
                let heard = Heard {
                    limit,
                    ..Heard::default()
                };
                self.schedule.hear(&heard, self.now);
            }
            Event::Refused(seconds) => {
                let wait = Some(SECOND * u32::try_from(*seconds).unwrap());
                let heard = Heard {
                    wait,
                    ..Heard::default()
                };
                self.schedule.hear(&heard, self.now);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_limit_is_never_exceeded(events in events(), limit in 1..60_u32, latency in 0..3_000_u64) {
        let mut run = Run::new(limit);
        let latency = Duration::from_millis(latency);
        for _ in 0..limit * 4 {
            run.enter(9, Priority::Message);
        }
        for (pause, event) in events {
            run.happen(&event);
            run.run(Duration::from_millis(pause), latency);
        }
        run.run(WINDOW * 3, latency);
        prop_assert!(run.most_at_once() <= limit as usize, "{} of {limit}", run.most_at_once());
    }

    #[test]
    fn everybody_has_a_turn(events in events(), limit in 1..60_u32) {
        let mut run = Run::new(limit);
        for (pause, event) in events {
            run.happen(&event);
            run.run(Duration::from_millis(pause), SECOND / 10);
        }
        let heard = Heard { limit: Some(limit), ..Heard::default() };
        run.schedule.hear(&heard, run.now);
        let left = u32::try_from(run.waiting.len()).unwrap();
        run.run(LONGEST + WINDOW * 2 + WINDOW * 3 * left / limit, SECOND / 10);
        prop_assert!(run.waiting.is_empty(), "{:?}", run.waiting);
        prop_assert_eq!(run.schedule.waiting(), 0);
    }

    #[test]
    fn who_is_more_urgent_goes_first(entered in proptest::collection::vec((0..9_u64, priorities()), 1..200)) {
        let mut run = Run::new(20);
        for (member, priority) in entered {
            run.enter(member, priority);
        }
        run.run(SECOND * 1200, Duration::ZERO);
        let turns: Vec<_> = run.served.iter().map(|(_, priority, _)| *priority).collect();
        for (turn, priority) in turns.iter().enumerate() {
            let is_by_age = turn as u64 % OLDEST_EVERY == OLDEST_EVERY - 1;
            let later = turns[turn..].iter().min().unwrap();
            prop_assert!(is_by_age || priority == later, "turn {turn} of {turns:?}");
        }
    }
}

#[test]
fn a_flood_of_one_kind_starves_nobody() {
    let mut run = Run::new(60);
    run.enter(99, Priority::State);
    for _ in 0..600 {
        for member in 0..3 {
            run.enter(member, Priority::Heartbeat);
        }
        run.run(SECOND, SECOND / 10);
    }
    let state = run.served.iter().find(|(member, ..)| *member == 99);
    let (.., waited) = state.expect("it had its turn");
    assert!(*waited < SECOND * 15, "{waited:?}");
}

#[test]
fn a_tenth_goes_at_once_and_the_rest_evenly() {
    let mut run = Run::new(600);
    for _ in 0..600 {
        run.enter(1, Priority::Heartbeat);
    }
    let _ = run.serve(Duration::ZERO);
    assert_eq!(run.served.len(), 60);
    run.run(SECOND * 30, Duration::ZERO);
    assert_eq!(run.served.len(), 60 + 30 * 9);
    run.run(SECOND * 30, Duration::ZERO);
    assert_eq!(run.served.len(), 600);
}

#[test]
fn routine_leaves_room_for_what_is_urgent() {
    let mut run = Run::new(600);
    for _ in 0..1000 {
        run.enter(1, Priority::Poll);
    }
    run.run(SECOND * 20, Duration::ZERO);
    let before = run.served.len();
    for _ in 0..20 {
        run.enter(2, Priority::Heartbeat);
    }
    let _ = run.serve(Duration::ZERO);
    let urgent = run.served[before..].iter();
    let urgent = urgent.filter(|(_, priority, _)| *priority == Priority::Heartbeat);
    assert_eq!(urgent.count(), 20);
}

#[test]
fn a_full_minute_has_room_for_what_is_urgent() {
    let mut run = Run::new(600);
    for _ in 0..3_000 {
        run.enter(1, Priority::Poll);
    }
    run.run(SECOND * 170, SECOND * 6);
    for _ in 0..20 {
        run.enter(2, Priority::Heartbeat);
    }
    run.run(SECOND / 100, SECOND * 6);
    let urgent = run.served.iter();
    let urgent = urgent.filter(|(_, priority, _)| *priority == Priority::Heartbeat);
    assert_eq!(urgent.count(), 20);
}

#[test]
fn a_refusal_quiets_everybody_for_as_long_as_it_says() {
    let mut run = Run::new(600);
    run.happen(&Event::Refused(59));
    run.enter(1, Priority::Heartbeat);
    run.run(SECOND * 59, Duration::ZERO);
    assert_eq!(run.served.len(), 0);
    run.run(SECOND, Duration::ZERO);
    assert_eq!(run.served.len(), 1);
}

#[test]
fn an_endless_refusal_is_asked_about_again() {
    let mut run = Run::new(600);
    run.happen(&Event::Refused(86_400));
    run.enter(1, Priority::Heartbeat);
    run.run(LONGEST + ROUNDED, Duration::ZERO);
    assert_eq!(run.served.len(), 1);
}

fn says(run: &mut Run, limit: u64, remaining: u64, reset: u64) {
    let quota = Quota {
        limit,
        remaining,
        reset: Duration::from_secs(reset),
    };
    let heard = Heard {
        limit: u32::try_from(limit).ok(),
        quota: Some(quota),
        wait: None,
    };
    run.schedule.hear(&heard, run.now);
}

#[test]
fn what_others_use_up_is_left_to_what_is_urgent() {
    let mut run = Run::new(600);
    says(&mut run, 600, 50, 9);
    run.enter(1, Priority::Poll);
    run.enter(1, Priority::State);
    run.enter(1, Priority::Message);
    run.enter(1, Priority::Heartbeat);
    run.run(SECOND * 9, Duration::ZERO);
    assert_eq!(run.served.len(), 2);
    run.run(SECOND, Duration::ZERO);
    assert_eq!(run.served.len(), 4);
}

#[test]
fn a_window_that_others_used_up_is_waited_for() {
    let mut run = Run::new(600);
    says(&mut run, 600, 0, 20);
    run.enter(1, Priority::Heartbeat);
    run.run(SECOND * 20, Duration::ZERO);
    assert_eq!(run.served.len(), 0);
    run.run(SECOND, Duration::ZERO);
    assert_eq!(run.served.len(), 1);
}

#[test]
fn a_lower_limit_is_learned_and_a_higher_one_is_not() {
    let mut schedule = Schedule::new(600);
    for (heard, expect) in [(1_000, 600), (300, 300), (0, 1), (600, 600)] {
        let limit = Some(heard);
        let heard = Heard {
            limit,
            ..Heard::default()
        };
        schedule.hear(&heard, Duration::ZERO);
        assert_eq!(schedule.limit(), expect);
    }
}

#[test]
fn a_turn_that_was_not_used_is_another_ones() {
    let mut schedule = Schedule::new(1);
    let first = schedule.enter(1, Priority::Poll);
    assert_eq!(schedule.next(Duration::ZERO), Next::Go(first));
    let second = schedule.enter(2, Priority::Poll);
    assert_eq!(schedule.next(Duration::ZERO), Next::Wait(second, None));
    schedule.give_back();
    assert_eq!(schedule.next(Duration::ZERO), Next::Go(second));
}
