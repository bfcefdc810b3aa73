//! A platform that listens, and agents that it calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_agent::protocol::endpoints::{CreateWorkspace, Lookup, WorkspaceInfo};
use molecule_agent::transport::testing::ManualClock;
use molecule_agent::transport::{Bytes, ReqwestTransport, Transport as _, http};
use molecule_agent::{
    AdminClient, AgentError, AgentStatus, CancellationToken, ClientBuilder, Connect, FetchInbound,
    Handler, InboundMessage, PushOptions, Registration, RemoteAgentClient, StopReason, Token,
    WorkspaceId,
};
use molecule_emulator::{Emulator, EmulatorConfig, Generation};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A platform on a port of its own, with a clock for its agents that only the test moves.
pub(super) struct Scene {
    pub(super) emulator: Emulator,
    pub(super) admin: AdminClient,
    pub(super) clock: ManualClock,
    http: ReqwestTransport,
    disk: TempDir,
}

/// An agent that runs.
pub(super) struct Running {
    pub(super) client: RemoteAgentClient,
    pub(super) cancel: CancellationToken,
    task: tokio::task::JoinHandle<Result<StopReason, AgentError>>,
    joined: mpsc::UnboundedReceiver<Registration>,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::of(Generation::B).await
    }

    pub(super) async fn of(generation: Generation) -> Self {
        let config = EmulatorConfig::new()
            .with_generation(generation)
            .with_rate_limit(u32::MAX);
        let emulator = Emulator::start(config).await.unwrap();
        let token = Token::new(emulator.admin_token()).unwrap();
        let url = emulator.url().parse().unwrap();
        Self {
            admin: AdminClient::connect(url, token, |builder| builder).unwrap(),
            emulator,
            clock: ManualClock::new(),
            http: ReqwestTransport::builder().build().unwrap(),
            disk: tempfile::tempdir().unwrap(),
        }
    }

    /// A builder for the agent of a new workspace, which holds its token.
    pub(super) async fn builder(&self) -> ClientBuilder {
        let created = self
            .admin
            .create(CreateWorkspace::new("alpha"))
            .await
            .unwrap();
        let token = created.auth_token().unwrap();
        RemoteAgentClient::builder(created.id, self.emulator.url().parse().unwrap())
            .state_dir(self.disk.path().join(created.id.to_string()))
            .token(Token::new(token.expose()).unwrap())
            .clock(Arc::new(self.clock.clone()))
    }

    /// An agent that reports no address, so that it is called at its own port.
    pub(super) async fn agent(&self, handler: impl Handler) -> Running {
        let client = self.builder().await.build().unwrap();
        let mut agent = Running::start(&client, handler, pushed(PushOptions::new()));
        agent.joins().await;
        agent
    }

    pub(super) async fn info(&self, id: WorkspaceId) -> WorkspaceInfo {
        match self.admin.show(id).await.unwrap() {
            Lookup::Found(info) => *info,
            other => panic!("{other:?}"),
        }
    }

    /// Writes to a workspace as its canvas user.
    pub(super) async fn say(&self, to: WorkspaceId, message_id: &str, text: &str) -> (u16, Value) {
        self.send(to, said(message_id, text)).await
    }

    /// Has the platform forward a whole request.
    pub(super) async fn send(&self, to: WorkspaceId, request: Value) -> (u16, Value) {
        let url = format!("{}/workspaces/{to}/a2a", self.emulator.url());
        self.post(&url, request).await
    }

    /// Posts to an agent's own port.
    pub(super) async fn call(&self, address: SocketAddr, request: Value) -> (u16, Value) {
        self.post(&format!("http://{address}/"), request).await
    }

    /// What is at a url.
    pub(super) async fn get(&self, url: &str) -> Value {
        let request = http::Request::get(url)
            .header(
                "authorization",
                format!("Bearer {}", self.emulator.admin_token()),
            )
            .body(Bytes::new())
            .unwrap();
        self.exchange(request).await.1
    }

    async fn post(&self, url: &str, request: Value) -> (u16, Value) {
        let request = http::Request::post(url)
            .header("content-type", "application/json")
            .body(Bytes::from(request.to_string()))
            .unwrap();
        self.exchange(request).await
    }

    async fn exchange(&self, request: http::Request<Bytes>) -> (u16, Value) {
        let (head, body) = self.http.send(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        (head.status.as_u16(), json)
    }

    /// Moves the agents' time, second by second, until `is_so`.
    pub(super) async fn pass_until(&self, mut is_so: impl AsyncFnMut() -> bool) {
        let passing = async {
            while !is_so().await {
                self.pass(1).await;
            }
        };
        let limit = Duration::from_secs(60);
        let passed = tokio::time::timeout(limit, passing).await;
        passed.expect("it happens in time");
    }

    /// Moves the agents' time, and lets all that happens in each second happen: sockets take turns, but no time.
    pub(super) async fn pass(&self, seconds: usize) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// What the agent said to the canvas user by notifications, oldest first.
    pub(super) async fn notifications(&self, agent: &Running) -> Vec<String> {
        let id = agent.client.workspace_id();
        let url = format!(
            "{}/workspaces/{id}/activity?type=a2a_receive&limit=500",
            self.emulator.url()
        );
        let rows = self.get(&url).await;
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
}

impl Running {
    pub(super) fn start(
        client: &RemoteAgentClient,
        handler: impl Handler,
        options: Connect,
    ) -> Self {
        let cancel = CancellationToken::new();
        let (tell, joined) = mpsc::unbounded_channel();
        let options = options.with_on_registered(move |registration| {
            let _ = tell.send(*registration);
        });
        let (runs, stop) = (client.clone(), cancel.clone());
        let task = tokio::spawn(async move { runs.connect(handler, options, &stop).await });
        Self {
            client: client.clone(),
            cancel,
            task,
            joined,
        }
    }

    /// Waits until it has joined, and says how. What keeps it from that fails the test.
    pub(super) async fn joins(&mut self) -> Registration {
        match self.joined.recv().await {
            Some(registration) => registration,
            None => panic!("{:?}", (&mut self.task).await),
        }
    }

    /// How it joined again, if it did.
    pub(super) fn has_joined(&mut self) -> Option<Registration> {
        self.joined.try_recv().ok()
    }

    pub(super) fn id(&self) -> WorkspaceId {
        self.client.workspace_id()
    }

    /// Waits until its status is so.
    pub(super) async fn until(&self, is_so: impl FnMut(&AgentStatus) -> bool) {
        self.client.watch_status().wait_for(is_so).await.unwrap();
    }

    pub(super) async fn ends(self) -> Result<StopReason, AgentError> {
        self.task.await.unwrap()
    }

    pub(super) async fn stop(self) {
        self.cancel.cancel();
        assert_eq!(self.ends().await.unwrap(), StopReason::Cancelled);
    }

    /// Where it listens, as the platform knows it.
    pub(super) async fn address(&self, scene: &Scene) -> SocketAddr {
        let url = scene.info(self.id()).await.url.unwrap();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The messages in its log.
    pub(super) async fn log(&self) -> Vec<InboundMessage> {
        let all = FetchInbound::new();
        self.client.fetch_inbound(&all).await.unwrap()
    }
}

/// Called at a free port.
pub(super) fn pushed(push: PushOptions) -> Connect {
    Connect::new().with_push(push.with_listen(([127, 0, 0, 1], 0).into()))
}

/// A message of the canvas user.
pub(super) fn said(message_id: &str, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": "r-1", "method": "message/send", "params": {"message":
        {"role": "user", "messageId": message_id, "parts": [{"kind": "text", "text": text}]}}})
}

/// The text of an answer.
pub(super) fn text(answer: &Value) -> &str {
    answer["result"]["parts"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
}

/// An address of this machine at which nothing listens.
pub(super) fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://localhost:{}", listener.local_addr().unwrap().port())
}
