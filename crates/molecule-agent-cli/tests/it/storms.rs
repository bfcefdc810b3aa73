//! What befalls an agent's machine and its platform while it runs.

use std::fs;
use std::path::PathBuf;

use molecule_emulator::EmulatorConfig;
use redb::{Database, TableDefinition};

use crate::connect::{Running, told};
use crate::support::{Agent, World, command, until};

fn start(agent: &Agent<'_>) -> Running {
    let mut running = Running::of(agent.connect(&["--echo"]));
    running.says("online: workspace");
    running
}

fn stop(running: Running) {
    running.signal("TERM");
    let ran = running.ends();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn journal(agent: &Agent<'_>) -> PathBuf {
    agent.dir().join("journal.redb")
}

/// What the canvas was told, in any order.
async fn told_in_all(agent: &Agent<'_>) -> Vec<String> {
    let mut told = agent.notifications().await;
    told.sort();
    told
}

/// An agent has answered one message, and ended: there is a journal.
async fn has_run(agent: &Agent<'_>) {
    let running = start(agent);
    agent.hears("1").await;
    told(agent, "1").await;
    stop(running);
    assert!(journal(agent).exists());
}

/// How large files may grow.
fn limit_files(running: &Running, bytes: &str) {
    let pid = running.pid().to_string();
    let mut prlimit = command("prlimit");
    let limited = prlimit.args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]);
    assert!(limited.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_and_has_room_again_costs_no_message() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut running = Running::of(agent.connect(&["--echo"]).on_a_full_disk());
    running.says("online: workspace");
    running.says("cursor");
    agent.hears("1").await;
    limit_files(&running, "unlimited");
    told(&agent, "1").await;

    limit_files(&running, "0");
    agent.hears("2").await;
    running.says("the journal cannot be used; trying again");
    assert_eq!(agent.notifications().await, ["1"]);
    limit_files(&running, "unlimited");
    told(&agent, "2").await;
    agent.hears("3").await;
    told(&agent, "3").await;
    stop(running);
    assert_eq!(told_in_all(&agent).await, ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_on_a_full_disk_stops_when_it_is_told_to() {
    let world = World::start().await;
    let agent = world.agent().await;
    has_run(&agent).await;
    let mut running = Running::of(agent.connect(&["--echo"]).on_a_full_disk());
    running.says("online: workspace");
    agent.hears("2").await;
    running.says("the journal cannot be used; trying again");
    stop(running);
    let running = start(&agent);
    told(&agent, "2").await;
    stop(running);
    assert_eq!(told_in_all(&agent).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_kept_is_an_error_that_names_its_file() {
    let world = World::start().await;
    let agent = world.agent().await;
    let token = agent.token();
    let set = agent
        .program(&["token", "set"])
        .on_a_full_disk()
        .input(token.expose());
    let ran = set.run();
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains(".auth_token"), "{}", ran.stderr);
    assert!(agent.token().same_as(&token), "the old one is there still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_no_journal_keeps_the_agent_from_starting_until_it_is_moved_aside() {
    let world = World::start().await;
    let agent = world.agent().await;
    has_run(&agent).await;
    let path = journal(&agent);
    let whole = fs::read(&path).unwrap();
    let mut garbled = whole.clone();
    garbled[4096..].fill(0xa5);
    for damaged in [&[][..], &whole[..whole.len() / 2], &garbled] {
        fs::write(&path, damaged).unwrap();
        let ran = agent.connect(&["--echo"]).run();
        let named = ran.stderr.contains(path.to_str().unwrap());
        let advised = ran.stderr.contains("move it aside");
        assert_eq!((ran.code, named, advised), (7, true, true), "{ran:?}");
        assert!(!ran.stderr.contains("online"), "{ran:?}");
        assert_eq!(fs::read(&path).unwrap().len(), damaged.len());
    }
    fs::rename(&path, agent.dir().join("aside")).unwrap();
    let running = start(&agent);
    agent.hears("2").await;
    told(&agent, "2").await;
    stop(running);
    assert_eq!(told_in_all(&agent).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_a_later_version_is_left_to_that_version() {
    let world = World::start().await;
    let agent = world.agent().await;
    has_run(&agent).await;
    let later = |schema: u64| {
        let database = Database::open(journal(&agent)).unwrap();
        let change = database.begin_write().unwrap();
        let meta = TableDefinition::<&str, u64>::new("meta");
        let mut table = change.open_table(meta).unwrap();
        table.insert("schema", schema).unwrap();
        drop(table);
        change.commit().unwrap();
    };
    later(2);
    let before = fs::metadata(journal(&agent)).unwrap().len();
    let ran = agent.connect(&["--echo"]).run();
    ran.fails(2, &["later version", journal(&agent).to_str().unwrap()]);
    assert_eq!(fs::metadata(journal(&agent)).unwrap().len(), before);
    later(1);
    stop(start(&agent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_another_process_looks_into_is_waited_for() {
    let world = World::start().await;
    let agent = world.agent().await;
    has_run(&agent).await;
    let mut running = start(&agent);
    // An agent with nothing to do has its journal closed.
    let open = async || Database::open(journal(&agent)).ok();
    let other = until("the journal to be closed", open).await;
    agent.hears("2").await;
    running.says("is open in another process");
    drop(other);
    told(&agent, "2").await;
    stop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_does_not_start_while_another_process_has_its_journal() {
    let world = World::start().await;
    let agent = world.agent().await;
    has_run(&agent).await;
    let other = Database::open(journal(&agent)).unwrap();
    let ran = agent.connect(&["--echo"]).run();
    ran.fails(8, &["is open in another process"]);
    drop(other);
    stop(start(&agent));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_has_room_for_the_files_of_its_handlers() {
    let world = World::start().await;
    let agent = world.agent().await;
    let args = ["--exec", "cat", "--concurrency", "100"];
    let mut running = Running::of(agent.connect(&args).with_few_files());
    running.says("online: workspace");
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft: u64 = files
        .unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap();
    assert!(soft >= 400, "{limits}");
    stop(running);
}

/// The state of a process, as one letter.
fn state(running: &Running) -> char {
    let stat = fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    let (_, after_the_name) = stat.rsplit_once(") ").unwrap();
    after_the_name.chars().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_process_stands_still_is_answered_once_when_it_goes_on() {
    let world = World::start().await;
    let agent = world.agent().await;
    let running = start(&agent);
    for text in ["1", "2", "3"] {
        running.signal("STOP");
        let stopped = async || (state(&running) == 'T').then_some(());
        until("the process to stand still", stopped).await;
        agent.hears(text).await;
        running.signal("CONT");
        told(&agent, text).await;
    }
    stop(running);
    assert_eq!(told_in_all(&agent).await, ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_comes_back_with_its_state_finds_the_agent_there() {
    let home = tempfile::tempdir().unwrap();
    let config = EmulatorConfig::new()
        .with_admin_token("admin")
        .with_state_file(home.path().join("state.json"));
    let world = World::with(config.clone()).await;
    let agent = world.agent().await;
    let (id, running) = (agent.id, start(&agent));
    agent.hears("1").await;
    told(&agent, "1").await;

    let world = world.restart(config).await;
    let agent = Agent { world: &world, id };
    agent.hears("2").await;
    told(&agent, "2").await;
    stop(running);
    assert_eq!(told_in_all(&agent).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_comes_back_without_its_state_has_no_workspace_for_the_agent() {
    let config = EmulatorConfig::new().with_admin_token("admin");
    let world = World::with(config.clone()).await;
    let agent = world.agent().await;
    let (id, running) = (agent.id, start(&agent));
    agent.hears("1").await;
    told(&agent, "1").await;

    let world = world.restart(config).await;
    let ran = running.ends();
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("was deleted"), "{}", ran.stderr);
    let agent = Agent { world: &world, id };
    let again = agent.connect(&["--echo"]).run();
    again.fails(2, &[&id.to_string(), "workspace create"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_inherits_nothing_that_the_agent_has_open() {
    let world = World::start().await;
    let agent = world.agent().await;
    let script = "cat > /dev/null; ls -l /proc/$$/fd";
    let mut running = Running::of(agent.connect(&["--exec", script]));
    running.says("online: workspace");
    agent.hears("what do you have?").await;
    told(&agent, "0 ->").await;
    stop(running);
    let open = agent.notifications().await.concat();
    for ours in ["journal.redb", "agent.lock", "cursor", ".molecule"] {
        assert!(!open.contains(ours), "{open}");
    }
    let sockets = open.matches("socket:").count();
    assert_eq!(sockets, 0, "{open}");
}
