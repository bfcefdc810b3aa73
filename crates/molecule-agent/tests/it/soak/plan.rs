//! What happens in a soak: all of it follows from the seed.

use std::time::Duration;

use fastrand::Rng;

use crate::wire::Blow;

/// How many agents there are.
pub(super) const AGENTS: usize = 3;

/// The one whose user pauses it now and then.
const PAUSED: usize = 2;

/// How much happens, and in how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) hours: u64,
    pub(crate) messages: usize,
    pub(crate) crashes: usize,
    pub(crate) outages: usize,
    pub(crate) pauses: u32,
    pub(crate) rotations: u32,
}

/// A message, and what becomes of it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) to: usize,
    /// None is the canvas user.
    pub(super) from: Option<usize>,
    /// How often the handler fails before it succeeds.
    pub(super) failures: u32,
    /// The handler never succeeds.
    pub(super) is_poison: bool,
    /// How long the handler takes.
    pub(super) takes: Duration,
}

/// What the whole network does to an agent for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing listens.
    Refused,
    /// Nothing comes back, and nothing arrives.
    Silent,
    /// Something before the platform answers with this status.
    Status(u16),
    /// The platform limits the rate, and says so.
    Limited,
    /// The platform knows no token.
    Unauthorized,
}

/// What happens at a time.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A message is sent: its number.
    Send(usize),
    /// An agent has no platform for a while; all of them if it is none in particular.
    Outage {
        agent: Option<usize>,
        weather: Weather,
        lasts: Duration,
    },
    /// An agent is killed after so many turns of everybody, and comes back later.
    Crash {
        agent: usize,
        turns: usize,
        down: Duration,
    },
    /// The agent's stream of events breaks.
    Strike(usize, Blow),
    Pause(usize),
    Resume(usize),
    /// The agent's token is replaced. Unless it is done beside the agent, which has the new one before the old one is revoked, the agent is
    /// told the new one so much later.
    Rotate(usize, Option<Duration>),
}

/// Everything that happens, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) messages: Vec<Message>,
    pub(super) steps: Vec<(Duration, Step)>,
}

impl Plan {
    pub(super) fn new(seed: u64, size: &Size) -> Self {
        let mut maker = Maker {
            rng: Rng::with_seed(seed),
            day: Duration::from_secs(size.hours * 3600),
            steps: Vec::new(),
            pauses: Vec::new(),
            sent: Vec::new(),
        };
        maker.pauses(size.pauses);
        let messages = maker.messages(size.messages);
        (0..size.outages).for_each(|_| maker.outage());
        (0..size.crashes).for_each(|_| maker.crash());
        (0..size.hours * 12).for_each(|_| maker.strike());
        maker.rotations(size.rotations);
        maker.steps.sort_by_key(|(at, _)| *at);
        Self {
            messages,
            steps: maker.steps,
        }
    }
}

struct Maker {
    rng: Rng,
    day: Duration,
    steps: Vec<(Duration, Step)>,
    /// From when to when.
    pauses: Vec<(Duration, Duration)>,
    /// When a message is sent, and to whom.
    sent: Vec<(Duration, usize)>,
}

impl Maker {
    fn moment(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(60_000..self.day.as_millis() as u64))
    }

    fn seconds(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range.start * 1000..range.end * 1000))
    }

    fn agent(&mut self) -> usize {
        self.rng.usize(..AGENTS)
    }

    /// Spread over the day, so that they do not touch.
    fn pauses(&mut self, count: u32) {
        for number in 0..count {
            let share = self.day / count;
            let from = share * number + share / 2;
            let until = from + self.seconds(60..900);
            self.pauses.push((from, until));
            self.steps.push((from, Step::Pause(PAUSED)));
            self.steps.push((until, Step::Resume(PAUSED)));
        }
    }

    fn outage(&mut self) {
        const WEATHER: [Weather; 9] = [
            Weather::Refused,
            Weather::Silent,
            Weather::Status(404),
            Weather::Status(500),
            Weather::Status(502),
            Weather::Status(503),
            Weather::Status(504),
            Weather::Limited,
            Weather::Unauthorized,
        ];
        let agent = self.rng.bool().then(|| self.agent());
        let weather = WEATHER[self.rng.usize(..WEATHER.len())];
        let (at, lasts) = (self.moment(), self.seconds(20..400));
        let outage = Step::Outage {
            agent,
            weather,
            lasts,
        };
        self.steps.push((at, outage));
    }

    fn crash(&mut self) {
        let down = match self.rng.u8(..10) {
            0..7 => self.seconds(1..20),
            _ => self.seconds(20..180),
        };
        // Where somebody works, a crash does more harm: most come just after a message.
        let (at, agent) = match self.rng.u8(..10) {
            0..8 => {
                let (sent, to) = self.sent[self.rng.usize(..self.sent.len())];
                (sent + self.seconds(0..2), to)
            }
            _ => (self.moment(), self.agent()),
        };
        let turns = self.rng.usize(..100);
        self.steps.push((at, Step::Crash { agent, turns, down }));
    }

    fn strike(&mut self) {
        let blow = if self.rng.bool() {
            Blow::Cut
        } else {
            Blow::Freeze
        };
        let (at, agent) = (self.moment(), self.agent());
        self.steps.push((at, Step::Strike(agent, blow)));
    }

    /// Spread over the day, so that one is over before the next. Nobody replaces the token of a workspace that is paused.
    fn rotations(&mut self, count: u32) {
        for number in 0..count {
            let share = self.day / count;
            let within = self.rng.u64(60..share.as_secs() / 2);
            let at = share * number + Duration::from_secs(within);
            let told_after = self.rng.bool().then(|| self.seconds(1..120));
            let agent = self.rng.usize(..PAUSED);
            self.steps.push((at, Step::Rotate(agent, told_after)));
        }
    }

    /// In the order in which they are sent.
    fn messages(&mut self, count: usize) -> Vec<Message> {
        let mut times: Vec<_> = (0..count).map(|_| self.moment()).collect();
        times.sort();
        let mut messages: Vec<_> = times.into_iter().map(|at| self.message(at)).collect();
        messages.sort_by_key(|(at, _)| *at);
        for (number, (at, _)) in messages.iter().enumerate() {
            self.steps.push((*at, Step::Send(number)));
        }
        let sent = messages.iter().map(|(at, message)| (*at, message.to));
        self.sent = sent.collect();
        messages.into_iter().map(|(_, message)| message).collect()
    }

    fn message(&mut self, at: Duration) -> (Duration, Message) {
        let to = self.agent();
        let from = self.rng.bool().then(|| self.agent());
        let from = from.filter(|from| *from != to && self.may_talk(at, to, *from));
        let failures = match self.rng.u8(..20) {
            0..17 => 0,
            17..19 => 1,
            _ => 2,
        };
        let takes = match self.rng.u8(..20) {
            0..15 => Duration::from_millis(self.rng.u64(..1500)),
            15..19 => self.seconds(1..5),
            _ => self.seconds(5..40),
        };
        let message = Message {
            to,
            from,
            failures,
            is_poison: self.rng.u16(..500) == 0,
            takes,
        };
        (self.after_a_pause(at, to), message)
    }

    /// Whether both are there to talk, and will be for long enough to answer.
    fn may_talk(&self, at: Duration, one: usize, other: usize) -> bool {
        let long = Duration::from_secs(1800);
        let is_near = |(from, until): &(Duration, Duration)| at + long > *from && at < *until;
        ![one, other].contains(&PAUSED) || !self.pauses.iter().any(is_near)
    }

    /// Nobody writes to a workspace that is paused.
    fn after_a_pause(&mut self, at: Duration, to: usize) -> Duration {
        let is_in = |(from, until): &&(Duration, Duration)| at >= *from && at <= *until;
        let pause = self.pauses.iter().find(is_in).copied();
        match pause.filter(|_| to == PAUSED) {
            Some((_, until)) => until + self.seconds(1..60),
            None => at,
        }
    }
}
