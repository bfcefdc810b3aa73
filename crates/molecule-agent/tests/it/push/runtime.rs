//! The runtime of a container: from its first start to its restart, and what it does beside answering.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::protocol::WorkspaceStatus;
use molecule_agent::transport::Clock as _;
use molecule_agent::{
    AgentError, AgentLoop, CancellationToken, DelegateOptions, Handler, InboundMessage,
    PushOptions, RemoteAgentClient, RuntimeOptions, StopReason, WorkspaceId,
};
use molecule_emulator::ContainerSpec;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::scene::{Scene, nowhere, text};
use crate::world::shout;

/// A container's place: its workspace, its port and its volume.
struct Place {
    id: WorkspaceId,
    port: u16,
    volume: TempDir,
}

struct Running {
    client: RemoteAgentClient,
    cancel: CancellationToken,
    task: JoinHandle<Result<StopReason, AgentError>>,
}

impl Place {
    fn new(scene: &Scene) -> Self {
        let port = nowhere().rsplit(':').next().unwrap().parse().unwrap();
        let volume = tempfile::tempdir().unwrap();
        let spec = ContainerSpec::new("boxed", format!("http://127.0.0.1:{port}"))
            .with_volume(volume.path());
        let (id, _) = scene.emulator.platform().provision(&spec).unwrap();
        Self { id, port, volume }
    }

    fn client(&self, scene: &Scene, reported: &str) -> RemoteAgentClient {
        RemoteAgentClient::builder(self.id, scene.emulator.url().parse().unwrap())
            .state_dir(self.volume.path().join("state"))
            .token_volume(self.volume.path())
            .reported_url(reported)
            .clock(Arc::new(scene.clock.clone()))
            .build()
            .unwrap()
    }

    fn options(&self) -> RuntimeOptions {
        let listen = ([127, 0, 0, 1], self.port).into();
        RuntimeOptions::new()
            .with_push(PushOptions::new().with_listen(listen))
            .with_config_dir(self.volume.path())
            .with_delegation_results(self.results())
    }

    fn results(&self) -> std::path::PathBuf {
        self.volume.path().join("results.jsonl")
    }

    fn start(&self, scene: &Scene, handler: impl Handler) -> Running {
        let reported = format!("http://localhost:{}", self.port);
        Running::start(self.client(scene, &reported), handler, self.options())
    }

    async fn comes_online(&self, scene: &Scene) {
        scene
            .pass_until(async || scene.info(self.id).await.status == WorkspaceStatus::Online)
            .await;
    }

    /// Time passes no faster than calls do, so that none of them is late.
    async fn until(&self, scene: &Scene, is_so: impl Fn() -> bool) {
        scene
            .pass_until(async || {
                scene.info(self.id).await;
                is_so()
            })
            .await;
    }

    async fn answers(&self, scene: &Scene, message_id: &str) {
        let (status, answer) = scene.say(self.id, message_id, "hello").await;
        assert_eq!((status, text(&answer)), (200, "HELLO"));
    }
}

impl Running {
    fn start(client: RemoteAgentClient, handler: impl Handler, options: RuntimeOptions) -> Self {
        let cancel = CancellationToken::new();
        let (runs, stop) = (client.clone(), cancel.clone());
        let task = tokio::spawn(async move { runs.run_runtime(handler, options, &stop).await });
        Self {
            client,
            cancel,
            task,
        }
    }

    fn beats(&self) -> u64 {
        self.client.watch_status().borrow().heartbeats
    }

    async fn stop(self) {
        self.cancel.cancel();
        let ended = self.task.await.unwrap();
        assert_eq!(ended.unwrap(), StopReason::Cancelled);
    }
}

/// A handler that keeps what it heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn handler(&self) -> impl Handler + use<> {
        let heard = self.0.clone();
        move |message: InboundMessage| {
            heard.lock().unwrap().push(message.text);
            async { "thanks" }
        }
    }
}

fn replace_token(volume: &Path, token: &str) {
    let new = volume.join("new");
    std::fs::write(&new, token).unwrap();
    std::fs::rename(new, volume.join(".auth_token")).unwrap();
}

#[tokio::test]
async fn a_container_comes_online_answers_and_outlives_a_rotation_and_a_restart() {
    let scene = Scene::new().await;
    let place = Place::new(&scene);
    assert_eq!(
        scene.info(place.id).await.status,
        WorkspaceStatus::Provisioning
    );
    let running = place.start(&scene, shout);
    place.comes_online(&scene).await;
    place.answers(&scene, "m-1").await;

    let token = scene.emulator.platform().rotate_tokens(place.id).unwrap();
    let status = running.client.watch_status();
    place
        .until(&scene, || status.borrow().problem.is_some())
        .await;
    replace_token(place.volume.path(), &token);
    let before = running.beats();
    place.until(&scene, || running.beats() > before + 1).await;
    assert_eq!(scene.info(place.id).await.status, WorkspaceStatus::Online);
    place.answers(&scene, "m-2").await;
    running.stop().await;

    scene.emulator.platform().restart(place.id).unwrap();
    assert_eq!(
        scene.info(place.id).await.status,
        WorkspaceStatus::Provisioning
    );
    let running = place.start(&scene, shout);
    place.comes_online(&scene).await;
    place.answers(&scene, "m-3").await;
    running.stop().await;
}

#[tokio::test]
async fn heartbeats_bring_a_container_online_whose_address_is_refused() {
    let scene = Scene::new().await;
    let place = Place::new(&scene);
    let client = place.client(&scene, "http://10.0.0.5:8000");
    let running = Running::start(client, shout, place.options());
    place.comes_online(&scene).await;
    place.answers(&scene, "m-1").await;
    running.stop().await;
}

#[tokio::test]
async fn a_container_registers_again_when_it_lost_its_token() {
    let scene = Scene::new().await;
    let place = Place::new(&scene);
    let running = place.start(&scene, shout);
    place.comes_online(&scene).await;
    for token in running.client.list_tokens().await.unwrap() {
        let revoked = running.client.revoke_token(token.id).await;
        revoked.unwrap();
    }
    let old = running.client.load_token().await.unwrap().unwrap();
    let file = place.volume.path().join(".auth_token");
    place
        .until(&scene, || {
            std::fs::read_to_string(&file).unwrap() != old.expose()
        })
        .await;
    let before = running.beats();
    place.until(&scene, || running.beats() > before + 1).await;
    running.stop().await;
}

#[tokio::test]
async fn delegations_that_ended_are_written_down_and_told_once() {
    let scene = Scene::new().await;
    let place = Place::new(&scene);
    let other = scene.agent(shout).await;
    let heard = Heard::default();
    let running = place.start(&scene, heard.handler());
    place.comes_online(&scene).await;
    let delegated = running
        .client
        .delegate(other.id(), "hello", &DelegateOptions::new())
        .await
        .unwrap();
    place.until(&scene, || !heard.all().is_empty()).await;
    let told = heard.all();
    assert!(told[0].contains("Delegations have ended"), "{told:?}");
    assert!(told[0].contains("HELLO"), "{told:?}");
    let lines = || std::fs::read_to_string(place.results()).unwrap();
    let line: Value = serde_json::from_str(lines().trim()).unwrap();
    assert_eq!(line["delegation_id"], delegated.delegation_id.to_string());
    assert_eq!(line["source_id"], place.id.to_string());
    assert_eq!(line["target_id"], other.id().to_string());
    assert_eq!(
        (&line["status"], &line["response_preview"]),
        (&"completed".into(), &"HELLO".into())
    );

    let before = scene.clock.now();
    let again = DelegateOptions::new();
    let delegated = running.client.delegate(other.id(), "again", &again).await;
    delegated.unwrap();
    place.until(&scene, || heard.all().len() > 1).await;
    let passed = scene.clock.now().saturating_sub(before);
    assert!(
        passed > Duration::from_secs(45),
        "it is told once a minute: {passed:?}"
    );
    let told = heard.all();
    assert!(
        told[1].contains("AGAIN") && !told[1].contains("HELLO"),
        "{told:?}"
    );
    running.stop().await;

    let running = place.start(&scene, heard.handler());
    place.until(&scene, || running.beats() > 4).await;
    assert_eq!((lines().lines().count(), heard.all().len()), (2, 2));
    running.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_initial_prompt_is_sent_once_in_the_life_of_a_volume() {
    let scene = Scene::new().await;
    let place = Place::new(&scene);
    let heard = Heard::default();
    let options = || place.options().with_initial_prompt("begin");
    let client = || place.client(&scene, &format!("http://localhost:{}", place.port));
    let running = Running::start(client(), heard.handler(), options());
    place.until(&scene, || !heard.all().is_empty()).await;
    assert_eq!(heard.all(), ["begin"]);
    assert!(place.volume.path().join(".initial_prompt_done").exists());
    running.stop().await;

    let running = Running::start(client(), heard.handler(), options());
    place.until(&scene, || running.beats() > 3).await;
    assert_eq!(heard.all(), ["begin"]);
    running.stop().await;
}

#[tokio::test]
async fn a_beat_tells_of_failures_since_the_one_before() {
    let scene = Scene::new().await;
    let place = Place::new(&scene);
    let fails = async |_: InboundMessage| -> Result<String, String> { Err("broken".to_owned()) };
    let agent_loop = AgentLoop::new().with_drain_timeout(Duration::from_secs(1));
    let reported = format!("http://localhost:{}", place.port);
    let options = place.options().with_agent_loop(agent_loop);
    let running = Running::start(place.client(&scene, &reported), fails, options);
    place.comes_online(&scene).await;
    scene.say(place.id, "m-1", "hello").await;
    let beaten = async |rate: f64| {
        let mut at = None;
        scene
            .pass_until(async || {
                let info = scene.info(place.id).await;
                at = info.uptime_seconds;
                info.last_error_rate == Some(rate)
            })
            .await;
        at.unwrap()
    };
    let (failed, recovered) = (beaten(1.0).await, beaten(0.0).await);
    assert!(recovered - failed <= 30, "{failed} {recovered}");
    running.stop().await;
}
