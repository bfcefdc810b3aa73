//! A workspace's container from its first start to its restart, against a platform over real
//! sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use molecule_agent::stub::{StubConfig, StubError, StubRuntime};
use molecule_emulator::{ContainerSpec, Emulator, EmulatorConfig};
use molecule_protocol::WorkspaceId;
use molecule_transport::{
    BoxFuture, Bytes, Clock, Request, ReqwestTransport, Response, Transport, TransportError,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::within_limit;

/// The stub's waits end when the test says so: those between heartbeats and those between tries
/// of a registration. Its time limits never run out.
#[derive(Debug, Clone)]
struct Steps {
    beats: Arc<Semaphore>,
    retries: Arc<Semaphore>,
}

impl Clock for Steps {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let step = match duration.as_secs() {
            5 => self.beats.clone(),
            2 => self.retries.clone(),
            _ => return Box::pin(std::future::pending()),
        };
        Box::pin(async move { step.acquire().await.unwrap().forget() })
    }

    fn jitter(&self) -> f64 {
        0.0
    }
}

/// Real HTTP that reports the status of each answer.
struct Observed {
    http: ReqwestTransport,
    registrations: UnboundedSender<u16>,
    beats: UnboundedSender<u16>,
}

impl Transport for Observed {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let seen = match request.uri().path() {
            "/registry/register" => &self.registrations,
            _ => &self.beats,
        };
        Box::pin(async move {
            let answer = self.http.send(request).await;
            seen.send(answer.as_ref().map_or(0, |answer| answer.status().as_u16()))
                .ok();
            answer
        })
    }
}

/// The port of the host behind which the container of the moment listens.
#[derive(Clone)]
struct PortMapping {
    host: SocketAddr,
    container: Arc<Mutex<Option<SocketAddr>>>,
}

impl PortMapping {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mapping = Self {
            host: listener.local_addr().unwrap(),
            container: Arc::default(),
        };
        tokio::spawn(mapping.clone().relay(listener));
        mapping
    }

    async fn relay(self, listener: TcpListener) {
        while let Ok((mut outside, _)) = listener.accept().await {
            let container = self.container.lock().unwrap().expect("a container runs");
            tokio::spawn(async move {
                let mut inside = TcpStream::connect(container).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    }

    fn lead_to(&self, container: SocketAddr) {
        *self.container.lock().unwrap() = Some(container);
    }
}

/// A stub that runs as the container of a workspace.
struct Container {
    steps: Steps,
    registrations: UnboundedReceiver<u16>,
    beats: UnboundedReceiver<u16>,
    cancel: CancellationToken,
    running: JoinHandle<Result<(), StubError>>,
}

impl Container {
    fn start(platform: &Emulator, id: WorkspaceId, volume: &Path, port: &PortMapping) -> Self {
        let steps = Steps {
            beats: Arc::new(Semaphore::new(0)),
            retries: Arc::new(Semaphore::new(0)),
        };
        let (registered, registrations) = unbounded_channel();
        let (beaten, beats) = unbounded_channel();
        let http = ReqwestTransport::new().unwrap();
        let observed = Observed {
            http,
            registrations: registered,
            beats: beaten,
        };
        let config = StubConfig::new(id, platform.url().parse().unwrap())
            .with_config_dir(volume)
            .with_listen(([127, 0, 0, 1], 0).into())
            .with_clock(Arc::new(steps.clone()))
            .with_transport(Arc::new(observed));
        let stub = StubRuntime::bind(config, |_| ()).unwrap();
        port.lead_to(stub.local_addr());
        let cancel = CancellationToken::new();
        let running = tokio::spawn(stub.run(cancel.clone()));
        Self {
            steps,
            registrations,
            beats,
            cancel,
            running,
        }
    }

    /// The status of the next answer to a registration.
    async fn registration(&mut self) -> u16 {
        within_limit(self.registrations.recv()).await.unwrap()
    }

    /// The status of the next answer to a heartbeat.
    async fn beat(&mut self) -> u16 {
        within_limit(self.beats.recv()).await.unwrap()
    }

    async fn beat_after_five_seconds(&mut self) -> u16 {
        self.steps.beats.add_permits(1);
        self.beat().await
    }

    async fn registration_after_two_seconds(&mut self) -> u16 {
        self.steps.retries.add_permits(1);
        self.registration().await
    }

    async fn stop(self) {
        self.cancel.cancel();
        within_limit(self.running).await.unwrap().unwrap();
    }
}

async fn call(request: http::Request<String>) -> Value {
    let http = ReqwestTransport::new().unwrap();
    let answer = http.send(request.map(Bytes::from)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

async fn status(platform: &Emulator, id: WorkspaceId) -> Value {
    let url = format!("{}/workspaces/{id}", platform.url());
    call(http::Request::get(url).body(String::new()).unwrap()).await["status"].take()
}

/// Sends a message through the platform, as its canvas does.
async fn message(platform: &Emulator, id: WorkspaceId, request_id: &str) -> Value {
    let url = format!("{}/workspaces/{id}/a2a", platform.url());
    let part = json!({"kind": "text", "text": "are you there?"});
    let body = json!({
        "jsonrpc": "2.0",
        "id": request_id,
        "method": "message/send",
        "params": {"message": {"role": "user", "parts": [part]}},
    });
    call(http::Request::post(url).body(body.to_string()).unwrap()).await
}

async fn check_answered(platform: &Emulator, id: WorkspaceId, request_id: &str) {
    let mut answer = message(platform, id, request_id).await;
    assert!(answer["result"]["messageId"].take().is_string(), "{answer}");
    let part = json!({"kind": "text", "text": "STUB OK"});
    let result = json!({"kind": "message", "role": "agent", "parts": [part], "messageId": null});
    assert_eq!(
        answer,
        json!({"jsonrpc": "2.0", "id": request_id, "result": result})
    );
}

/// Replaces the token on the volume, as a provisioner does.
fn write_token(volume: &Path, token: &str) {
    let new = volume.join("new");
    std::fs::write(&new, token).unwrap();
    std::fs::rename(new, volume.join(".auth_token")).unwrap();
}

#[tokio::test]
async fn a_container_comes_online_answers_outlives_a_rotation_and_a_restart() {
    let platform = Emulator::start(EmulatorConfig::new()).await.unwrap();
    let volume = TempDir::new().unwrap();
    let port = PortMapping::new().await;
    let spec = ContainerSpec::new("stub", format!("http://{}", port.host));
    let (id, _) = platform
        .platform()
        .provision(&spec.with_volume(volume.path()))
        .unwrap();
    assert_eq!(status(&platform, id).await, "provisioning");

    let mut container = Container::start(&platform, id, volume.path(), &port);
    assert_eq!(
        (container.registration().await, container.beat().await),
        (200, 200)
    );
    assert_eq!(status(&platform, id).await, "online");
    check_answered(&platform, id, "first").await;

    let token = platform.platform().rotate_tokens(id).unwrap();
    assert_eq!(container.beat_after_five_seconds().await, 401);
    assert_eq!(
        container.registration().await,
        401,
        "the volume has the old token still"
    );
    assert_eq!(
        container.beat_after_five_seconds().await,
        401,
        "the beat goes on"
    );
    write_token(volume.path(), &token);
    assert_eq!(container.beat_after_five_seconds().await, 200);
    assert_eq!(container.registration_after_two_seconds().await, 200);
    check_answered(&platform, id, "second").await;

    container.stop().await;
    platform.platform().restart(id).unwrap();
    assert_eq!(status(&platform, id).await, "provisioning");
    let mut container = Container::start(&platform, id, volume.path(), &port);
    assert_eq!(
        (container.registration().await, container.beat().await),
        (200, 200)
    );
    assert_eq!(status(&platform, id).await, "online");
    check_answered(&platform, id, "third").await;
    container.stop().await;
}

#[tokio::test]
async fn a_provisioned_workspace_comes_online_by_the_heartbeat_alone() {
    let platform = Emulator::start(EmulatorConfig::new()).await.unwrap();
    let volume = TempDir::new().unwrap();
    let port = PortMapping::new().await;
    let spec = ContainerSpec::new("stub", format!("http://{}", port.host));
    let (id, token) = platform.platform().provision(&spec).unwrap();

    let mut container = Container::start(&platform, id, volume.path(), &port);
    assert_eq!(
        (container.registration().await, container.beat().await),
        (401, 401)
    );
    assert_eq!(status(&platform, id).await, "provisioning");
    write_token(volume.path(), &token);
    assert_eq!(container.beat_after_five_seconds().await, 200);
    assert_eq!(status(&platform, id).await, "online");
    check_answered(&platform, id, "first").await;
    container.stop().await;
}
