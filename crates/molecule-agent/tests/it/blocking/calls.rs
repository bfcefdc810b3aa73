//! Calls from ordinary threads, over real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::blocking::RemoteAgentClient;
use molecule_agent::protocol::Message;
use molecule_agent::protocol::endpoints::{CreateWorkspace, Lookup};
use molecule_agent::{
    AdminClient, AgentError, CancellationToken, Connect, ErrorKind, FetchInbound, HeartbeatLoop,
    InboundMessage, PlatformUrl, StopReason, TaskReport, Token, WorkspaceId,
};
use molecule_emulator::{Emulator, EmulatorConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A platform in the background.
struct Place {
    runtime: Runtime,
    emulator: Emulator,
    disk: TempDir,
}

impl Place {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let emulator = runtime
            .block_on(Emulator::start(EmulatorConfig::new()))
            .unwrap();
        Self {
            runtime,
            emulator,
            disk: tempfile::tempdir().unwrap(),
        }
    }

    fn url(&self) -> PlatformUrl {
        self.emulator.url().parse().unwrap()
    }

    fn admin(&self) -> AdminClient {
        let token = Token::new(self.emulator.admin_token()).unwrap();
        AdminClient::connect(self.url(), token, |builder| builder).unwrap()
    }

    /// A registered agent.
    fn agent(&self, name: &str) -> RemoteAgentClient {
        let workspace = CreateWorkspace::new(name);
        let created = self
            .runtime
            .block_on(self.admin().create(workspace))
            .unwrap();
        let client = RemoteAgentClient::builder(created.id, self.url())
            .state_dir(self.disk.path().join(created.id.to_string()))
            .poll_interval(Duration::from_millis(10))
            .state_poll_interval(Duration::from_millis(10))
            .build_blocking()
            .unwrap();
        let token = created.auth_token().unwrap();
        client
            .save_token(Token::new(token.expose()).unwrap())
            .unwrap();
        client.register().unwrap();
        client
    }
}

#[test]
fn an_agent_lives_without_async() {
    let place = Place::new();
    let (agent, peer) = (place.agent("agent"), place.agent("peer"));
    assert!(matches!(agent.look().unwrap(), Lookup::Found(_)));
    assert!(agent.pull_secrets().unwrap().is_empty());
    peer.send_message(agent.workspace_id(), Message::text("m-1", "hello"))
        .unwrap();
    let asked = agent.fetch_inbound(&FetchInbound::new()).unwrap();
    assert_eq!(asked[0].text, "hello");
    let (me, cancel) = (agent.clone(), CancellationToken::new());
    let stop = cancel.clone();
    let handler = move |message: InboundMessage| {
        // A handler may block, and use the client while the loop runs.
        me.notify("working on it", &[]).unwrap();
        stop.cancel();
        message.text.to_uppercase()
    };
    let reason = agent.connect(handler, Connect::new(), &cancel).unwrap();
    assert_eq!(reason, StopReason::Cancelled);
    let answer = peer.fetch_inbound(&FetchInbound::new()).unwrap();
    assert_eq!(answer[0].text, "HELLO");
}

#[test]
fn the_heartbeat_loop_ends_with_its_reason() {
    let place = Place::new();
    let agent = place.agent("agent");
    let beats = HeartbeatLoop::new().with_max_iterations(1);
    let never = CancellationToken::new();
    let reason = agent.run_heartbeat_loop(beats, &never).unwrap();
    assert_eq!(reason, StopReason::MaxIterations);
}

#[test]
fn threads_share_a_client() {
    let place = Place::new();
    let agent = place.agent("agent");
    std::thread::scope(|scope| {
        let calls = Vec::from_iter((0..8).map(|_| scope.spawn(|| agent.poll_state())));
        for call in calls {
            assert!(!call.join().unwrap().unwrap().should_stop());
        }
    });
}

fn check_refused(result: Result<impl std::fmt::Debug, AgentError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, AgentError::InsideRuntime), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Usage);
}

fn offline() -> RemoteAgentClient {
    let id: WorkspaceId = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
    RemoteAgentClient::builder(id, "http://127.0.0.1:1".parse().unwrap())
        .state_dir("/nonexistent")
        .build_blocking()
        .unwrap()
}

#[tokio::test]
async fn a_call_from_inside_a_runtime_is_an_error_and_so_is_one_from_its_blocking_threads() {
    let client = offline();
    check_refused(client.look());
    let never = CancellationToken::new();
    check_refused(client.connect(|message| message.text, Connect::new(), &never));
    let there = client.clone();
    let called = tokio::task::spawn_blocking(move || there.look());
    check_refused(called.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_from_inside_a_runtime_of_threads_is_an_error() {
    tokio::spawn(async { check_refused(offline().look()) })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_may_be_made_and_dropped_inside_a_runtime() {
    drop(offline());
}

#[test]
fn what_the_loop_calls_back_is_inside_its_runtime() {
    let place = Place::new();
    let agent = place.agent("agent");
    let refused: Arc<Mutex<Option<AgentError>>> = Arc::default();
    let (noted, there) = (Arc::clone(&refused), agent.clone());
    let beats = HeartbeatLoop::new()
        .with_max_iterations(1)
        .with_task_supplier(move || {
            *noted.lock().unwrap() = there.look().err();
            TaskReport::default()
        });
    let never = CancellationToken::new();
    agent.run_heartbeat_loop(beats, &never).unwrap();
    let refused = refused.lock().unwrap().take();
    check_refused(refused.map_or(Ok(()), Err));
}
