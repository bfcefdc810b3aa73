//! A platform and its agents in one process and one thread, in simulated time.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use molecule_agent::transport::testing::{Answer, ScriptedTransport, SimulatedClock, answer};
use molecule_agent::transport::{
    BoxFuture, CallOptions, Clock as _, Phase, Request, Target, TransportError, within,
};
use molecule_agent::{
    AgentError, AgentLoop, CancellationToken, ClientBuilder, Handler, InboundDelivery,
    InboundMessage, PollOptions, RemoteAgentClient, StopReason, WorkspaceId,
};
use molecule_emulator::{EmulatorConfig, FaultRule, Generation, Platform, Severed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::wire::{Blow, Wire};

/// Where the platform is said to be.
pub(crate) const URL: &str = "http://localhost:8080";

/// What happens to a request on its way.
type Fault = dyn Fn(&Request) -> Option<Trouble> + Send + Sync;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing listens.
    Refused,
    /// Nothing arrives, and no answer comes.
    Swallowed,
    /// The platform does its work, but its answer is lost.
    AnswerLost,
    /// Something before the platform answers with this status and an empty body.
    Status(u16),
    /// The platform answers with this status and body.
    Says(u16, &'static str),
    /// The platform does its work at once, and its answer takes so many milliseconds.
    AnswerLate(u64),
    /// The platform limits the rate, and says for how many seconds.
    RateLimited(u64),
}

/// A platform, its network, and a disk.
pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) clock: SimulatedClock,
    disk: TempDir,
    fault: Arc<Mutex<Option<Box<Fault>>>>,
    transport: ScriptedTransport,
    wire: Wire,
    /// Made once, because making it takes longer than a request.
    router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(EmulatorConfig::new())
    }

    pub(crate) fn generation_a() -> Self {
        Self::with(EmulatorConfig::new().with_generation(Generation::A))
    }

    pub(crate) fn with(config: EmulatorConfig) -> Self {
        Self::at(SimulatedClock::new(), config)
    }

    /// One in this time, which may have a jitter.
    pub(crate) fn at(clock: SimulatedClock, config: EmulatorConfig) -> Self {
        let config = config
            .with_admin_token("admin")
            .with_clock(Arc::new(PlatformClock(clock.clone())));
        let platform = Platform::new(config).unwrap();
        let fault: Arc<Mutex<Option<Box<Fault>>>> = Arc::default();
        let wire = Wire::new();
        let router = platform.router();
        let transport = network(router.clone(), Arc::clone(&fault), wire.clone());
        Self {
            platform,
            clock,
            disk: disk(),
            fault,
            transport,
            wire,
            router,
        }
    }

    /// From now on this happens to requests.
    pub(crate) fn trouble(
        &self,
        fault: impl Fn(&Request) -> Option<Trouble> + Send + Sync + 'static,
    ) {
        *self.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// This happens to the next so many requests whose path ends so.
    pub(crate) fn trouble_at(&self, path_ends: impl Into<String>, times: usize, trouble: Trouble) {
        let (path_ends, left) = (path_ends.into(), AtomicUsize::new(times));
        let take = move || {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
        };
        self.trouble(move |request| {
            let meant = request.uri().path().ends_with(&path_ends);
            (meant && take().is_ok()).then_some(trouble)
        });
    }

    /// The platform itself lets requests go wrong.
    pub(crate) fn inject(&self, rule: FaultRule) {
        self.platform.add_fault(rule).unwrap();
    }

    /// This happens to all answers that stream now.
    pub(crate) fn strike(&self, blow: Blow) {
        self.wire.strike(blow);
    }

    /// From now on requests arrive.
    pub(crate) fn no_trouble(&self) {
        *self.fault.lock().unwrap() = None;
    }

    pub(crate) fn disk(&self) -> &Path {
        self.disk.path()
    }

    /// Method and path of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        let line = |request: &Request| format!("{} {}", request.method(), request.uri().path());
        self.transport.requests().iter().map(line).collect()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| *request == line)
            .count()
    }

    /// A request with the admin token.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer admin")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The way to the platform.
    pub(crate) fn network(&self) -> ScriptedTransport {
        self.transport.clone()
    }

    /// A new workspace, and its token.
    pub(crate) async fn workspace(&self, name: &str) -> (WorkspaceId, String) {
        let created = self
            .admin(
                "POST",
                "/workspaces",
                json!({"name": name, "runtime": "external"}),
            )
            .await;
        let token = created["connection"]["auth_token"]
            .as_str()
            .unwrap()
            .to_owned();
        (created["id"].as_str().unwrap().parse().unwrap(), token)
    }

    pub(crate) async fn status(&self, id: WorkspaceId) -> String {
        let row = self
            .admin(
                "GET",
                &format!("/workspaces/{id}?include_removed=true"),
                Value::Null,
            )
            .await;
        row["status"].as_str().unwrap_or("none").to_owned()
    }

    /// A client whose directory is on this world's disk.
    pub(crate) fn builder(&self, id: WorkspaceId) -> ClientBuilder {
        RemoteAgentClient::builder(id, URL.parse().unwrap())
            .state_dir(self.disk().join(id.to_string()))
            .transport(self.transport.clone())
            .clock(Arc::new(self.clock.clone()))
    }

    /// A client of a new workspace that holds its token.
    pub(crate) async fn client(&self, name: &str) -> RemoteAgentClient {
        let (id, token) = self.workspace(name).await;
        let client = self.builder(id).build().unwrap();
        client.save_token(token.parse_token()).await.unwrap();
        client
    }

    /// A registered client.
    pub(crate) async fn registered(&self, name: &str) -> RemoteAgentClient {
        let client = self.client(name).await;
        client.register().await.unwrap();
        client
    }

    /// A registered client of an agent that listens at `url`, which both generations take.
    pub(crate) async fn pushed(&self, name: &str, url: &str) -> RemoteAgentClient {
        let (id, token) = self.workspace(name).await;
        let client = self.builder(id).reported_url(url).build().unwrap();
        client.save_token(token.parse_token()).await.unwrap();
        client.register().await.unwrap();
        client
    }

    /// The agent of a workspace listens somewhere else from now on.
    pub(crate) async fn move_to(&self, client: &RemoteAgentClient, url: &str) {
        let moved = self.builder(client.workspace_id()).reported_url(url);
        moved.build().unwrap().register().await.unwrap();
    }

    /// The canvas user writes to a workspace.
    pub(crate) async fn say(&self, to: WorkspaceId, message_id: &str, text: &str) {
        let body = json!({"jsonrpc": "2.0", "id": message_id, "method": "message/send", "params": {"message":
            {"role": "user", "messageId": message_id, "parts": [{"kind": "text", "text": text}]}}});
        let request = http::Request::post(format!("/workspaces/{to}/a2a"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// What the agent said to the canvas user, oldest first.
    pub(crate) async fn notifications(&self, id: WorkspaceId) -> Vec<String> {
        let path = format!("/workspaces/{id}/activity?type=a2a_receive&limit=500");
        let rows = self.admin("GET", &path, Value::Null).await;
        let notified = rows
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .filter(|row| row["method"] == "notify");
        notified
            .map(|row| row["response_body"]["result"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Lets simulated time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Lets the shortest time pass that the platform can tell apart.
    pub(crate) async fn clock_tick(&self) {
        self.clock.sleep(Duration::from_millis(1)).await;
    }

    /// A handler that answers with the message itself, after so many seconds.
    pub(crate) fn slow_echo(&self, seconds: u64) -> impl Handler + Clone + use<> {
        let clock = self.clock.clone();
        move |message: InboundMessage| {
            let rest = clock.sleep(Duration::from_secs(seconds));
            async move {
                rest.await;
                message.text
            }
        }
    }

    /// Simulated seconds since the start.
    pub(crate) fn clock_seconds(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// Starts an agent that runs until the returned guard is dropped.
    pub(crate) fn start(&self, client: &RemoteAgentClient, handler: impl Handler) -> Running {
        self.start_with(client, handler, AgentLoop::new())
    }

    pub(crate) fn start_with(
        &self,
        client: &RemoteAgentClient,
        handler: impl Handler,
        options: AgentLoop,
    ) -> Running {
        let polling = client.poll_delivery(PollOptions::new());
        Self::run(client, handler, polling, options)
    }

    pub(crate) fn start_polling(
        &self,
        client: &RemoteAgentClient,
        handler: impl Handler,
        options: PollOptions,
    ) -> Running {
        Self::start_delivering(client, handler, client.poll_delivery(options))
    }

    pub(crate) fn start_delivering(
        client: &RemoteAgentClient,
        handler: impl Handler,
        delivery: impl InboundDelivery,
    ) -> Running {
        Self::run(client, handler, delivery, AgentLoop::new())
    }

    pub(crate) fn run(
        client: &RemoteAgentClient,
        handler: impl Handler,
        delivery: impl InboundDelivery,
        options: AgentLoop,
    ) -> Running {
        let cancel = CancellationToken::new();
        let (client, stop) = (client.clone(), cancel.clone());
        let task = tokio::spawn(async move {
            client
                .run_agent_loop(handler, delivery, options, &stop)
                .await
        });
        Running { cancel, task }
    }
}

/// A disk in memory, where there is one: what waits for a real one to be written is the same, but slower.
fn disk() -> TempDir {
    let memory = Path::new("/dev/shm");
    let in_memory = memory.is_dir().then(|| tempfile::tempdir_in(memory));
    let in_memory = in_memory.and_then(Result::ok);
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// An agent that runs.
pub(crate) struct Running {
    pub(crate) cancel: CancellationToken,
    task: tokio::task::JoinHandle<Result<StopReason, AgentError>>,
}

impl Running {
    pub(crate) async fn ended(self) -> Result<StopReason, AgentError> {
        self.task.await.unwrap()
    }

    pub(crate) async fn stop(self) -> Result<StopReason, AgentError> {
        self.cancel.cancel();
        self.ended().await
    }

    /// As kill -9 would.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

/// A handler that answers in capitals.
pub(crate) async fn shout(message: InboundMessage) -> String {
    message.text.to_uppercase()
}

pub(crate) trait ParseToken {
    fn parse_token(&self) -> molecule_agent::Token;
}

impl ParseToken for str {
    fn parse_token(&self) -> molecule_agent::Token {
        molecule_agent::Token::new(self).unwrap()
    }
}

fn network(router: Router, fault: Arc<Mutex<Option<Box<Fault>>>>, wire: Wire) -> ScriptedTransport {
    ScriptedTransport::new(move |request: Request| -> BoxFuture<'static, Answer> {
        let trouble = fault
            .lock()
            .unwrap()
            .as_ref()
            .and_then(|fault| fault(&request));
        let target = Target::of(&request);
        let broken = || std::io::Error::other("simulated");
        match trouble {
            Some(Trouble::Refused) => Box::pin(async move {
                Err(TransportError::Connect {
                    target,
                    source: broken().into(),
                })
            }),
            Some(Trouble::Swallowed) => {
                let after = CallOptions::of(&request).timeouts.idle_read;
                Box::pin(async move {
                    SimulatedClock::new().sleep(after).await;
                    let phase = Phase::Head;
                    Err(TransportError::Timeout {
                        target,
                        phase,
                        after,
                    })
                })
            }
            Some(Trouble::Status(status)) => Box::pin(async move { Ok(answer(status, "")) }),
            Some(Trouble::Says(status, body)) => Box::pin(async move { Ok(answer(status, body)) }),
            Some(Trouble::RateLimited(seconds)) => Box::pin(async move { Ok(limited(seconds)) }),
            Some(Trouble::AnswerLost) => {
                let delivered = deliver(router.clone(), wire.clone(), request);
                Box::pin(async move {
                    delivered.await?;
                    Err(TransportError::Interrupted {
                        target,
                        source: broken().into(),
                    })
                })
            }
            Some(Trouble::AnswerLate(millis)) => {
                let delivered = deliver(router.clone(), wire.clone(), request);
                Box::pin(async move {
                    let answer = delivered.await;
                    SimulatedClock::new()
                        .sleep(Duration::from_millis(millis))
                        .await;
                    answer
                })
            }
            None => Box::pin(deliver(router.clone(), wire.clone(), request)),
        }
    })
}

pub(crate) fn limited(seconds: u64) -> molecule_agent::transport::Response {
    let mut response = answer(
        429,
        format!(r#"{{"error":"rate limit exceeded","retry_after":{seconds}}}"#),
    );
    response
        .headers_mut()
        .insert("retry-after", seconds.to_string().parse().unwrap());
    response
}

/// The client waits for an answer as long as it would over a socket.
async fn deliver(router: Router, wire: Wire, request: Request) -> Answer {
    let (target, after) = (
        Target::of(&request),
        CallOptions::of(&request).timeouts.idle_read,
    );
    let answer = serve(router, wire, request);
    let clock = SimulatedClock::new();
    within(&clock, after, answer).await.unwrap_or_else(|_| {
        let phase = Phase::Head;
        Err(TransportError::Timeout {
            target,
            phase,
            after,
        })
    })
}

/// What the platform answers; a stream of events comes by wire.
pub(crate) async fn serve(router: Router, wire: Wire, request: Request) -> Answer {
    let target = Target::of(&request);
    let (mut head, body) = request.into_parts();
    head.uri = head
        .uri
        .path_and_query()
        .unwrap()
        .to_string()
        .parse()
        .unwrap();
    head.headers
        .insert("host", "localhost:8080".parse().unwrap());
    let response = router
        .oneshot(http::Request::from_parts(head, Body::from(body)))
        .await
        .unwrap();
    if let Some(severed) = response.extensions().get::<Severed>() {
        let source = format!("{severed:?}").into();
        return Err(TransportError::Interrupted { target, source });
    }
    let (head, body) = response.into_parts();
    if head
        .headers
        .get("content-type")
        .is_some_and(|kind| kind == "text/event-stream")
    {
        return Ok(http::Response::from_parts(head, wire.carry(body, target)));
    }
    let body = body.collect().await.unwrap().to_bytes();
    Ok(http::Response::from_parts(head, body.into()))
}

/// The platform lives in the same simulated time.
#[derive(Debug)]
struct PlatformClock(SimulatedClock);

impl molecule_emulator::Clock for PlatformClock {
    fn now(&self) -> Timestamp {
        let since = self
            .0
            .wall()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        Timestamp::from_microsecond(i64::try_from(since.as_micros()).unwrap()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        molecule_agent::transport::Clock::now(&self.0)
    }

    fn sleep(&self, duration: Duration) -> molecule_emulator::Sleep {
        molecule_agent::transport::Clock::sleep(&self.0, duration)
    }
}
