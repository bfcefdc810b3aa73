//! Agents for a long time, on a network where much goes wrong, killed now and then: they never go deaf, and lose no message.

mod network;
mod plan;
mod record;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::protocol::Message as Text;
use molecule_agent::transport::Clock as _;
use molecule_agent::transport::testing::SimulatedClock;
use molecule_agent::{
    AgentLoop, AgentStatus, CancellationToken, Connect, InboundMessage, RemoteAgentClient,
    StopReason, WorkspaceId,
};
use molecule_emulator::EmulatorConfig;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use crate::world::{ParseToken as _, World};
use network::Network;
use plan::{AGENTS, Plan, Size, Step};
use record::Record;

/// How often to look at the agents.
const LOOK: Duration = Duration::from_secs(5);
/// How often to look for answers.
const COLLECT: Duration = Duration::from_secs(60);
/// How long it may take until the last message is answered.
const GRACE: Duration = Duration::from_secs(1800);
/// When a service manager starts an agent again that ended by itself.
const RESTART: Duration = Duration::from_secs(5);

struct Soak {
    world: World,
    ids: Vec<WorkspaceId>,
    /// The peers' own voices, on a network without faults, each with a token of its own.
    voices: Mutex<Vec<RemoteAgentClient>>,
    network: Arc<Network>,
    record: Arc<Record>,
    lives: Mutex<Vec<Life>>,
    stop: CancellationToken,
}

/// The process of an agent.
#[derive(Default)]
struct Life {
    running: Option<AbortHandle>,
    status: Option<watch::Receiver<AgentStatus>>,
    /// The newest row of its log that was looked at.
    newest: Option<String>,
    down: Duration,
}

impl Soak {
    async fn new(seed: u64, plan: &Plan, keep_trace: bool) -> Arc<Self> {
        let clock = SimulatedClock::new().with_seed(seed);
        // What several people at the canvas send comes from one address here.
        let config = EmulatorConfig::new().with_rate_limit(6_000);
        let world = World::at(clock.clone(), config);
        let (mut ids, mut voices) = (Vec::new(), Vec::new());
        for number in 0..AGENTS {
            let (id, token) = world.workspace(&format!("agent {number}")).await;
            let operator = operator(&world, id);
            operator.save_token(token.parse_token()).await.unwrap();
            ids.push(id);
            voices.push(voice(&world, &operator).await);
        }
        let messages = plan.messages.clone();
        let record = Record::new(seed, clock.clone(), ids.clone(), messages, keep_trace);
        let record = Arc::new(record);
        let network = Network::new(world.platform.router(), clock, Arc::clone(&record), seed);
        Arc::new(Self {
            world,
            ids,
            voices: Mutex::new(voices),
            network: Arc::new(network),
            record,
            lives: Mutex::new((0..AGENTS).map(|_| Life::default()).collect()),
            stop: CancellationToken::new(),
        })
    }

    /// A client as a new process makes it.
    fn client(&self, agent: usize) -> RemoteAgentClient {
        let builder = self.world.builder(self.ids[agent]).inline_files();
        builder
            .transport(self.network.transport(agent))
            .build()
            .unwrap()
    }

    fn handler(
        &self,
        agent: usize,
    ) -> impl Fn(
        InboundMessage,
    )
        -> molecule_agent::transport::BoxFuture<'static, molecule_agent::HandlerOutcome>
    + Send
    + Sync
    + use<> {
        let (record, clock) = (Arc::clone(&self.record), self.world.clock.clone());
        move |message| {
            let (takes, outcome) = record.handle(agent, &message);
            let rest = clock.sleep(takes);
            Box::pin(async move {
                rest.await;
                outcome
            })
        }
    }

    fn options(&self, agent: usize) -> Connect {
        let record = Arc::clone(&self.record);
        // A crash counts as a failure of what was being handled.
        let agent_loop = AgentLoop::new().with_attempts(6);
        Connect::new()
            .with_stay(true)
            .with_agent_loop(agent_loop)
            .with_on_registered(move |_| record.registered(agent))
    }

    /// Process after process of an agent.
    async fn live(self: Arc<Self>, agent: usize) {
        let clock = self.world.clock.clone();
        while !self.stop.is_cancelled() {
            self.record.started(agent);
            let running = self.start(agent);
            self.lives.lock().unwrap()[agent].running = Some(running.abort_handle());
            let wait = match running.await {
                Err(error) if error.is_cancelled() => self.lives.lock().unwrap()[agent].down,
                Err(error) => return self.record.wrong(&format!("{agent} panicked: {error}")),
                Ok(Ok(StopReason::Cancelled)) => return,
                Ok(Ok(reason)) => return self.record.wrong(&format!("{agent} stopped: {reason}")),
                Ok(Err(error)) if error.may_pass() => {
                    self.record.ended(agent, &error.to_string());
                    RESTART
                }
                Ok(Err(error)) => {
                    return self.record.wrong(&format!("{agent} failed: {error:?}"));
                }
            };
            clock.sleep(wait).await;
        }
    }

    fn start(&self, agent: usize) -> JoinHandle<Result<StopReason, molecule_agent::AgentError>> {
        let client = self.client(agent);
        let (handler, options) = (self.handler(agent), self.options(agent));
        let stop = self.stop.clone();
        self.lives.lock().unwrap()[agent].status = Some(client.watch_status());
        tokio::spawn(async move { client.connect(handler, options, &stop).await })
    }

    /// Lets time pass until then, and looks at everything now and then.
    async fn until(&self, at: Duration) {
        let clock = &self.world.clock;
        while clock.now() < at {
            let next = (clock.now().as_secs() / LOOK.as_secs() + 1) * LOOK.as_secs();
            let next = Duration::from_secs(next);
            clock.sleep(at.min(next) - clock.now()).await;
            if clock.now() >= next {
                self.look(next).await;
            }
        }
    }

    async fn look(&self, now: Duration) {
        let workspaces = self.world.admin("GET", "/workspaces", Value::Null).await;
        self.record.look(&workspaces);
        for (agent, life) in self.lives.lock().unwrap().iter().enumerate() {
            let dead = life
                .status
                .as_ref()
                .map_or(0, |status| status.borrow().dead);
            self.record.died(agent, dead);
        }
        if now.as_secs().is_multiple_of(COLLECT.as_secs()) {
            self.collect().await;
        }
        self.record.check();
    }

    /// Reads what is new in all logs.
    async fn collect(&self) {
        for (agent, id) in self.ids.iter().enumerate() {
            while self.collect_page(agent, *id).await == 500 {}
        }
    }

    async fn collect_page(&self, agent: usize, id: WorkspaceId) -> usize {
        let newest = self.lives.lock().unwrap()[agent].newest.clone();
        let since = newest.map_or(String::new(), |id| format!("&since_id={id}"));
        let path = format!("/workspaces/{id}/activity?type=a2a_receive&limit=500{since}");
        let rows = self.world.admin("GET", &path, Value::Null).await;
        let mut rows = rows.as_array().unwrap().clone();
        if since.is_empty() {
            assert!(rows.len() < 500, "too many to begin with");
            rows.reverse();
        }
        self.record.rows(agent, &rows);
        if let Some(row) = rows.last() {
            let id = row["id"].as_str().unwrap().to_owned();
            self.lives.lock().unwrap()[agent].newest = Some(id);
        }
        rows.len()
    }

    async fn step(self: &Arc<Self>, step: Step, plan: &Plan) {
        match step {
            Step::Send(number) => self.send(number, plan).await,
            Step::Crash { agent, turns, down } => self.crash(agent, turns, down).await,
            Step::Strike(agent, blow) => {
                self.record.note(&format!("{agent} stream: {blow:?}"));
                self.record.count("streams struck");
                self.network.wire(agent).strike(blow);
            }
            Step::Pause(agent) => self.pause(agent, true).await,
            Step::Resume(agent) => self.pause(agent, false).await,
            Step::Rotate(agent, None) => self.rotate(agent).await,
            Step::Rotate(agent, Some(told_after)) => {
                tokio::spawn(Arc::clone(self).replace(agent, told_after));
            }
            Step::Outage {
                agent,
                weather,
                lasts,
            } => {
                let until = self.world.clock.now() + lasts;
                for each in (0..AGENTS).filter(|each| agent.is_none_or(|agent| agent == *each)) {
                    self.network.outage(each, weather, until);
                    self.record.outage(each, weather, until);
                    self.network.wire(each).strike(if each.is_multiple_of(2) {
                        crate::wire::Blow::Cut
                    } else {
                        crate::wire::Blow::Freeze
                    });
                }
            }
        }
    }

    async fn send(&self, number: usize, plan: &Plan) {
        let message = &plan.messages[number];
        let (to, text) = (self.ids[message.to], format!("message {number}"));
        self.record.sent(number);
        match message.from {
            None => self.world.say(to, &text, &text).await,
            Some(from) => {
                let voice = self.voices.lock().unwrap()[from].clone();
                let said = voice.send_message(to, Text::text(&text, &text));
                said.await.unwrap();
            }
        }
    }

    async fn crash(&self, agent: usize, turns: usize, down: Duration) {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let running = {
            let mut lives = self.lives.lock().unwrap();
            lives[agent].down = down;
            lives[agent].running.clone()
        };
        if let Some(running) = running.filter(|running| !running.is_finished()) {
            self.record.crashed(agent);
            running.abort();
        }
    }

    async fn pause(&self, agent: usize, is_paused: bool) {
        let verb = if is_paused { "pause" } else { "resume" };
        self.record.paused(agent, is_paused);
        let path = format!("/workspaces/{}/{verb}", self.ids[agent]);
        let done = self.world.admin("POST", &path, Value::Null).await;
        assert!(done["status"].is_string(), "{done}");
    }

    /// As `token rotate` does beside a running agent.
    async fn rotate(&self, agent: usize) {
        self.record.rotated(agent, self.world.clock.now());
        let rotated = operator(&self.world, self.ids[agent]).rotate_token().await;
        rotated.unwrap();
    }

    /// All tokens are revoked, and the agent is told a new one later.
    async fn replace(self: Arc<Self>, agent: usize, told_after: Duration) {
        let (id, clock) = (self.ids[agent], &self.world.clock);
        self.record.rotated(agent, clock.now() + told_after);
        let token = self.world.platform.rotate_tokens(id).unwrap();
        let token = token.parse_token();
        let informed = self.world.builder(id).token(token.clone());
        let informed = informed.inline_files().build().unwrap();
        let voice = voice(&self.world, &informed).await;
        self.voices.lock().unwrap()[agent] = voice;
        clock.sleep(told_after).await;
        operator(&self.world, id).save_token(token).await.unwrap();
    }

    /// Lives through all of it.
    async fn run(self: &Arc<Self>, plan: &Plan) {
        let lives: Vec<_> = (0..AGENTS)
            .map(|agent| tokio::spawn(Arc::clone(self).live(agent)))
            .collect();
        for (at, step) in &plan.steps {
            self.until(*at).await;
            self.step(step.clone(), plan).await;
        }
        let end = self.world.clock.now() + GRACE;
        while self.record.open() > 0 && self.world.clock.now() < end {
            self.until(self.world.clock.now() + COLLECT).await;
        }
        // What was answered is settled by then.
        self.until(self.world.clock.now() + COLLECT * 2).await;
        self.stop.cancel();
        for life in lives {
            life.await.unwrap();
        }
        self.record.settle(&self.dead().await);
        self.record.check();
    }

    async fn dead(&self) -> Vec<(usize, String)> {
        let mut dead = Vec::new();
        for agent in 0..AGENTS {
            let letters = self.client(agent).journal().dead().await.unwrap();
            dead.extend(letters.into_iter().map(|letter| (agent, letter.preview)));
        }
        dead
    }
}

/// Whoever looks after the agent, on a network without faults.
fn operator(world: &World, id: WorkspaceId) -> RemoteAgentClient {
    world.builder(id).inline_files().build().unwrap()
}

/// The same workspace under another token.
async fn voice(world: &World, with_token: &RemoteAgentClient) -> RemoteAgentClient {
    let token = with_token.create_token().await.unwrap();
    let voice = world.builder(with_token.workspace_id()).token(token);
    voice.inline_files().build().unwrap()
}

async fn soak(seed: u64, size: Size) {
    let plan = Plan::new(seed, &size);
    let soak = Soak::new(seed, &plan, false).await;
    soak.run(&plan).await;
    report(&soak.record.summary());
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs it wants to know how much was tried"
)]
fn report(summary: &str) {
    eprintln!("{summary}");
}

async fn trace(seed: u64, size: Size) -> Vec<String> {
    let plan = Plan::new(seed, &size);
    let soak = Soak::new(seed, &plan, true).await;
    soak.run(&plan).await;
    soak.record.trace()
}

/// The seed of this run: one that was asked for, or another.
#[expect(
    clippy::disallowed_methods,
    reason = "a seed that failed somewhere is repeated here"
)]
fn seed(usual: u64) -> u64 {
    let asked = std::env::var("MOLECULE_SOAK_SEED").ok();
    asked.map_or(usual, |seed| seed.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_seed_fixes_everything_that_happens() {
    let size = Size {
        hours: 1,
        messages: 200,
        crashes: 4,
        outages: 3,
        pauses: 1,
        rotations: 2,
    };
    let (one, other) = (trace(seed(7), size).await, trace(seed(7), size).await);
    let differs = one.iter().zip(&other).position(|(one, other)| one != other);
    if let Some(at) = differs {
        let around = at.saturating_sub(10)..(at + 3).min(one.len()).min(other.len());
        panic!(
            "line {at}: {:#?}\n{:#?}",
            &one[around.clone()],
            &other[around]
        );
    }
    assert_eq!(one.len(), other.len());
}

/// As much an hour as in the whole day.
const PART: Size = Size {
    hours: 2,
    messages: 830,
    crashes: 5,
    outages: 4,
    pauses: 1,
    rotations: 2,
};

/// The whole of it. It takes minutes, so that it runs when it is asked for: `cargo xtask soak`.
const DAY: Size = Size {
    hours: 24,
    messages: 10_000,
    crashes: 50,
    outages: 48,
    pauses: 6,
    rotations: 24,
};

#[tokio::test(start_paused = true)]
async fn hours_of_faults_and_crashes_lose_nothing_and_repeat_nothing() {
    soak(seed(11), PART).await;
}

#[tokio::test(start_paused = true)]
async fn other_hours_of_faults_and_crashes_lose_nothing_and_repeat_nothing() {
    soak(seed(12), PART).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "a day takes minutes"]
async fn a_day_of_faults_and_crashes_loses_nothing_and_repeats_nothing() {
    soak(seed(1), DAY).await;
}
