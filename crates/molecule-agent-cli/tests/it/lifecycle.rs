//! A workspace's container from its first start to its restart, as scripts look at it: by the bytes of its answers.

use std::process::Child;
use std::time::Duration;

use molecule_agent::WorkspaceId;
use molecule_agent::protocol::WorkspaceStatus;
use molecule_agent::transport::{Bytes, ReqwestTransport, Transport as _, http};
use molecule_emulator::ContainerSpec;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{Agent, World};

/// A provisioned workspace, and where its container's port is on this machine.
struct Place {
    world: World,
    id: WorkspaceId,
    port: u16,
    volume: TempDir,
}

/// A container that is gone when the test is.
struct Container(Child);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Container {
    /// Stops it as a container engine does.
    fn stops(mut self) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Place {
    async fn new() -> Self {
        let world = World::start().await;
        let volume = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let spec = ContainerSpec::new("boxed", format!("http://127.0.0.1:{port}"));
        let spec = spec.with_volume(volume.path());
        let (id, _) = world.emulator.platform().provision(&spec).unwrap();
        Self {
            world,
            id,
            port,
            volume,
        }
    }

    /// A container's environment, without one for us.
    fn start(&self, args: &[&str]) -> Container {
        let listen = format!("127.0.0.1:{}", self.port);
        let args = [args, &["--listen", &listen]].concat();
        let program = crate::support::Program::new(self.world.home.path(), &args)
            .env("WORKSPACE_ID", &self.id.to_string())
            .env("PLATFORM_URL", &self.world.emulator.url())
            .env(
                "WORKSPACE_CONFIG_PATH",
                self.volume.path().to_str().unwrap(),
            )
            .env("HOSTNAME", "localhost")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        Container(program.start())
    }

    async fn status(&self) -> WorkspaceStatus {
        let agent = Agent {
            world: &self.world,
            id: self.id,
        };
        agent.info().await.status
    }

    async fn comes_online(&self) {
        let online = async {
            while self.status().await != WorkspaceStatus::Online {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), online)
            .await
            .expect("it comes online");
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.volume.path().join(".auth_token")).unwrap()
    }

    /// Sends what the scripts send, and gives back the bytes of the answer.
    async fn say(&self, id: &str) -> String {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"message/send","params":{{"message":{{"role":"user","messageId":"{id}","parts":[{{"type":"text","text":"are you there?"}}]}}}}}}"#
        );
        let url = format!("{}/workspaces/{}/a2a", self.world.emulator.url(), self.id);
        let request = http::Request::post(url).body(Bytes::from(body)).unwrap();
        let http = ReqwestTransport::new().unwrap();
        let (head, body) = http.send(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap();
        assert_eq!(head.status.as_u16(), 200, "{body:?}");
        String::from_utf8(body.to_vec()).unwrap()
    }

    async fn check_answered(&self, id: &str, reply: &str) {
        let answer = self.say(id).await;
        let part = format!(r#"{{"kind":"text","text":"{reply}"}}"#);
        for expect in [
            r#""role":"agent""#,
            r#""kind":"text""#,
            &part,
            &format!(r#""id":"{id}""#),
        ] {
            assert!(answer.contains(expect), "no {expect} in {answer}");
        }
    }
}

/// Provisioned, online, answering; restarted with another token, online and answering.
async fn check(place: &Place, args: &[&str], reply: &str) {
    assert_eq!(place.status().await, WorkspaceStatus::Provisioning);
    let container = place.start(args);
    place.comes_online().await;
    place.check_answered("e2e-up", reply).await;
    container.stops();

    let first = place.token();
    place.world.emulator.platform().restart(place.id).unwrap();
    assert_eq!(place.status().await, WorkspaceStatus::Provisioning);
    assert_ne!(place.token(), first);
    let container = place.start(args);
    place.comes_online().await;
    place.check_answered("custom-id-123", reply).await;
    container.stops();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stub_lives_through_it() {
    check(&Place::new().await, &["stub"], "STUB OK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_called_lives_through_it() {
    let place = Place::new().await;
    let token = place.volume.path().join(".auth_token");
    let url = format!("http://localhost:{}", place.port);
    let args = [
        "connect",
        "--mode",
        "push",
        "--reply",
        "here",
        "--reported-url",
        &url,
    ];
    let args = [&args[..], &["--token-file", token.to_str().unwrap()]].concat();
    check(&place, &args, "here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_lives_through_it_with_what_a_container_is_told() {
    let place = Place::new().await;
    check(
        &place,
        &["connect", "--runtime", "--exec", "tr a-z A-Z"],
        "ARE YOU THERE?",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_is_told_nonsense_says_so() {
    let world = World::start().await;
    let agent = world.agent().await;
    let check = |args: &[&str], expect: &str| {
        agent
            .run(&[&["connect"], args].concat())
            .fails(2, &[expect]);
    };
    check(&["--runtime"], "--exec CMD");
    check(
        &["--runtime", "--echo", "--mode", "poll"],
        "--mode poll and --runtime",
    );
    check(&["--echo", "--initial-prompt", "begin"], "add --runtime");
    check(
        &["--runtime", "--echo", "--token-file", "t"],
        "--token-file",
    );
}
