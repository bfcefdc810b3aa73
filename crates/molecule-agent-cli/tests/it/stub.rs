//! The stub runtime as a container's entry point runs it.

use std::io::{BufRead as _, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout};

use molecule_agent::WorkspaceId;
use molecule_agent::protocol::WorkspaceStatus;
use molecule_agent::transport::{Bytes, ReqwestTransport, Transport as _, http};
use molecule_emulator::ContainerSpec;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Agent, Program, Ran, World};

/// A stub that runs until it is stopped or dropped, and its log.
struct Stub {
    child: Option<Child>,
    log: Lines<BufReader<ChildStdout>>,
}

impl Stub {
    fn start(program: Program) -> Self {
        let mut child = program.start();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child: Some(child),
            log,
        }
    }

    /// The next line that contains `text`.
    fn says(&mut self, text: &str) -> String {
        let mut lines = self.log.by_ref().map(Result::unwrap);
        lines
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("it never said {text:?}"))
    }

    fn stop(mut self) -> Ran {
        let child = self.child.take().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        Ran::of(&child.wait_with_output().unwrap())
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn check_fatal(variables: &[(&str, &str)], expect: &str) {
    let home = tempfile::tempdir().unwrap();
    let stub = Program::new(home.path(), &["stub"]);
    let ran = variables
        .iter()
        .fold(stub, |stub, (name, value)| stub.env(name, value))
        .run();
    assert_eq!((ran.code, ran.stdout.as_str()), (1, expect));
}

#[test]
fn missing_variables_are_fatal() {
    let line = "[stub-runtime ] FATAL: WORKSPACE_ID='' PLATFORM_URL='' — both required\n";
    check_fatal(&[], line);
    check_fatal(&[("WORKSPACE_ID", " "), ("PLATFORM_URL", "")], line);
    check_fatal(
        &[("WORKSPACE_ID", "9e453dad-99f0-4e01-8c72-0031bf974e26")],
        "[stub-runtime 9e453dad-99f] FATAL: WORKSPACE_ID='9e453dad-99f0-4e01-8c72-0031bf974e26' PLATFORM_URL='' \
         — both required\n",
    );
    check_fatal(
        &[("PLATFORM_URL", "http://platform:8080/")],
        "[stub-runtime ] FATAL: WORKSPACE_ID='' PLATFORM_URL='http://platform:8080' — both required\n",
    );
}

#[test]
fn values_that_cannot_be_used_are_named() {
    let home = tempfile::tempdir().unwrap();
    let stub = |id: &str, url: &str| {
        Program::new(home.path(), &["stub", "--listen", "127.0.0.1:0"])
            .env("WORKSPACE_ID", id)
            .env("MOLECULE_URL", url)
            .run()
    };
    stub("alpha", "http://platform:8080").fails(2, &["WORKSPACE_ID"]);
    stub("9e453dad-99f0-4e01-8c72-0031bf974e26", "platform").fails(2, &["PLATFORM_URL"]);
}

/// The port of the host that leads to the container's, as a container engine maps it.
async fn map_port(host: TcpListener, container: SocketAddr) {
    loop {
        let (mut outer, _) = host.accept().await.unwrap();
        let mut inner = TcpStream::connect(container).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outer, &mut inner).await });
    }
}

/// Sends a message as the canvas user, and gives back the status and the answer.
async fn send(world: &World, id: WorkspaceId) -> (u16, Value) {
    let message = json!({"role": "user", "parts": [{"kind": "text", "text": "hi"}]});
    let body = json!({"jsonrpc": "2.0", "id": "e2e-up", "method": "message/send", "params": {"message": message}});
    let request = http::Request::post(format!("{}/workspaces/{id}/a2a", world.emulator.url()))
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let answer = ReqwestTransport::new()
        .unwrap()
        .send(request)
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_stub_answers_through_the_platform() {
    let world = World::start().await;
    let volume = world.home.path().join("configs");
    std::fs::create_dir(&volume).unwrap();
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host_url = format!("http://{}", host.local_addr().unwrap());
    let spec = ContainerSpec::new("stub", host_url).with_volume(&volume);
    let (id, _) = world.emulator.platform().provision(&spec).unwrap();
    let program = world
        .program(&["stub", "--listen", "127.0.0.1:0"])
        .env("WORKSPACE_ID", &id.to_string())
        .env("PLATFORM_URL", &world.emulator.url())
        .env("WORKSPACE_CONFIG_PATH", volume.to_str().unwrap())
        .env("HOSTNAME", "box");
    let mut stub = Stub::start(program);
    let booting = stub.says("booting");
    let prefix = format!(
        "[stub-runtime {}] booting: platform=",
        &id.to_string()[..12]
    );
    assert!(booting.starts_with(&prefix), "{booting}");
    assert!(
        booting.ends_with("self_url=http://localhost:8000 hostname=box"),
        "{booting}"
    );
    let listening = stub.says("listening on :");
    let port: u16 = listening.rsplit(':').next().unwrap().parse().unwrap();
    tokio::spawn(map_port(host, ([127, 0, 0, 1], port).into()));
    stub.says("register -> 200");
    let agent = Agent { world: &world, id };
    assert_eq!(agent.info().await.status, WorkspaceStatus::Online);
    let (status, answer) = send(&world, id).await;
    assert_eq!((status, &answer["id"]), (200, &json!("e2e-up")));
    assert_eq!(
        answer["result"]["parts"],
        json!([{"kind": "text", "text": "STUB OK"}])
    );
    stub.stop().succeeds();
}
