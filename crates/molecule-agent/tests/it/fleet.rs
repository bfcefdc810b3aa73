//! Many agents in one process, under one rate limit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::{
    BoxFuture, Clock as _, Request, Response, Transport, TransportError,
};
use molecule_agent::{
    AgentError, AgentOutcome, AgentStatus, CancellationToken, ClientBuilder, Connect, Fleet,
    FleetAgent, FleetEvent, Handler, InboundMessage, RegisterOptions, RemoteAgentClient,
    StopReason, WorkspaceId,
};
use molecule_emulator::EmulatorConfig;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::{ParseToken as _, Trouble, URL, World, shout};

/// A way to the platform that counts refusals.
struct Counting<T> {
    inner: T,
    refused: Arc<AtomicUsize>,
}

impl<T: Transport> Transport for Counting<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let response = self.inner.send(request).await?;
            if response.status() == 429 {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Ok(response)
        })
    }
}

/// Workspaces on a platform, and how often it refused.
struct Crowd {
    world: World,
    ids: Vec<WorkspaceId>,
    tokens: Vec<String>,
    refused: Arc<AtomicUsize>,
}

impl Crowd {
    async fn new(agents: usize) -> Self {
        let world = World::with(EmulatorConfig::new().with_rate_limit(u32::MAX));
        let (mut ids, mut tokens) = (Vec::new(), Vec::new());
        for number in 0..agents {
            let (id, token) = world.workspace(&format!("agent {number}")).await;
            ids.push(id);
            tokens.push(token);
        }
        world.pass(60).await;
        world.platform.set_rate_limit(600);
        let refused = Arc::default();
        Self {
            world,
            ids,
            tokens,
            refused,
        }
    }

    fn builder(&self, number: usize) -> ClientBuilder {
        self.with_token(number, &self.tokens[number])
    }

    fn with_token(&self, number: usize, token: &str) -> ClientBuilder {
        let refused = Arc::clone(&self.refused);
        let inner = self.world.network();
        RemoteAgentClient::builder(self.ids[number], URL.parse().unwrap())
            .state_dir(self.world.disk().join(number.to_string()))
            .token(token.parse_token())
            .transport(Counting { inner, refused })
    }

    fn fleet(&self) -> Fleet {
        Fleet::new().with_clock(Arc::new(self.world.clock.clone()))
    }

    /// How many are not online.
    async fn missing(&self) -> usize {
        let rows = self.world.admin("GET", "/workspaces", Value::Null).await;
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), self.ids.len());
        let online = rows.iter().filter(|row| row["status"] == "online");
        rows.len() - online.count()
    }

    async fn is_online(&self, number: usize) -> bool {
        self.world.status(self.ids[number]).await == "online"
    }
}

struct Running {
    cancel: CancellationToken,
    task: JoinHandle<Vec<AgentOutcome>>,
}

impl Running {
    fn start(fleet: Fleet) -> Self {
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let task = tokio::spawn(async move { fleet.run(&stop).await });
        Self { cancel, task }
    }

    async fn stop(self) -> Vec<AgentOutcome> {
        self.cancel.cancel();
        self.task.await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_and_fifty_agents_live_under_the_usual_limit() {
    let crowd = Crowd::new(250).await;
    let mut fleet = crowd.fleet();
    let waits = Waits::default();
    for number in 0..250 {
        let builder = crowd.builder(number);
        fleet.add(FleetAgent::new(builder, waits.measure(&crowd.world)));
    }
    let running = Running::start(fleet);
    crowd.world.pass(150).await;
    assert_eq!(crowd.missing().await, 0, "after the start");
    // Until all of them hear of messages.
    crowd.world.pass(60).await;
    for minute in 0..30 {
        for third in 0..20 {
            let number = (minute * 20 + third) % 250;
            let id = format!("m-{minute}-{third}");
            let now = crowd.world.clock.now().as_millis().to_string();
            crowd.world.say(crowd.ids[number], &id, &now).await;
            crowd.world.pass(3).await;
        }
        assert_eq!(crowd.missing().await, 0, "in minute {minute}");
        let longest = waits.longest();
        assert!(longest <= SECOND, "{longest:?} in minute {minute}");
    }
    crowd.world.pass(600).await;
    assert_eq!(crowd.refused.load(Ordering::Relaxed), 0);
    let outcomes = running.stop().await;
    assert_eq!(outcomes.len(), 250);
    crowd.world.platform.set_rate_limit(u32::MAX);
    let mut answered = 0;
    for id in &crowd.ids {
        answered += crowd.world.notifications(*id).await.len();
    }
    assert_eq!(answered, 30 * 20);
}

const SECOND: Duration = Duration::from_secs(1);

/// How long messages waited for their handler.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Vec<Duration>>>);

impl Waits {
    /// The longest since it was asked for.
    fn longest(&self) -> Duration {
        let mut waits = self.0.lock().unwrap();
        waits.drain(..).max().unwrap_or(Duration::MAX)
    }

    /// A handler of messages that say when they were sent, in milliseconds.
    fn measure(&self, world: &World) -> impl Handler + use<> {
        let (waits, clock) = (self.clone(), world.clock.clone());
        move |message: InboundMessage| {
            let sent = Duration::from_millis(message.text.parse().unwrap());
            waits.0.lock().unwrap().push(clock.now() - sent);
            async { "ok" }
        }
    }
}

impl Crowd {
    async fn delete(&self, number: usize) {
        let path = format!("/workspaces/{}?confirm=true", self.ids[number]);
        self.world.admin("DELETE", &path, Value::Null).await;
    }

    async fn says(&self, number: usize, text: &str) {
        self.world.say(self.ids[number], text, text).await;
    }

    async fn answers(&self, number: usize) -> Vec<String> {
        self.world.notifications(self.ids[number]).await
    }
}

async fn panics(message: InboundMessage) -> String {
    panic!("as it was asked to, by {}", message.text)
}

/// What was told about an agent, in words.
fn words(event: FleetEvent<'_>, ids: &[WorkspaceId]) -> String {
    let number = |id| ids.iter().position(|known| *known == id).unwrap();
    match event {
        FleetEvent::Online { workspace_id, .. } => format!("{} online", number(workspace_id)),
        FleetEvent::Restarting {
            workspace_id,
            after,
            ..
        } => format!("{} again after {} s", number(workspace_id), after.as_secs()),
        FleetEvent::Ended { workspace_id, .. } => format!("{} ended", number(workspace_id)),
        _ => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_fails_in_any_way_disturbs_no_other() {
    let crowd = Crowd::new(8).await;
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (ids, hears) = (crowd.ids.clone(), Arc::clone(&heard));
    let mut fleet = crowd.fleet().with_on_event(move |event| {
        hears.lock().unwrap().push(words(event, &ids));
        assert!(
            !matches!(event, FleetEvent::Ended { .. }),
            "listeners may panic"
        );
    });
    crowd.delete(1).await;
    let foreign = crowd.tokens[0].clone();
    let no_dir = crowd.world.disk().join("file");
    std::fs::write(&no_dir, "").unwrap();
    let broken_listener = Connect::new().with_on_registered(|_| panic!("as it was asked to"));
    for agent in [
        FleetAgent::new(crowd.builder(0), shout),
        FleetAgent::new(crowd.builder(1), shout),
        FleetAgent::new(crowd.with_token(2, &foreign), shout),
        FleetAgent::new(crowd.builder(3), panics),
        FleetAgent::prepared_by(crowd.builder(4), async |_| {
            Err(AgentError::setup("no command"))
        }),
        FleetAgent::new(crowd.builder(5).poll_interval(Duration::ZERO), shout),
        FleetAgent::new(crowd.builder(6).state_dir(no_dir.join("below")), shout),
        FleetAgent::new(crowd.builder(7), shout).with_connect(broken_listener),
    ] {
        fleet.add(agent);
    }
    let running = Running::start(fleet);
    crowd.world.pass(20).await;
    crowd.says(3, "die").await;
    for minute in 0..10 {
        crowd.says(0, &format!("m-{minute}")).await;
        crowd.world.pass(60).await;
        assert!(crowd.is_online(0).await, "in minute {minute}");
        let status = crowd.world.status(crowd.ids[3]).await;
        assert!(
            ["online", "degraded"].contains(&status.as_str()),
            "{status}"
        );
    }
    assert_eq!(crowd.answers(0).await.len(), 10);
    let outcomes = running.stop().await;
    let results: Vec<_> = outcomes.iter().map(|outcome| &outcome.result).collect();
    assert!(
        matches!(results[0], Ok(StopReason::Cancelled)),
        "{results:?}"
    );
    assert!(
        matches!(results[1], Err(AgentError::Deleted(_))),
        "{results:?}"
    );
    assert!(
        matches!(results[2], Err(AgentError::TokenRejected { .. })),
        "{results:?}"
    );
    assert!(
        matches!(results[3], Ok(StopReason::Cancelled)),
        "{results:?}"
    );
    assert!(
        matches!(results[4], Err(AgentError::Setup(_))),
        "{results:?}"
    );
    assert!(
        matches!(results[5], Err(AgentError::Option { .. })),
        "{results:?}"
    );
    assert!(
        matches!(results[6], Ok(StopReason::Cancelled)),
        "{results:?}"
    );
    assert!(
        matches!(results[7], Ok(StopReason::Cancelled)),
        "{results:?}"
    );
    let heard = heard.lock().unwrap();
    let about = |number: char| {
        let lines = heard.iter().filter(|line| line.starts_with(number));
        lines.map(|line| &line[2..]).collect::<Vec<_>>()
    };
    assert_eq!(about('0'), ["online", "ended"]);
    assert_eq!(about('1'), ["ended"]);
    assert_eq!(about('4'), ["ended"]);
    assert_eq!(
        about('6')[..4],
        ["online", "again after 1 s", "online", "again after 2 s"]
    );
    assert_eq!(
        about('7')[..3],
        ["again after 1 s", "again after 2 s", "again after 4 s"]
    );
}

/// One of three cannot reach the platform for so many seconds.
async fn check_outage(seconds: u64) {
    let crowd = Crowd::new(3).await;
    let unlucky = crowd.ids[1].to_string();
    crowd.world.trouble(move |request| {
        let meant = request.uri().path().contains(&unlucky);
        meant.then_some(Trouble::Refused)
    });
    let mut fleet = crowd.fleet();
    (0..3).for_each(|number| fleet.add(FleetAgent::new(crowd.builder(number), shout)));
    let running = Running::start(fleet);
    crowd.world.pass(seconds).await;
    assert!(crowd.is_online(0).await && crowd.is_online(2).await);
    assert!(!crowd.is_online(1).await);
    crowd.world.no_trouble();
    crowd.world.pass(60).await;
    assert_eq!(crowd.missing().await, 0, "after {seconds} s");
    for outcome in running.stop().await {
        assert_eq!(outcome.result.unwrap(), StopReason::Cancelled);
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_reach_the_platform_is_there_within_a_minute_when_it_can() {
    for seconds in [120, 700, 800, 900, 3600] {
        check_outage(seconds).await;
    }
}

type Shown = Arc<Mutex<Option<watch::Receiver<AgentStatus>>>>;

/// An agent, and how it is from its first start on.
fn shown(builder: ClientBuilder) -> (FleetAgent, Shown) {
    let shown = Shown::default();
    let made = Arc::clone(&shown);
    let agent = FleetAgent::prepared_by(builder, move |client| {
        *made.lock().unwrap() = Some(client.watch_status());
        async { Ok(Arc::new(shout) as Arc<dyn Handler>) }
    });
    (agent, shown)
}

fn state(shown: &Shown) -> &'static str {
    let shown = shown.lock().unwrap();
    shown.as_ref().unwrap().borrow().state.as_str()
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_waits_to_start_again_is_not_said_to_have_ended() {
    let crowd = Crowd::new(1).await;
    let (agent, shown) = shown(crowd.builder(0));
    crowd.world.trouble(|_| Some(Trouble::Refused));
    let running = Running::start(crowd.fleet().with_agent(agent));
    crowd.world.pass(120).await;
    for _ in 0..60 {
        crowd.world.pass(1).await;
        assert!(["starting", "disconnected"].contains(&state(&shown)));
    }
    crowd.world.no_trouble();
    crowd.world.pass(60).await;
    assert_eq!(state(&shown), "online");
    running.stop().await;
    assert_eq!(state(&shown), "stopped");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_stopped_while_it_waits_to_start_again_has_ended() {
    let crowd = Crowd::new(1).await;
    let (agent, shown) = shown(crowd.builder(0));
    crowd.world.trouble(|_| Some(Trouble::Refused));
    let running = Running::start(crowd.fleet().with_agent(agent));
    crowd.world.pass(120).await;
    running.stop().await;
    assert_eq!(state(&shown), "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_was_added_twice_has_one_agent() {
    let crowd = Crowd::new(2).await;
    let mut fleet = crowd.fleet();
    for number in [0, 1, 0] {
        fleet.add(FleetAgent::new(crowd.builder(number), shout));
    }
    let running = Running::start(fleet);
    crowd.world.pass(60).await;
    crowd.says(0, "hello").await;
    crowd.world.pass(60).await;
    assert_eq!(crowd.missing().await, 0);
    assert_eq!(crowd.answers(0).await, ["HELLO"]);
    let outcomes = running.stop().await;
    let twice = outcomes[2].result.as_ref().unwrap_err();
    assert_eq!(twice.kind(), molecule_agent::ErrorKind::Usage);
    assert!(
        twice.to_string().contains(&crowd.ids[0].to_string()),
        "{twice}"
    );
    assert!(outcomes[0].result.is_ok() && outcomes[1].result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_again_does_not_resume_what_its_user_paused() {
    let crowd = Crowd::new(1).await;
    let resume = RegisterOptions::new().with_resume(true);
    let dir = crowd.world.disk().join("file");
    std::fs::write(&dir, "").unwrap();
    let agent = FleetAgent::new(crowd.builder(0).state_dir(dir.join("below")), shout)
        .with_connect(Connect::new().with_register(resume));
    let running = Running::start(crowd.fleet().with_agent(agent));
    crowd.world.pass(5).await;
    let status = crowd.world.status(crowd.ids[0]).await;
    assert!(
        ["online", "degraded"].contains(&status.as_str()),
        "{status}"
    );
    let path = format!("/workspaces/{}/pause", crowd.ids[0]);
    crowd.world.admin("POST", &path, Value::Null).await;
    crowd.world.pass(600).await;
    assert_eq!(crowd.world.status(crowd.ids[0]).await, "paused");
    let outcomes = running.task.await.unwrap();
    assert_eq!(*outcomes[0].result.as_ref().unwrap(), StopReason::Paused);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_platform_quiets_the_whole_fleet() {
    let crowd = Crowd::new(20).await;
    let mut fleet = crowd.fleet();
    (0..20).for_each(|number| fleet.add(FleetAgent::new(crowd.builder(number), shout)));
    let running = Running::start(fleet);
    crowd.world.pass(100).await;
    crowd
        .world
        .trouble_at("/registry/heartbeat", 1, Trouble::RateLimited(20));
    let refused = loop {
        crowd.world.clock_tick().await;
        if crowd.refused.load(Ordering::Relaxed) == 1 {
            break crowd.world.requests().len();
        }
    };
    crowd.world.pass(20).await;
    let under_way = crowd.world.requests().len() - refused;
    assert!(under_way <= 2, "{under_way} requests went all the same");
    crowd.world.pass(60).await;
    assert_eq!(
        (crowd.missing().await, crowd.refused.load(Ordering::Relaxed)),
        (0, 1)
    );
    running.stop().await;
}
