//! The main job, from the first heartbeat to each way of stopping.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::ChildStderr;

use molecule_emulator::{EmulatorConfig, Generation};

use crate::support::{Agent, Process, Program, Ran, World, command, until};

/// An agent that runs, and its stderr line by line.
pub(crate) struct Running {
    process: Process,
    stderr: BufReader<ChildStderr>,
    pub(crate) seen: String,
}

impl Running {
    fn start(agent: &Agent<'_>, args: &[&str]) -> Self {
        Self::of(agent.connect(args))
    }

    pub(crate) fn of(program: Program) -> Self {
        let mut child = program.start();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let seen = String::new();
        Self {
            process: Process::of(child),
            stderr,
            seen,
        }
    }

    /// Reads on to the line that contains `text`.
    pub(crate) fn says(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended without saying {text:?}: {}", self.seen);
            self.seen += &line;
            if line.contains(text) {
                return;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = command("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn ends(mut self) -> Ran {
        self.stderr.read_to_string(&mut self.seen).unwrap();
        let mut ran = Ran::of(&self.process.ends());
        ran.stderr = self.seen;
        ran
    }
}

pub(crate) fn fifo(path: &Path) -> &str {
    let path = path.to_str().unwrap();
    assert!(command("mkfifo").arg(path).status().unwrap().success());
    path
}

/// Waits until the agent has told the canvas this.
pub(crate) async fn told(agent: &Agent<'_>, text: &str) {
    let what = format!("the agent to say {text:?}");
    until(&what, async || {
        let told = agent.notifications().await;
        told.iter().any(|told| told.contains(text)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_by_a_child_process() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::start(&agent, &["--exec", "tr a-z A-Z", "--agent-name", "shouter"]);
    running.says("online: workspace");
    assert!(
        running.seen.contains("poll mode") && running.seen.contains(&world.emulator.url()),
        "{}",
        running.seen
    );
    assert_eq!(agent.info().await.agent_card.unwrap()["name"], "shouter");
    agent.hears("hello there").await;
    told(&agent, "HELLO THERE").await;
    running.signal("INT");
    let ran = running.ends();
    ran.prints("");
    assert!(ran.stderr.contains("stopped: "), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_positional_id_is_the_workspace() {
    let world = World::start().await;
    let agent = world.agent().await;
    let id = agent.id.to_string();
    world.admin.delete(agent.id).await.unwrap();
    let other = "9e453dad-99f0-4e01-8c72-0031bf974e26";
    let args = ["connect", &id, "--echo"];
    world
        .program(&args)
        .env("WORKSPACE_ID", other)
        .run()
        .fails(5, &[&id]);
    let both = ["connect", &id, "-w", other, "--echo"];
    world
        .program(&both)
        .run()
        .fails(2, &["cannot be used with"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_busy_handler_finish() {
    let world = World::start().await;
    let agent = world.agent().await;
    let (started, go) = (
        world.home.path().join("started"),
        world.home.path().join("go"),
    );
    let (started, go) = (fifo(&started), fifo(&go));
    let script = format!("echo > {started}; cat {go}; cat");
    let mut running = Running::start(&agent, &["--exec", &script]);
    running.says("online");
    agent.hears("question").await;
    std::fs::read(started).unwrap();
    running.signal("TERM");
    // The handler is released only now, and is heard although the agent was told to stop.
    std::fs::write(go, "answer to ").unwrap();
    let ran = running.ends();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(agent.notifications().await, ["answer to question"]);
    // Its place in the log is kept: the next run does not answer again.
    let mut again = Running::start(&agent, &["--echo"]);
    again.says("online");
    agent.hears("next").await;
    told(&agent, "next").await;
    again.signal("TERM");
    assert_eq!(again.ends().code, 0);
    assert_eq!(agent.notifications().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_agent_at_once() {
    let world = World::start().await;
    let agent = world.agent().await;
    let started = world.home.path().join("started");
    let started = fifo(&started);
    let mut running = Running::start(
        &agent,
        &["--exec", &format!("echo > {started}; exec cat {started}")],
    );
    running.says("online");
    agent.hears("question").await;
    std::fs::read(started).unwrap();
    running.signal("TERM");
    running.says("stopping");
    running.signal("TERM");
    let ran = running.ends();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("second signal"), "{}", ran.stderr);
    assert!(agent.notifications().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_the_agent_and_a_restart_does_not_undo_it() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::start(&agent, &["--echo"]);
    running.says("online");
    world.admin.pause(agent.id).await.unwrap();
    running.says("stopped: its user paused");
    assert_eq!(running.ends().code, 0);
    let again = agent.connect(&["--echo"]).run();
    again.prints("");
    assert!(again.stderr.contains("paused"), "{}", again.stderr);
    assert_eq!(agent.info().await.status.as_str(), "paused");
    let mut resumed = Running::start(&agent, &["--echo", "--resume"]);
    resumed.says("online");
    resumed.signal("TERM");
    assert_eq!(resumed.ends().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_stays_waits_for_the_end_of_the_pause() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::start(&agent, &["--echo", "--stay", "-v"]);
    running.says("online: workspace");
    world.admin.pause(agent.id).await.unwrap();
    running.says("waiting to be resumed");
    world.admin.resume(agent.id).await.unwrap();
    running.says("online: workspace");
    world.admin.delete(agent.id).await.unwrap();
    assert_eq!(running.ends().code, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_ends_the_agent() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::start(&agent, &["--echo"]);
    running.says("online");
    world.admin.delete(agent.id).await.unwrap();
    running.says("was deleted");
    assert_eq!(running.ends().code, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_platform_gets_no_half_registered_agent() {
    let world = World::with(EmulatorConfig::new().with_generation(Generation::A)).await;
    let agent = world.agent().await;
    let before = agent.info().await;
    agent
        .connect(&["--echo"])
        .run()
        .fails(9, &["cannot be polled", "--reported-url"]);
    assert_eq!(agent.info().await, before);
    assert_eq!(before.url.unwrap_or_default(), "");
    assert_eq!(before.agent_card, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn push_mode_keeps_the_workspace_online_for_a_server_elsewhere() {
    let world = World::with(EmulatorConfig::new().with_generation(Generation::A)).await;
    let agent = world.agent().await;
    let url = ["--reported-url", "http://localhost:9"];
    agent
        .connect(&[&url[..], &["--mode", "poll"]].concat())
        .run()
        .fails(2, &["exclude each other"]);
    agent
        .connect(&[&url[..], &["--stay"]].concat())
        .run()
        .fails(2, &["--stay"]);
    let mut running = Running::start(&agent, &url);
    running.says("push mode");
    let info = agent.info().await;
    assert_eq!(
        (info.status.as_str(), info.url.as_deref()),
        ("online", Some("http://localhost:9"))
    );
    world.admin.pause(agent.id).await.unwrap();
    running.says("stopped");
    assert_eq!(running.ends().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_has_one_agent_on_a_machine() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::start(&agent, &["--echo"]);
    running.says("online");
    let holder = format!("process {}", running.pid());
    agent
        .connect(&["--echo"])
        .run()
        .fails(8, &["another agent", &holder]);
    running.signal("TERM");
    assert_eq!(running.ends().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_in_no_argument_and_no_log() {
    let world = World::start().await;
    let agent = world.agent().await;
    let token = agent.token();
    let mut running = Running::start(
        &agent,
        &["--exec", "env; cat", "-vvv", "--log-format", "json"],
    );
    running.says("online: workspace");
    let arguments = std::fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
    assert!(
        !String::from_utf8(arguments)
            .unwrap()
            .contains(token.expose())
    );
    agent.hears("over").await;
    told(&agent, "over").await;
    running.signal("TERM");
    let ran = running.ends();
    assert!(!ran.stderr.contains(token.expose()), "{}", ran.stderr);
    assert!(
        !agent
            .notifications()
            .await
            .concat()
            .contains(token.expose())
    );
    let logged = ran
        .stderr
        .lines()
        .find(|line| line.starts_with('{'))
        .unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(logged).is_ok(),
        "{logged}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_does_not_inherit_the_descriptor_of_the_token() {
    let world = World::start().await;
    let agent = world.agent().await;
    let path = world.home.path().join("token");
    std::fs::write(&path, agent.token().expose()).unwrap();
    let script = "cat /proc/self/fd/7 || echo nothing there";
    let program = agent.connect(&["--token-fd", "7", "--exec", script]);
    let mut running = Running::of(program.file_at_7(&path));
    running.says("online");
    agent.hears("show me").await;
    told(&agent, "").await;
    running.signal("TERM");
    assert_eq!(running.ends().code, 0);
    assert_eq!(agent.notifications().await, ["nothing there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_in_a_pause_says_that_it_waits() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    world.admin.pause(agent.id).await.unwrap();
    let mut running = Running::start(&agent, &["--echo", "--stay"]);
    running.says("waiting: its user paused the workspace");
    world.admin.resume(agent.id).await.unwrap();
    running.says("online: workspace");
    running.signal("TERM");
    let ran = running.ends();
    assert_eq!(ran.code, 0);
    assert_eq!(ran.stderr.matches("waiting:").count(), 1, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_goes_on_when_its_token_is_rotated() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::start(&agent, &["--echo"]);
    running.says("online: workspace");
    agent.run(&["token", "rotate"]).succeeds();
    agent.hears("are you still there?").await;
    told(&agent, "are you still there?").await;
    running.signal("TERM");
    assert_eq!(running.ends().code, 0);
}
