//! The caller's flag stops an installation at any moment, and the result says for certain what was done.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use molecule_agent::plugin::{CancelFlag, PluginError, PluginStore, SetupOutcome, Wait};
use molecule_agent::{AgentError, InstallRecorded, PluginInstall, PluginOptions};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::cancelling::{PATIENCE, after, cancelled, is_running};
use super::installing::gzip;
use super::server::Server;
use super::{Agent, always, archives, demo, quick};

/// What becomes of an installation whose caller cancels once `reached` is over.
async fn flagged(
    agent: &Agent,
    options: PluginOptions,
    reached: impl Future<Output = ()>,
) -> Result<PluginInstall, AgentError> {
    let cancel = CancelFlag::default();
    let install = agent.install(options.with_cancel(cancel.clone()));
    let then_cancel = async {
        reached.await;
        cancel.cancel();
    };
    let both = async { tokio::join!(install, then_cancel).0 };
    let done = timeout(PATIENCE, both).await;
    done.expect("the installation ends when its caller cancels")
}

/// It was cancelled, and is over: nothing is left the moment that the caller hears of it.
#[track_caller]
fn check_nothing_was_done(agent: &Agent, done: Result<PluginInstall, AgentError>) {
    match done {
        Err(AgentError::Plugin(PluginError::Cancelled)) => assert!(agent.nothing_is_left()),
        other => panic!("{other:?}"),
    }
}

/// Says when it is asked for a plugin, and answers nothing.
fn silent(asked: &Arc<Notify>) -> Server {
    let tell = Arc::clone(asked);
    Server::downloads(move |connection| {
        tell.notify_one();
        connection.wait_for_hangup()
    })
}

#[tokio::test]
async fn set_before_the_beginning_nobody_is_asked() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    let cancel = CancelFlag::default();
    cancel.cancel();
    let done = agent.install(quick().with_cancel(cancel)).await;
    check_nothing_was_done(&agent, done);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn while_waiting_for_the_platform() {
    let asked = Arc::new(Notify::new());
    let server = silent(&asked);
    let agent = Agent::new(&server.url());
    let done = flagged(&agent, quick(), asked.notified()).await;
    check_nothing_was_done(&agent, done);
}

#[tokio::test]
async fn while_the_archive_arrives() {
    let server = Server::downloads(|connection| {
        connection.head("200 OK", &["Content-Length: 1000000"])?;
        let body = archives::archive(&[("noise.bin", &archives::noise(1 << 20))]);
        connection.write_all(&body[..500_000])?;
        connection.wait_for_hangup()
    });
    let agent = Agent::new(&server.url());
    let (options, reached) = after(500_000);
    let done = flagged(&agent, options, reached.notified()).await;
    check_nothing_was_done(&agent, done);
}

#[tokio::test]
async fn while_somebody_else_works_on_the_plugin() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    let store = PluginStore::open(agent.client.plugins_dir()).unwrap();
    let lock = store.lock(&demo(), Wait::No).unwrap();
    let mut options = quick();
    options.install.wait = Wait::For(Duration::MAX);
    let done = flagged(&agent, options, tokio::task::yield_now()).await;
    drop(lock);
    check_nothing_was_done(&agent, done);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn while_setup_runs_the_report_says_so_and_the_platform_is_not_told() {
    let script = "#!/bin/sh\necho $$ > part && mv part pid\nsleep 100000\n";
    let body = archives::with_setup(script);
    let server = Server::downloads(move |connection| gzip(connection, &body));
    let agent = Agent::new(&server.url());
    let pid_file = agent.client.plugins_dir().join("demo/pid");
    let running = async {
        while !pid_file.exists() {
            tokio::task::yield_now().await;
        }
    };
    let done = flagged(&agent, always(quick()), running).await.unwrap();
    assert_eq!(done.report.setup.unwrap().outcome, SetupOutcome::Cancelled);
    assert!(matches!(done.record, InstallRecorded::NotAsked));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    assert!(!is_running(pid.trim()), "setup.sh runs on as {pid}");
    assert!(agent.plugins().contains_key("demo/setup.sh"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn while_the_platform_is_told_the_report_is_whole() {
    let asked = Arc::new(Notify::new());
    let tell = Arc::clone(&asked);
    let server = Server::start(move |request, connection| {
        if request.starts_with("GET ") {
            return gzip(connection, &archives::plain("x"));
        }
        tell.notify_one();
        connection.wait_for_hangup()
    });
    let agent = Agent::new(&server.url());
    let done = flagged(&agent, quick(), asked.notified()).await.unwrap();
    match done.record {
        InstallRecorded::Failed(error @ AgentError::RecordCancelled) => {
            assert!(!error.surely_without_effect());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(done.report.files, 2);
    assert_eq!(agent.plugins()["demo/rules/r.md"], "x");
}

#[test]
fn a_dropped_installation_does_not_stop_the_next_one_with_the_same_flag() {
    let asked = Arc::new(Notify::new());
    let (server, other) = (
        silent(&asked),
        Server::downloads(|connection| gzip(connection, &archives::plain("x"))),
    );
    let (agent, next) = (Agent::new(&server.url()), Agent::new(&other.url()));
    let options = quick().with_cancel(CancelFlag::default());
    cancelled(&agent, options.clone(), || async move {
        asked.notified().await;
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(next.install(options)).unwrap();
    assert_eq!(next.plugins()["demo/rules/r.md"], "x");
}
