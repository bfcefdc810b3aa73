//! How a running agent is observed and steered.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use molecule_emulator::{Fault, FaultRule};
use serde_json::{Value, json};

use crate::connect::{Running, told};
use crate::support::{Agent, Ran, World, until};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came over a connection that is closed after it: status and body.
fn exchange(mut stream: impl std::io::Read + std::io::Write, line: &str) -> (u16, String) {
    let request = format!("{line} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn socket(agent: &Agent<'_>) -> PathBuf {
    agent.dir().join("agent.sock")
}

/// What the agent's socket answers.
pub(crate) fn ask(agent: &Agent<'_>, line: &str) -> (u16, String) {
    let stream = UnixStream::connect(socket(agent)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, line)
}

/// An agent that is online and watched.
pub(crate) struct Watched {
    pub(crate) running: Running,
    address: String,
}

impl Watched {
    pub(crate) fn of(mut running: Running) -> Self {
        running.says("admin: http://");
        let said = running.seen.split_once("admin: http://").unwrap().1;
        let address = said.split(' ').next().unwrap().to_owned();
        running.says("online");
        Self { running, address }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let stream = std::net::TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        exchange(stream, &format!("GET {path}"))
    }

    fn readiness(&self) -> (u16, Value) {
        let (status, body) = self.get("/readyz");
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn turns(&self, ready: bool) -> Value {
        let expect = if ready { 200 } else { 503 };
        let what = format!("/readyz to say {expect}");
        until(&what, async || {
            Some(self.readiness()).filter(|(status, _)| *status == expect)
        })
        .await
        .1
    }

    fn ends(self) -> Ran {
        self.running.signal("TERM");
        self.running.ends()
    }
}

fn online(agent: &Agent<'_>, args: &[&str]) -> Running {
    let mut running = Running::of(agent.connect(args));
    running.says("online");
    running
}

fn ends(running: Running) -> Ran {
    running.signal("TERM");
    running.ends()
}

fn status(agent: &Agent<'_>) -> Value {
    agent.run(&["status", "--json"]).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_that_of_the_agent_that_runs() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent
        .run(&["status"])
        .fails(1, &["no agent runs in", "connect"]);
    let running = online(&agent, &["--echo"]);
    agent.hears("hello").await;
    told(&agent, "hello").await;
    let said = until("an answer to be counted", async || {
        Some(status(&agent)).filter(|status| status["answered"] == 1)
    })
    .await;
    assert_eq!(said["workspace_id"], agent.id.to_string());
    assert_eq!(
        (&said["state"], &said["accepted"]),
        (&json!("online"), &json!(1)),
        "{said}"
    );
    assert!(
        said["pid"].is_u64() && said["last_poll"].is_string(),
        "{said}"
    );
    let text = agent.run(&["status"]);
    text.succeeds();
    assert!(text.stdout.starts_with("online since "), "{}", text.stdout);
    let dir = agent.dir();
    let by_dir = ["status", "--json", "--state-dir", dir.to_str().unwrap()];
    assert_eq!(world.program(&by_dir).run().json()["pid"], said["pid"]);
    assert_eq!(ends(running).code, 0);
    assert!(!socket(&agent).exists());
    agent.run(&["status"]).fails(1, &["no agent runs in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_owners_alone_and_one_that_was_left_is_replaced() {
    let world = World::start().await;
    let agent = world.agent().await;
    let path = socket(&agent);
    drop(UnixListener::bind(&path).unwrap());
    agent.run(&["status"]).fails(1, &["no agent runs in"]);
    let running = online(&agent, &["--echo"]);
    let meta = fs::metadata(&path).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    // A second agent leaves the socket of the first alone.
    let pid = status(&agent)["pid"].to_string();
    agent
        .connect(&["--echo"])
        .run()
        .fails(8, &[&format!("(process {pid})")]);
    assert_eq!(status(&agent)["pid"].to_string(), pid);
    ends(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_socket_runs_and_says_so() {
    let world = World::start().await;
    let agent = world.agent().await;
    let deep = world.home.path().join("d".repeat(110));
    fs::create_dir(&deep).unwrap();
    fs::copy(agent.dir().join(".auth_token"), deep.join(".auth_token")).unwrap();
    let dir = ["--state-dir", deep.to_str().unwrap()];
    let mut running = Running::of(agent.connect(&[&["--echo"], &dir[..]].concat()));
    running.says("too long for a socket");
    running.says("online");
    let asked = agent.run(&[&["status"], &dir[..]].concat());
    asked.fails(75, &["an agent (process ", "cannot be asked"]);
    agent.hears("hello").await;
    told(&agent, "hello").await;
    let listed = agent.run(&[&["inbox", "dead", "list"], &dir[..]].concat());
    listed.fails(8, &["another agent (process "]);
    assert_eq!(ends(running).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_platform() {
    let world = World::start().await;
    let agent = world.agent().await;
    let args = [
        "--echo",
        "--admin-listen",
        "0",
        "--events",
        "off",
        "--call-deadline",
        "1s",
    ];
    let watched = Watched::of(Running::of(agent.connect(&args)));
    watched.turns(true).await;
    assert_eq!(watched.get("/healthz").0, 200);
    let platform = world.emulator.platform();
    let down = FaultRule::new(Fault::DropBefore);
    platform.add_fault(down).unwrap();
    let said = watched.turns(false).await;
    let unready = &said["agents"][0];
    assert_eq!(unready["workspace_id"], agent.id.to_string(), "{said}");
    assert!(unready["reason"].is_string(), "{said}");
    assert_eq!(watched.get("/healthz").0, 200);
    platform.clear_faults();
    assert_eq!(watched.turns(true).await, json!({"ready": true}));
    for hidden in ["/status", "/inbox/dead"] {
        assert_eq!(watched.get(hidden).0, 404, "{hidden}");
    }
    let taken = watched.address.clone();
    let other = world.agent().await;
    other
        .connect(&["--echo", "--admin-listen", &taken])
        .run()
        .fails(2, &["cannot listen on", "--admin-listen 127.0.0.1:0"]);
    assert_eq!(watched.ends().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_agent_that_stays_is_not_ready() {
    let world = World::start().await;
    let agent = world.agent().await;
    let args = ["--echo", "--stay", "--admin-listen", "0"];
    let watched = Watched::of(Running::of(agent.connect(&args)));
    watched.turns(true).await;
    world.admin.pause(agent.id).await.unwrap();
    let paused = until("the agent to be paused", async || {
        let (_, said) = watched.readiness();
        (said["agents"][0]["state"] == "paused").then_some(said)
    });
    let said = paused.await;
    assert!(
        said["agents"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("paused"),
        "{said}"
    );
    world.admin.resume(agent.id).await.unwrap();
    watched.turns(true).await;
    assert_eq!(watched.ends().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_the_platform_lost_is_not_ready() {
    let world = World::start().await;
    let agent = world.agent().await;
    // Each question is a line on stderr, which nobody reads.
    let args = ["connect", "--echo", "--admin-listen", "0"];
    let rarely = ["--state-poll-interval", "1s"];
    let watched = Watched::of(Running::of(agent.program(&[&args[..], &rarely].concat())));
    watched.turns(true).await;
    let platform = world.emulator.platform();
    let refused = Fault::answer(403, r#"{"error":"not now"}"#);
    let refused = FaultRule::new(refused).with_path("/registry/register");
    platform.add_fault(refused).unwrap();
    let failed = "failed".to_owned().into();
    platform.set_status(agent.id, &failed).unwrap();
    let said = watched.turns(false).await;
    let unready = &said["agents"][0];
    assert_eq!(unready["state"], "degraded", "{said}");
    assert!(
        unready["reason"].as_str().unwrap().contains("lost"),
        "{said}"
    );
    let page = watched.get("/metrics").1;
    let registered = format!("molecule_agent_registered{{workspace=\"{}\"}} 0", agent.id);
    assert!(page.contains(&registered), "{page}");
    platform.clear_faults();
    watched.turns(true).await;
    assert_eq!(agent.info().await.status.as_str(), "online");
    assert_eq!(watched.ends().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_could_not_start_have_ended_and_are_counted() {
    let world = World::start().await;
    let [good, deleted, lost] = [
        world.agent().await,
        world.agent().await,
        world.agent().await,
    ];
    world.admin.delete(deleted.id).await.unwrap();
    fs::remove_dir_all(deleted.dir()).unwrap();
    let table = |agent: &Agent<'_>, rest: &str| {
        format!("[[agent]]\nworkspace_id = '{}'\n{rest}\n", agent.id)
    };
    let toml = [
        "echo = true\n",
        &table(&good, ""),
        &table(&deleted, ""),
        &table(&lost, "token_file = '/nowhere/at/all'"),
    ];
    let file = world.home.path().join("agents.toml");
    fs::write(&file, toml.concat()).unwrap();
    let file = file.to_str().unwrap();
    let args = ["connect", "--agents", file, "--admin-listen", "0"];
    let watched = Watched::of(Running::of(world.program(&args)));
    let ended = |id: molecule_agent::WorkspaceId| json!({"workspace_id": id, "state": "stopped", "reason": "it has ended"});
    until("the others to have ended", async || {
        let unready = watched.readiness().1["agents"].take();
        let agents = unready.as_array()?;
        let both = [deleted.id, lost.id].map(ended);
        (agents.len() == 2 && both.iter().all(|end| agents.contains(end))).then_some(())
    })
    .await;
    let page = watched.get("/metrics").1;
    for (agent, state) in [(&good, "online"), (&deleted, "stopped"), (&lost, "stopped")] {
        let line = format!(
            "molecule_agent_state{{workspace=\"{}\",state=\"{state}\"}} 1",
            agent.id
        );
        assert!(page.contains(&line), "{page}");
    }
    watched.ends();
}

/// The samples of a page of metrics, each with its labels.
fn samples(page: &str) -> Vec<(String, f64)> {
    assert!(page.ends_with("# EOF\n"), "{page}");
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_the_agents_of_the_process_do() {
    let world = World::start().await;
    let (one, two) = (world.agent().await, world.agent().await);
    let toml = format!(
        "echo = true\n[[agent]]\nworkspace_id = '{}'\n[[agent]]\nworkspace_id = '{}'\n",
        one.id, two.id
    );
    let file = world.home.path().join("agents.toml");
    fs::write(&file, toml).unwrap();
    let args = [
        "connect",
        "--agents",
        file.to_str().unwrap(),
        "--admin-listen",
        "0",
        "--poll-interval",
        "20ms",
    ];
    let mut watched = Watched::of(Running::of(world.program(&args)));
    watched.running.says("online");
    watched.turns(true).await;
    one.hears("hello").await;
    told(&one, "hello").await;
    let value = |name: &str, agent: &Agent<'_>| {
        let name = format!("molecule_agent_{name}{{workspace=\"{}\"", agent.id);
        let found = samples(&watched.get("/metrics").1).into_iter();
        let found = found.filter(|(sample, _)| sample.starts_with(&name));
        found.map(|(_, value)| value).sum::<f64>()
    };
    until("an answer to be counted", async || {
        (value("answered_total", &one) == 1.0).then_some(())
    })
    .await;
    assert_eq!(
        (value("accepted_total", &one), value("accepted_total", &two)),
        (1.0, 0.0)
    );
    assert!(value("heartbeats_total", &two) >= 1.0);
    for gauge in ["dead", "pending", "handling"] {
        until(gauge, async || (value(gauge, &one) == 0.0).then_some(())).await;
    }
    let page = watched.get("/metrics").1;
    let state = format!(
        "molecule_agent_state{{workspace=\"{}\",state=\"online\"}} 1",
        two.id
    );
    assert!(page.contains(&state), "{page}");
    assert!(
        page.contains("# TYPE molecule_agent_handled counter"),
        "{page}"
    );
    assert!(
        (0.0..60.0).contains(&value("last_poll_age_seconds", &two)),
        "{page}"
    );
    // Each is asked for itself by its own socket.
    assert_eq!(status(&two)["workspace_id"], two.id.to_string());
    assert!(!ask(&two, "GET /metrics").1.contains(&one.id.to_string()));
    assert_eq!(watched.ends().code, 0);
    assert!(!socket(&one).exists() && !socket(&two).exists());
}

/// The dead letters, as the program lists them.
fn letters(agent: &Agent<'_>) -> Vec<Value> {
    let ran = agent.run(&["inbox", "dead", "list", "--json"]);
    ran.succeeds();
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn letter(agent: &Agent<'_>) -> Value {
    until("a dead letter", async || letters(agent).pop()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_given_up_is_handled_again_when_its_handler_is_repaired() {
    let world = World::start().await;
    let agent = world.agent().await;
    assert_eq!(letters(&agent), Vec::<Value>::new());
    let answer = world.home.path().join("answer");
    let exec = format!("cat {}", answer.display());
    let args = ["--exec", &exec, "--attempts", "1"];
    let running = online(&agent, &args);
    agent.hears("a question").await;
    told(&agent, "Agent error").await;
    let dead = letter(&agent).await;
    let id = dead["activity_id"].as_str().unwrap();
    assert_eq!(
        (&dead["preview"], &dead["from"]),
        (&json!("a question"), &json!("canvas"))
    );
    assert_eq!(
        (&dead["attempts"], &dead["has_answer"]),
        (&json!(1), &json!(false)),
        "{dead}"
    );
    let whole = agent.run(&["inbox", "dead", "show", id, "--json"]).json();
    assert_eq!(
        (&whole["text"], &whole["why"]),
        (&json!("a question"), &dead["why"])
    );
    let text = agent.run(&["inbox", "dead", "show", id]).stdout;
    assert!(text.contains("given up after 1 attempts"), "{text}");
    fs::write(&answer, "an answer").unwrap();
    agent
        .run(&["inbox", "dead", "retry", id])
        .prints(&format!("retried  {id}\n"));
    told(&agent, "an answer").await;
    assert_eq!(letters(&agent), Vec::<Value>::new());
    let unknown = "00000000-0000-4000-8000-000000000001";
    for command in ["show", "retry", "drop"] {
        agent
            .run(&["inbox", "dead", command, unknown])
            .fails(2, &[unknown, "inbox dead list"]);
    }
    assert_eq!(ends(running).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_an_agent_that_does_not_run_are_seen_to_in_its_journal() {
    let world = World::start().await;
    let agent = world.agent().await;
    let running = online(&agent, &["--exec", "exit 1", "--attempts", "1"]);
    for text in ["one", "two", "three"] {
        agent.hears(text).await;
    }
    until("three dead letters", async || {
        (letters(&agent).len() == 3).then_some(())
    })
    .await;
    assert_eq!(ends(running).code, 0);
    let dead = letters(&agent);
    let ids: Vec<_> = dead
        .iter()
        .map(|letter| letter["activity_id"].as_str().unwrap())
        .collect();
    agent
        .run(&["inbox", "dead", "drop", ids[0]])
        .prints(&format!("dropped  {}\n", ids[0]));
    let retried = agent.run(&["inbox", "dead", "retry", "--all"]);
    retried.succeeds();
    assert!(
        retried.stderr.contains("the next one handles them"),
        "{}",
        retried.stderr
    );
    assert_eq!(letters(&agent), Vec::<Value>::new());
    let running = online(&agent, &["--echo"]);
    told(&agent, "two").await;
    told(&agent, "three").await;
    assert_eq!(ends(running).code, 0);
    assert!(!agent.notifications().await.contains(&"one".to_owned()));
    agent.run(&["inbox", "dead", "drop", "--all"]).prints("");
    agent
        .run(&["inbox", "dead", "drop"])
        .fails(2, &["<ACTIVITY_ID>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_dead_letters_leaves_nothing_behind() {
    let world = World::start().await;
    let agent = world.agent().await;
    fs::remove_dir_all(agent.dir()).unwrap();
    let ran = agent.run(&["inbox", "dead", "list"]);
    assert_eq!(ran.prints("").stderr, "no dead letters\n");
    assert!(!agent.dir().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_with_a_message_is_logged_with_its_id() {
    let world = World::start().await;
    let agent = world.agent().await;
    let running = online(&agent, &["--echo", "-vv", "--log-format", "json"]);
    agent.hears("hello").await;
    told(&agent, "hello").await;
    let ran = ends(running);
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let within = |name: &str| {
        let spans = |line: &&Value| {
            line["spans"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|span| span["name"] == name)
        };
        lines
            .iter()
            .find(spans)
            .unwrap_or_else(|| panic!("no {name} in {}", ran.stderr))
    };
    for name in ["heartbeat", "poll", "state", "message", "reply"] {
        let line = within(name);
        assert_eq!(
            line["spans"][0]["workspace"],
            agent.id.to_string(),
            "{line}"
        );
    }
    let id = agent.only_message()["activity_id"].clone();
    assert_eq!(within("reply")["spans"][0]["activity"], id);
    assert!(
        within("reply")["fields"]["request"]
            .as_str()
            .unwrap()
            .contains("/notify")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_names_its_message_however_little_is_logged() {
    let world = World::start().await;
    let agent = world.agent().await;
    let running = online(&agent, &["--exec", "exit 1", "--attempts", "1"]);
    agent.hears("hello").await;
    told(&agent, "Agent error").await;
    let id = agent.only_message()["activity_id"].clone();
    let ran = ends(running);
    let line = ran
        .stderr
        .lines()
        .find(|line| line.contains("the handler failed"));
    assert!(
        line.unwrap().contains(id.as_str().unwrap()),
        "{}",
        ran.stderr
    );
}
