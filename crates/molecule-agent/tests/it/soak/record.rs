//! What was seen so far, and whether that is as it should be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use molecule_agent::transport::testing::SimulatedClock;
use molecule_agent::transport::{Clock as _, Request};
use molecule_agent::{HandlerOutcome, InboundMessage, Sender, WorkspaceId};
use serde_json::Value;

use super::network::Fault;
use super::plan::{AGENTS, Message, Weather};

/// The longest time between two attempts at a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(45);
/// How long an agent may be offline after a fault.
const OFFLINE: Duration = Duration::from_secs(60);
/// How many of the last events are told when something is wrong.
const RECENT: usize = 60;

/// All that was seen.
#[derive(Debug)]
pub(super) struct Record {
    seed: u64,
    clock: SimulatedClock,
    ids: Vec<WorkspaceId>,
    messages: Vec<Message>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    agents: Vec<Agent>,
    /// By number of the message.
    letters: Vec<Letter>,
    /// The numbers of the messages of a conversation, in the order they were sent, and how many of them were handled.
    conversations: BTreeMap<(usize, Option<usize>), (Vec<usize>, usize)>,
    /// The last answer in each conversation.
    answered: BTreeMap<(usize, Option<usize>), usize>,
    rows: BTreeSet<String>,
    counts: BTreeMap<&'static str, usize>,
    recent: VecDeque<String>,
    trace: Option<Vec<String>>,
    hash: u64,
    wrong: Option<String>,
}

#[derive(Debug, Default)]
struct Agent {
    /// It has registered, and is neither dead nor paused.
    is_up: bool,
    /// The latest by which a heartbeat has to be tried.
    beat_due: Duration,
    /// Until when it is no wonder that it is offline.
    excused: Duration,
    offline_since: Option<Duration>,
    longest_offline: Duration,
    longest_gap: Duration,
    last_beat: Duration,
    is_paused: bool,
    is_down: bool,
}

#[derive(Debug, Default, Clone)]
struct Letter {
    sent: bool,
    starts: u32,
    /// Rows with its answer.
    answers: u32,
    /// Their message ids.
    ids: BTreeSet<String>,
}

impl Record {
    pub(super) fn new(
        seed: u64,
        clock: SimulatedClock,
        ids: Vec<WorkspaceId>,
        messages: Vec<Message>,
        keep_trace: bool,
    ) -> Self {
        let seen = Seen {
            agents: (0..AGENTS).map(|_| Agent::default()).collect(),
            letters: vec![Letter::default(); messages.len()],
            trace: keep_trace.then(Vec::new),
            ..Seen::default()
        };
        Self {
            seed,
            clock,
            ids,
            messages,
            seen: Mutex::new(seen),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn at(&self) -> String {
        let now = self.clock.now();
        let (seconds, millis) = (now.as_secs(), now.subsec_millis());
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
    }

    /// Tells what happened.
    pub(super) fn note(&self, text: &str) {
        let line = format!("{} {text}", self.at());
        let mut seen = self.seen();
        for byte in line.bytes() {
            seen.hash = (seen.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        if seen.recent.len() == RECENT {
            seen.recent.pop_front();
        }
        seen.recent.push_back(line.clone());
        if let Some(trace) = &mut seen.trace {
            trace.push(line);
        }
    }

    /// Something is not as it should be. The first time counts.
    pub(super) fn wrong(&self, what: &str) {
        let at = self.at();
        let mut seen = self.seen();
        if seen.wrong.is_none() {
            let recent: Vec<_> = seen.recent.iter().map(String::as_str).collect();
            let recent = recent.join("\n  ");
            let seed = self.seed;
            seen.wrong = Some(format!(
                "{at}: {what}\nMOLECULE_SOAK_SEED={seed} repeats it; what happened before:\n  {recent}"
            ));
        }
    }

    /// Fails the test if something was wrong.
    pub(super) fn check(&self) {
        let wrong = self.seen().wrong.take();
        if let Some(wrong) = wrong {
            panic!("{wrong}");
        }
    }

    pub(super) fn count(&self, what: &'static str) {
        *self.seen().counts.entry(what).or_default() += 1;
    }

    /// An agent sends something.
    pub(super) fn request(&self, agent: usize, request: &Request, fault: Fault) {
        let route = self.route(request);
        self.note(&format!("{agent} {route} {}", fault.name()));
        self.count("requests");
        if fault != Fault::None {
            self.count("faults");
            self.count(fault.name());
        }
        let now = self.clock.now();
        // The wait that the platform asks for is spread by up to a quarter.
        let asked = match fault {
            Fault::Limited(seconds) => now + Duration::from_secs(seconds).mul_f64(1.25),
            _ => now,
        };
        let is_beat = route.ends_with("/registry/heartbeat");
        let is_for_life = route.ends_with("/state")
            || route.contains("/registry/")
            || route == "GET /workspaces/#";
        if is_beat {
            self.beat_is_on_time(agent);
        }
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        if is_for_life && asked > now {
            this.excused = this.excused.max(asked);
        }
        if is_beat {
            if this.is_up && this.last_beat > Duration::ZERO {
                this.longest_gap = this.longest_gap.max(now - this.last_beat);
            }
            this.last_beat = now;
            this.beat_due = asked + HEARTBEAT;
        }
    }

    /// Method and path without ids, which are random.
    fn route(&self, request: &Request) -> String {
        let path = request.uri().path_and_query().unwrap().as_str();
        let mut route = format!("{} ", request.method());
        let mut rest = path;
        while let Some(index) = rest.find(|letter: char| letter.is_ascii_hexdigit()) {
            route.push_str(&rest[..index]);
            rest = &rest[index..];
            match rest
                .get(..36)
                .filter(|id| id.parse::<WorkspaceId>().is_ok())
            {
                Some(id) => {
                    route.push('#');
                    rest = &rest[id.len()..];
                }
                None => {
                    route.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
        route + rest
    }

    fn beat_is_on_time(&self, agent: usize) {
        let now = self.clock.now();
        let late = {
            let seen = self.seen();
            let this = &seen.agents[agent];
            this.is_up.then(|| now.saturating_sub(this.beat_due))
        };
        if let Some(late) = late.filter(|late| !late.is_zero()) {
            self.wrong(&format!("agent {agent}: a heartbeat is {late:?} late"));
        }
    }

    /// Looks whether heartbeats are missing, and who is offline.
    pub(super) fn look(&self, workspaces: &Value) {
        (0..AGENTS).for_each(|agent| self.beat_is_on_time(agent));
        for workspace in workspaces.as_array().unwrap() {
            let id: WorkspaceId = workspace["id"].as_str().unwrap().parse().unwrap();
            let Some(agent) = self.ids.iter().position(|known| *known == id) else {
                continue;
            };
            self.look_at(agent, workspace["status"].as_str().unwrap());
        }
    }

    fn look_at(&self, agent: usize, status: &str) {
        let now = self.clock.now();
        let offline = {
            let mut seen = self.seen();
            let this = &mut seen.agents[agent];
            if matches!(status, "online" | "degraded") || this.is_paused || this.is_down {
                this.offline_since = None;
                return;
            }
            let since = *this.offline_since.get_or_insert(now);
            let offline = now.saturating_sub(since.max(this.excused));
            this.longest_offline = this.longest_offline.max(offline);
            offline
        };
        if offline > OFFLINE {
            self.wrong(&format!("agent {agent} is {status} since {offline:?}"));
        }
    }

    /// An agent has no platform until then.
    pub(super) fn outage(&self, agent: usize, weather: Weather, until: Duration) {
        self.note(&format!("{agent} outage {weather:?} until {until:?}"));
        self.count("outages");
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        this.excused = this.excused.max(until);
    }

    /// The agent's token is replaced, and it is told of the new one then.
    pub(super) fn rotated(&self, agent: usize, until: Duration) {
        self.note(&format!("{agent} another token, known at {until:?}"));
        self.count("tokens replaced");
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        this.excused = this.excused.max(until);
    }

    pub(super) fn registered(&self, agent: usize) {
        self.note(&format!("{agent} online"));
        let now = self.clock.now();
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        (this.is_up, this.last_beat) = (true, Duration::ZERO);
        this.beat_due = now + HEARTBEAT;
    }

    pub(super) fn crashed(&self, agent: usize) {
        self.note(&format!("{agent} crashes"));
        self.count("crashes");
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        (this.is_up, this.is_down) = (false, true);
    }

    /// A new process begins.
    pub(super) fn started(&self, agent: usize) {
        self.note(&format!("{agent} starts"));
        let now = self.clock.now();
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        if this.is_down {
            this.is_down = false;
            this.excused = this.excused.max(now);
        }
    }

    pub(super) fn ended(&self, agent: usize, why: &str) {
        self.note(&format!("{agent} ended: {why}"));
        self.count("restarts");
        self.seen().agents[agent].is_up = false;
    }

    pub(super) fn paused(&self, agent: usize, is_paused: bool) {
        self.note(&format!("{agent} paused: {is_paused}"));
        self.count("pauses and resumptions");
        let now = self.clock.now();
        let mut seen = self.seen();
        let this = &mut seen.agents[agent];
        this.is_up = false;
        this.is_paused = is_paused;
        this.excused = this.excused.max(now);
    }

    pub(super) fn sent(&self, number: usize) {
        let message = &self.messages[number];
        self.note(&format!(
            "message {number}: {:?} -> {}",
            message.from, message.to
        ));
        self.count("messages");
        let mut seen = self.seen();
        seen.letters[number].sent = true;
        let key = (message.to, message.from);
        seen.conversations.entry(key).or_default().0.push(number);
    }

    /// A handler begins. What it takes, and what comes of it.
    pub(super) fn handle(
        &self,
        agent: usize,
        message: &InboundMessage,
    ) -> (Duration, HandlerOutcome) {
        let Some(number) = message.text.strip_prefix("message ") else {
            // An answer of a peer's.
            self.count("answers of peers handled");
            return (Duration::ZERO, HandlerOutcome::Nothing);
        };
        let number: usize = number.parse().unwrap();
        self.note(&format!("{agent} handles message {number}"));
        self.count("handlers");
        self.is_in_turn(agent, message, number);
        let starts = {
            let mut seen = self.seen();
            seen.letters[number].starts += 1;
            seen.letters[number].starts
        };
        let plan = &self.messages[number];
        let outcome = if plan.is_poison || starts <= plan.failures {
            HandlerOutcome::Error(format!("no answer to {number}"))
        } else {
            HandlerOutcome::Reply(format!("answer {number}"))
        };
        (plan.takes, outcome)
    }

    fn is_in_turn(&self, agent: usize, message: &InboundMessage, number: usize) {
        let from = match &message.sender {
            Sender::Peer(peer) => self.ids.iter().position(|id| id == peer),
            _ => None,
        };
        let is_in_turn = {
            let mut seen = self.seen();
            let entry = seen.conversations.entry((agent, from)).or_default();
            if entry.0.get(entry.1) == Some(&number) {
                entry.1 += 1;
            }
            // The last one may come again, none before it.
            entry.1 > 0 && entry.0[entry.1 - 1] == number
        };
        if !is_in_turn {
            self.wrong(&format!("agent {agent} handles {number} out of turn"));
        }
    }

    /// Looks at new rows of an agent's log.
    pub(super) fn rows(&self, owner: usize, rows: &[Value]) {
        for row in rows {
            let id = row["id"].as_str().unwrap().to_owned();
            if self.seen().rows.insert(id) {
                self.row(owner, row);
            }
        }
    }

    fn row(&self, owner: usize, row: &Value) {
        if row["method"] == "notify" {
            let text = row["response_body"]["result"].as_str().unwrap();
            return self.answer(owner, None, text, "");
        }
        let message = &row["request_body"]["params"]["message"];
        if message["role"] == "agent" {
            let source: WorkspaceId = row["source_id"].as_str().unwrap().parse().unwrap();
            let from = self.ids.iter().position(|id| *id == source).unwrap();
            let text = message["parts"][0]["text"].as_str().unwrap();
            let id = message["messageId"].as_str().unwrap();
            self.answer(from, Some(owner), text, id);
        }
    }

    /// The platform has an answer of `by` to a message of `to`; one to a peer has an id.
    fn answer(&self, by: usize, to: Option<usize>, text: &str, id: &str) {
        let number = text
            .rsplit(' ')
            .next()
            .and_then(|word| word.parse::<usize>().ok());
        let Some(number) = number else {
            return self.wrong(&format!("{by} answers {to:?}: {text}"));
        };
        let plan = &self.messages[number];
        let is_failure = text.starts_with("Agent error: ");
        if (plan.to, plan.from, plan.is_poison) != (by, to, is_failure) {
            self.wrong(&format!("{by} answers {to:?}: {text}"));
        }
        let (is_new, repeated, is_later) = {
            let mut seen = self.seen();
            let letter = &mut seen.letters[number];
            letter.answers += 1;
            letter.ids.insert(id.to_owned());
            let is_new = letter.answers == 1;
            let repeated = letter.ids.len() > 1 || (to.is_none() && letter.answers > 1);
            let last = seen.answered.insert((by, to), number);
            (is_new, repeated, last.is_none_or(|last| last < number))
        };
        if repeated {
            self.wrong(&format!("{by} answers {to:?} twice: {text}"));
        }
        if is_new && !is_later {
            self.wrong(&format!("{by} answers {to:?} out of turn: {text}"));
        }
        self.count(if is_new {
            "answers"
        } else {
            "answers known by their ids"
        });
    }

    /// As many dead letters as messages that must die.
    pub(super) fn died(&self, agent: usize, dead: usize) {
        let seen = self.seen();
        let sent = self.messages.iter().zip(&seen.letters);
        let poison = sent
            .filter(|(message, letter)| message.is_poison && message.to == agent && letter.sent);
        let most = poison.count();
        drop(seen);
        if dead > most {
            self.wrong(&format!(
                "agent {agent} has {dead} dead letters, of at most {most}"
            ));
        }
    }

    /// How many messages have no answer.
    pub(super) fn open(&self) -> usize {
        let seen = self.seen();
        let answered = seen.letters.iter().filter(|letter| letter.answers > 0);
        seen.letters.len() - answered.count()
    }

    /// Everything has its end, and nothing died but what had to.
    pub(super) fn settle(&self, dead: &[(usize, String)]) {
        let open: Vec<_> = {
            let seen = self.seen();
            let open = seen
                .letters
                .iter()
                .enumerate()
                .filter(|(_, letter)| letter.answers == 0);
            open.map(|(number, letter)| {
                format!(
                    "message {number} to {}: {letter:?}",
                    self.messages[number].to
                )
            })
            .collect()
        };
        if !open.is_empty() {
            self.wrong(&format!("not answered: {open:#?}"));
        }
        let poison = self
            .messages
            .iter()
            .enumerate()
            .filter(|(_, message)| message.is_poison);
        let mut expected: Vec<_> = poison
            .map(|(number, message)| (message.to, format!("message {number}")))
            .collect();
        expected.sort();
        let mut dead = dead.to_vec();
        dead.sort();
        if dead != expected {
            self.wrong(&format!("dead letters: {dead:?}, to be {expected:?}"));
        }
    }

    /// What there was, for people.
    pub(super) fn summary(&self) -> String {
        let seen = self.seen();
        let agents: Vec<_> = seen
            .agents
            .iter()
            .map(|agent| {
                format!(
                    "{:.1}/{:.1}",
                    agent.longest_gap.as_secs_f64(),
                    agent.longest_offline.as_secs_f64()
                )
            })
            .collect();
        format!(
            "seed {}, {} simulated, hash {:016x}, {:?}, longest gaps between heartbeats and times offline in s: {}",
            self.seed,
            self.at(),
            seen.hash,
            seen.counts,
            agents.join(" ")
        )
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.seen().trace.take().unwrap_or_default()
    }
}
