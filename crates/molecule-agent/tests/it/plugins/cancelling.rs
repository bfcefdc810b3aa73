//! Dropping the future stops the download, the thread and `setup.sh`, and leaves nothing half done.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use molecule_agent::PluginOptions;
use molecule_agent::plugin::{PluginStore, Wait};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::installing::gzip;
use super::server::Server;
use super::{Agent, always, archives, demo, quick};

/// Long enough for a loaded machine. A thread that does not end by then is one that does not end.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Begins an installation, drops it once `reached` is over, and waits for the threads of its runtime to end.
pub(super) fn cancelled<F: Future<Output = ()>>(
    agent: &Agent,
    options: PluginOptions,
    reached: impl FnOnce() -> F,
) {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        tokio::select! {
            done = agent.install(options) => panic!("{done:?}"),
            () = reached() => {}
        }
    });
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        drop(runtime);
        tell.send(())
    });
    ended
        .recv_timeout(PATIENCE)
        .expect("the installation ends when its future is dropped");
}

/// Options that say when so many bytes were handed on, and the future that waits for it.
pub(super) fn after(bytes: u64) -> (PluginOptions, Arc<Notify>) {
    let reached = Arc::new(Notify::new());
    let tell = Arc::clone(&reached);
    let options = quick().with_progress(move |progress| {
        if progress.bytes >= bytes {
            tell.notify_one();
        }
    });
    (options, reached)
}

#[test]
fn while_downloading() {
    let server = Server::downloads(|connection| {
        connection.head("200 OK", &["Content-Length: 1000000"])?;
        let body = archives::archive(&[("noise.bin", &archives::noise(1 << 20))]);
        connection.write_all(&body[..500_000])?;
        connection.wait_for_hangup()
    });
    let agent = Agent::new(&server.url());
    let (options, reached) = after(500_000);
    cancelled(&agent, options, || async move { reached.notified().await });
    assert!(agent.nothing_is_left());
}

#[test]
fn while_waiting_for_the_platform() {
    let asked = Arc::new(Notify::new());
    let tell = Arc::clone(&asked);
    let server = Server::downloads(move |connection| {
        tell.notify_one();
        connection.wait_for_hangup()
    });
    let agent = Agent::new(&server.url());
    cancelled(&agent, quick(), || async move { asked.notified().await });
    assert!(agent.nothing_is_left());
}

#[test]
fn while_waiting_for_somebody_else() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    let store = PluginStore::open(agent.client.plugins_dir()).unwrap();
    let lock = store.lock(&demo(), Wait::No).unwrap();
    let mut options = quick();
    options.install.wait = Wait::For(Duration::MAX);
    // Once is enough for the installation to begin, and the lock is not free before the end.
    cancelled(&agent, options, tokio::task::yield_now);
    drop(lock);
    assert!(server.requests().is_empty());
    assert!(agent.nothing_is_left());
}

#[test]
fn while_unpacking_as_fast_as_it_arrives() {
    for bytes in [1, 100_000, 4 << 20] {
        let server = Server::downloads(|connection| {
            connection.head("200 OK", &["Content-Type: application/gzip"])?;
            archives::write_large(connection, 96 << 20)
        });
        let agent = Agent::new(&server.url());
        let (options, reached) = after(bytes);
        cancelled(&agent, options, || async move { reached.notified().await });
        assert!(agent.nothing_is_left(), "after {bytes} bytes");
    }
}

#[test]
fn while_replacing_leaves_the_version_before() {
    let old = Server::downloads(|connection| gzip(connection, &archives::plain("old")));
    let new = Server::downloads(|connection| {
        connection.head("200 OK", &["Content-Type: application/gzip"])?;
        archives::write_large(connection, 96 << 20)
    });
    let (agent, upgrade) = (Agent::new(&old.url()), Agent::new(&new.url()));
    let runtime = Runtime::new().unwrap();
    runtime.block_on(agent.install(quick())).unwrap();
    let before = agent.plugins();
    let (options, reached) = after(2 << 20);
    let options = options.with_plugins_dir(agent.client.plugins_dir());
    cancelled(
        &upgrade,
        options,
        || async move { reached.notified().await },
    );
    assert_eq!(agent.plugins(), before);
    // The lock is free.
    runtime.block_on(agent.install(quick())).unwrap();
}

#[test]
fn while_setup_runs_kills_it_and_keeps_the_plugin() {
    let script = "#!/bin/sh\necho $$ > part && mv part pid\nsleep 100000 &\nsleep 100000\n";
    let body = archives::with_setup(script);
    let server = Server::downloads(move |connection| gzip(connection, &body));
    let agent = Agent::new(&server.url());
    let pid_file = agent.client.plugins_dir().join("demo/pid");
    cancelled(&agent, always(quick()), || async {
        while !pid_file.exists() {
            tokio::task::yield_now().await;
        }
    });
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    assert!(!is_running(pid.trim()), "setup.sh runs on as {pid}");
    assert!(agent.plugins().contains_key("demo/setup.sh"));
    let records = server.requests();
    assert!(records.iter().all(|request| !request.starts_with("POST")));
    // The lock is free.
    let runtime = Runtime::new().unwrap();
    runtime.block_on(agent.install(quick())).unwrap();
}

/// Whether a process lives; where there is no `/proc`, nobody knows.
pub(super) fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}
