//! Many agents in one process, under one rate limit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::{
    BoxFuture, Clock as _, Request, Response, Transport, TransportError,
};
use molecule_agent::{
    AgentError, AgentOutcome, CancellationToken, ClientBuilder, Connect, Fleet, FleetAgent,
    FleetEvent, InboundMessage, RemoteAgentClient, StopReason, WorkspaceId,
};
use molecule_emulator::EmulatorConfig;
use serde_json::{Value, json};
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
    for number in 0..250 {
        fleet.add(FleetAgent::new(crowd.builder(number), shout));
    }
    let running = Running::start(fleet);
    crowd.world.pass(150).await;
    assert_eq!(crowd.missing().await, 0, "after the start");
    for minute in 0..60 {
        for third in 0..20 {
            let number = (minute * 20 + third) % 250;
            let id = format!("m-{minute}-{third}");
            crowd.world.say(crowd.ids[number], &id, &id).await;
            crowd.world.pass(3).await;
        }
        assert_eq!(crowd.missing().await, 0, "in minute {minute}");
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
    assert_eq!(answered, 60 * 20);
}
