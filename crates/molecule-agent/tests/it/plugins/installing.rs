//! What an installation does when all is well, or refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use molecule_agent::plugin::{PluginStore, SetupLimits, SetupOutcome, SetupPolicy, Wait};
use molecule_agent::protocol::ApiError;
use molecule_agent::protocol::endpoints::{CreateWorkspace, PluginRefusal};
use molecule_agent::{
    AdminClient, AgentError, ErrorKind, InstallRecorded, PluginOptions, Progress,
};
use molecule_emulator::{Emulator, EmulatorConfig};
use tempfile::TempDir;

use super::server::{Connection, Server};
use super::{Agent, TOKEN, always, archives, demo, quick};
use crate::world::ParseToken as _;

/// The local platform with a registry of plugins, and an agent that knows its token.
struct Place {
    registry: TempDir,
    emulator: Emulator,
    agent: Agent,
}

impl Place {
    async fn new() -> Self {
        let registry = tempfile::tempdir().unwrap();
        let config = EmulatorConfig::new()
            .with_admin_token("admin")
            .with_plugins_dir(registry.path());
        let emulator = Emulator::start(config).await.unwrap();
        let url = emulator.url();
        let admin = AdminClient::connect(url.parse().unwrap(), "admin".parse_token(), |b| b);
        let created = admin.unwrap().create(CreateWorkspace::new("a")).await;
        let created = created.unwrap();
        let agent = Agent::with(&url, &created.id.to_string(), |builder| builder);
        let token = created.auth_token().unwrap().expose().parse_token();
        agent.client.save_token(token).await.unwrap();
        Self {
            registry,
            emulator,
            agent,
        }
    }

    fn publish(&self, files: &[(&str, &str)]) {
        write(&self.registry.path().join("demo"), files);
    }
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = if path.extension().is_some_and(|end| end == "sh") {
            0o755
        } else {
            0o644
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

const MANIFEST: (&str, &str) = ("plugin.yaml", "name: demo\nversion: 1.0.0\n");

#[tokio::test]
async fn a_plugin_comes_from_the_platform_and_replaces_the_one_before() {
    let place = Place::new().await;
    place.publish(&[MANIFEST, ("rules/r.md", "first"), ("old.md", "old")]);
    let done = place.agent.install(PluginOptions::new()).await.unwrap();
    assert_eq!(done.source.as_deref(), Some("local://demo"));
    assert_eq!((done.report.files, done.report.verified), (3, false));
    assert_eq!(
        done.report.root,
        place.agent.client.plugins_dir().join("demo")
    );
    assert!(
        matches!(done.record, InstallRecorded::NoContainer),
        "{:?}",
        done.record
    );
    assert_eq!(place.agent.plugins()["demo/rules/r.md"], "first");

    fs::remove_file(place.registry.path().join("demo/old.md")).unwrap();
    place.publish(&[("rules/r.md", "second")]);
    place.agent.install(quick()).await.unwrap();
    let plugins = place.agent.plugins();
    assert_eq!(plugins["demo/rules/r.md"], "second");
    assert!(!plugins.contains_key("demo/old.md"), "{plugins:?}");
    place.emulator.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_the_expected_plugin_leaves_the_one_before() {
    let place = Place::new().await;
    place.publish(&[MANIFEST, ("rules/r.md", "first")]);
    let first = place.agent.install(quick()).await.unwrap();
    let before = place.agent.plugins();

    place.publish(&[("rules/r.md", "changed")]);
    let pinned = quick().with_expected(first.report.digest);
    let error = place.agent.install(pinned.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    assert_eq!(place.agent.plugins(), before);

    place.publish(&[("rules/r.md", "first")]);
    let done = place.agent.install(pinned).await.unwrap();
    assert!(done.report.verified);
    place.emulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_the_platform_does_not_have_is_named_before_anything_is_written() {
    let place = Place::new().await;
    let error = place.agent.install(quick()).await.unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::Api(ApiError::Plugin(_, PluginRefusal::Unknown))
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("check the name"), "{error}");
    assert!(place.agent.plugins().is_empty());
    place.emulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_source_holds_the_plugin_of_its_own_name_only() {
    let place = Place::new().await;
    write(&place.registry.path().join("other"), &[("a.md", "a")]);
    let (client, name) = (&place.agent.client, demo());
    let install = client.install_plugin(&name, Some("local://other"), quick());
    let error = install.await.unwrap_err().to_string();
    assert!(error.contains("\"other\""), "{error}");

    let other = "other".parse().unwrap();
    let done = client.install_plugin(&other, Some("local://other"), quick());
    assert_eq!(done.await.unwrap().source.as_deref(), Some("local://other"));
    place.emulator.stop().await.unwrap();
}

#[tokio::test]
async fn the_platforms_plugins_and_sources_are_listed_without_a_token() {
    let place = Place::new().await;
    place.publish(&[MANIFEST]);
    let nobody = Agent::with(
        &place.emulator.url(),
        &place.agent.client.workspace_id().to_string(),
        |builder| builder,
    );
    let plugins = nobody.client.list_plugins(None).await.unwrap();
    assert_eq!(plugins.len(), 1);
    assert_eq!(
        (plugins[0].name.as_str(), plugins[0].version.as_str()),
        ("demo", "1.0.0")
    );
    let sources = nobody.client.list_plugin_sources().await.unwrap();
    assert!(sources.schemes.contains(&"local".to_owned()), "{sources:?}");
    place.emulator.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_without_a_token_is_told_so() {
    let place = Place::new().await;
    place.publish(&[MANIFEST]);
    let id = place.agent.client.workspace_id().to_string();
    let nobody = Agent::with(&place.emulator.url(), &id, |builder| builder);
    let error = nobody.install(quick()).await.unwrap_err();
    assert!(matches!(error, AgentError::NoToken(_)), "{error:?}");
    assert!(nobody.nothing_is_left());
    place.emulator.stop().await.unwrap();
}

#[tokio::test]
async fn progress_never_goes_back_and_ends_at_the_total() {
    let body = archives::archive(&[("noise.bin", &archives::noise(500_000))]);
    let length = body.len() as u64;
    let server = Server::downloads(move |connection| gzip(connection, &body));
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let log = Arc::clone(&seen);
    let options = quick().with_progress(move |progress| log.lock().unwrap().push(progress));
    let done = Agent::new(&server.url()).install(options).await.unwrap();
    assert_eq!(done.report.bytes, 500_000);
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 2 && seen.is_sorted_by_key(|progress| progress.bytes));
    assert!(seen.iter().all(|progress| progress.total == Some(length)));
    assert_eq!((seen[0].bytes, seen.last().unwrap().bytes), (0, length));
}

#[tokio::test]
async fn setup_sees_the_environment_it_is_given_and_no_token() {
    let body = archives::with_setup("#!/bin/sh\nenv\n");
    let server = Server::downloads(move |connection| gzip(connection, &body));
    let agent = Agent::new(&server.url());
    let mut options = always(quick());
    let given = vec![("GIVEN".to_owned(), "by-the-caller".to_owned())];
    options.install.setup_limits = SetupLimits::default().with_environment(given);
    let done = agent.install(options).await.unwrap();
    let setup = done.report.setup.unwrap();
    assert_eq!(setup.outcome, SetupOutcome::Succeeded, "{setup:?}");
    assert!(
        setup.stdout.contains("GIVEN=by-the-caller"),
        "{}",
        setup.stdout
    );
    assert!(!setup.stdout.contains(TOKEN) && !setup.stderr.contains(TOKEN));
    assert!(!setup.stdout.contains("CARGO"), "{}", setup.stdout);
}

#[tokio::test]
async fn setup_does_not_run_when_nothing_vouches_for_the_plugin() {
    let body = archives::with_setup("#!/bin/sh\ntouch ran\n");
    let server = Server::downloads(move |connection| gzip(connection, &body));
    let agent = Agent::new(&server.url());
    let first = agent.install(quick()).await.unwrap();
    assert!(matches!(
        first.report.setup.unwrap().outcome,
        SetupOutcome::NotRun { .. }
    ));
    assert!(!agent.plugins().contains_key("demo/ran"));

    let pinned = quick().with_expected(first.report.digest);
    agent
        .install(pinned.clone().with_setup(SetupPolicy::Never))
        .await
        .unwrap();
    assert!(!agent.plugins().contains_key("demo/ran"));
    agent.install(pinned).await.unwrap();
    assert!(agent.plugins().contains_key("demo/ran"));
}

#[tokio::test]
async fn nothing_is_asked_of_the_platform_while_somebody_else_works_on_the_plugin() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    agent.install(quick()).await.unwrap();
    let asked = server.requests().len();
    let store = PluginStore::open(agent.client.plugins_dir()).unwrap();
    let lock = store.lock(&demo(), Wait::No).unwrap();
    let error = agent.install(quick()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Temporary, "{error}");
    assert_eq!(server.requests().len(), asked);
    drop(lock);
    agent.install(quick()).await.unwrap();
}

#[tokio::test]
async fn nothing_is_asked_of_the_platform_for_a_directory_that_is_not_safe() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    let (real, link) = (
        agent.disk.path().join("real"),
        agent.disk.path().join("link"),
    );
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let error = agent
        .install(quick().with_plugins_dir(&link))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert!(server.requests().is_empty());
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
}

#[tokio::test]
async fn another_directory_for_plugins_may_be_named() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    let dir = agent.disk.path().join("elsewhere");
    let done = agent.install(quick().with_plugins_dir(&dir)).await.unwrap();
    assert_eq!(done.report.root, dir.join("demo"));
    assert_eq!(
        fs::read_to_string(dir.join("demo/rules/r.md")).unwrap(),
        "x"
    );
    assert!(!agent.client.plugins_dir().exists());
}

#[tokio::test]
async fn the_platform_is_told_what_was_installed_unless_it_is_not_to_be() {
    let server = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let agent = Agent::new(&server.url());
    let quiet = agent.install(quick().with_report(false)).await.unwrap();
    assert!(matches!(quiet.record, InstallRecorded::NotAsked));
    assert_eq!(server.requests().len(), 1);

    let told = agent.install(quick()).await.unwrap();
    assert!(matches!(told.record, InstallRecorded::NoContainer));
    let client = &agent.client;
    let source = Some("github://o/demo#v1");
    client
        .install_plugin(&demo(), source, quick())
        .await
        .unwrap();
    let records: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.starts_with("POST "))
        .collect();
    assert_eq!(records.len(), 2);
    assert!(
        records[0].ends_with(r#"{"source":"local://demo"}"#),
        "{records:?}"
    );
    assert!(
        records[1].ends_with(r#"{"source":"github://o/demo#v1"}"#),
        "{records:?}"
    );
}

#[tokio::test]
async fn a_record_that_fails_is_no_failed_installation() {
    let server = Server::start(|request, connection| {
        if request.starts_with("GET ") {
            return gzip(connection, &archives::plain("x"));
        }
        let body = r#"{"error":"platform datastore unavailable"}"#;
        connection.answer(
            "503 Service Unavailable",
            "Content-Type: application/json",
            body,
        )
    });
    let agent = Agent::new(&server.url());
    let done = agent.install(quick()).await.unwrap();
    let InstallRecorded::Failed(error) = done.record else {
        panic!("{:?}", done.record)
    };
    assert_eq!(error.kind(), ErrorKind::Temporary);
    assert_eq!(agent.plugins()["demo/rules/r.md"], "x");
    let records = server.requests().len() - 1;
    assert_eq!(records, 1, "what may have had an effect is not repeated");
}

/// A good answer with a length.
pub(super) fn gzip(connection: &mut Connection, body: &[u8]) -> std::io::Result<()> {
    connection.answer("200 OK", "Content-Type: application/gzip", body)
}
