//! Tasks for other workspaces: real processes against a platform that takes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use molecule_agent::Token;
use molecule_agent::protocol::delegation_key;
use molecule_agent::token_store::{TokenStore, Wait};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::{Program, Ran, World};

const ME: &str = "c7a82861-b15f-421d-903c-f767f108d62f";
const TARGET: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";
const ID: &str = "57e7c24b-eb91-41f5-a5c6-46984d30a179";

/// A platform that answers, or is silent, and what it was sent.
struct Platform {
    url: String,
    home: TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    requests: watch::Sender<Vec<Value>>,
    answers: Mutex<bool>,
    rows: Mutex<Value>,
}

impl Platform {
    async fn start() -> Self {
        let shared = Arc::new(Shared {
            requests: watch::Sender::new(Vec::new()),
            answers: Mutex::new(true),
            rows: Mutex::new(json!([])),
        });
        let router = Router::new()
            .route("/workspaces/{id}/delegate", post(delegate))
            .route("/workspaces/{id}/delegations", get(delegations))
            .route("/workspaces/{id}/activity", get(activity))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let home = tempfile::tempdir().unwrap();
        let store = TokenStore::new(home.path().join(".molecule").join(ME));
        store
            .save(&Token::new("a-token").unwrap(), Wait::No)
            .unwrap();
        Self { url, home, shared }
    }

    fn program(&self, args: &[&str]) -> Program {
        Program::new(self.home.path(), args)
            .env("MOLECULE_PLATFORM_URL", &self.url)
            .env("MOLECULE_WORKSPACE_ID", ME)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.program(args).run()
    }

    fn is_silent(&self, silent: bool) {
        *self.shared.answers.lock().unwrap() = !silent;
    }

    /// What the platform lists: how the delegation is, and with which fields.
    fn lists(&self, status: &str, fields: Value) {
        let mut row = json!({"id": "0a43dd34-db8a-4b02-b517-94766583b520", "created_at": "2026-11-22T04:01:43Z",
            "delegation_id": ID, "source_id": ME, "target_id": TARGET, "status": status, "summary": format!("Delegation {status}")});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        *self.shared.rows.lock().unwrap() = json!([row]);
    }

    fn sent(&self) -> Vec<Value> {
        self.shared.requests.borrow().clone()
    }

    fn sent_keys(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for request in self.sent() {
            let key = request["idempotency_key"].as_str().unwrap_or("none");
            *keys.entry(key.to_owned()).or_insert(0) += 1;
        }
        keys
    }
}

async fn delegate(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(id, ME);
    shared
        .requests
        .send_modify(|requests| requests.push(body.clone()));
    if !*shared.answers.lock().unwrap() {
        std::future::pending::<()>().await;
    }
    let earlier = shared
        .requests
        .borrow()
        .iter()
        .filter(|one| one["idempotency_key"] == body["idempotency_key"])
        .count()
        > 1;
    if earlier && body["idempotency_key"].is_string() {
        return (
            StatusCode::OK,
            Json(
                json!({"delegation_id": ID, "status": "dispatched", "idempotent_hit": true, "target_id": TARGET}),
            ),
        );
    }
    (
        StatusCode::ACCEPTED,
        Json(json!({"delegation_id": ID, "status": "delegated", "target_id": body["target_id"]})),
    )
}

async fn delegations(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.rows.lock().unwrap().clone())
}

async fn activity(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let text = shared.rows.lock().unwrap()[0]["whole_text"].clone();
    let row = json!({"id": "0a43dd34-db8a-4b02-b517-94766583b520", "created_at": "2026-11-22T04:01:43Z", "status": "completed",
        "activity_type": "delegation", "method": "delegate_result", "response_body": {"delegation_id": ID, "text": text}});
    Json(json!([row]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_handed_over_from_an_argument_or_stdin() {
    let platform = Platform::start().await;
    platform
        .run(&["delegate", TARGET, "say hello"])
        .prints(&format!("{ID}  delegated\n"));
    let piped = platform
        .program(&["delegate", TARGET, "-", "--json"])
        .input("two\nlines\n")
        .run();
    let expect = json!({"delegation_id": ID, "target_id": TARGET, "status": "delegated", "idempotent_hit": false, "warning": null});
    assert_eq!(piped.json(), expect);
    let sent = platform.sent();
    assert_eq!(
        (&sent[0]["task"], &sent[1]["task"]),
        (&"say hello".into(), &"two\nlines".into())
    );
    assert_eq!(sent[0]["target_id"], TARGET);
    platform
        .run(&["delegate", TARGET, " "])
        .fails(2, &["nothing to say"]);
    platform.run(&["delegate", "nobody", "x"]);
    assert_eq!(platform.sent().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_can_be_chosen_or_left_out() {
    let platform = Platform::start().await;
    platform
        .run(&["delegate", TARGET, "t", "--key", "mine"])
        .succeeds();
    let again = platform.run(&["delegate", TARGET, "t", "--key", "mine"]);
    assert!(again.stderr.contains("taken it before"), "{}", again.stderr);
    platform
        .run(&["delegate", TARGET, "t", "--no-key"])
        .succeeds();
    let empty = platform.run(&["delegate", TARGET, "t", "--key", ""]);
    empty.fails(2, &["--key", "give a value"]);
    let keys = platform.sent_keys();
    assert_eq!((keys["mine"], keys["none"], keys.len()), (2, 1, 2));
    let both = platform.run(&["delegate", TARGET, "t", "--key", "a", "--no-key"]);
    assert_eq!(both.code, 2, "{both:?}");
}

/// Makes the one file there look as if an hour had passed since; its key.
fn an_hour_later(dir: &std::path::Path) -> String {
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|path| !path.ends_with(".lock")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let mut entry: Value =
        serde_json::from_str(&std::fs::read_to_string(&files[0]).unwrap()).unwrap();
    let then = entry["unix_seconds"].as_u64().unwrap() - 3600;
    let key = delegation_key(&TARGET.parse().unwrap(), "t", then);
    (entry["unix_seconds"], entry["key"]) = (then.into(), key.clone().into());
    std::fs::write(&files[0], entry.to_string()).unwrap();
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_while_it_delegates_is_repeated_under_the_same_key() {
    let platform = Platform::start().await;
    let dir = platform
        .home
        .path()
        .join(".molecule")
        .join(ME)
        .join("delegations");
    platform.is_silent(true);
    let mut requests = platform.shared.requests.subscribe();
    let mut child = platform.program(&["delegate", TARGET, "t"]).start();
    requests
        .wait_for(|requests| requests.len() == 1)
        .await
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let key = an_hour_later(&dir);
    let mut child = platform.program(&["delegate", TARGET, "t"]).start();
    requests
        .wait_for(|requests| requests.len() == 2)
        .await
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    platform.is_silent(false);
    let last = platform.run(&["delegate", TARGET, "t"]);
    last.succeeds();
    assert!(last.stderr.contains("taken it before"), "{}", last.stderr);
    assert_eq!(platform.sent_keys()[&key], 2);
    assert_eq!(
        std::fs::read_dir(&dir).unwrap().count(),
        1,
        "the lock alone"
    );
    platform.run(&["delegate", TARGET, "t"]).succeeds();
    assert_eq!(
        platform.sent_keys()[&key],
        2,
        "the same task is another call now"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_at_the_same_time_share_a_key() {
    let platform = Platform::start().await;
    platform.is_silent(true);
    let mut requests = platform.shared.requests.subscribe();
    let children: Vec<_> = (0..4)
        .map(|_| platform.program(&["delegate", TARGET, "t"]).start())
        .collect();
    requests
        .wait_for(|requests| requests.len() == 4)
        .await
        .unwrap();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(platform.sent_keys().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_waited_for_and_printed_whole() {
    let platform = Platform::start().await;
    platform.lists("completed", json!({"response_preview": "hello"}));
    let ran = platform.run(&["delegate", TARGET, "say hello", "--wait"]);
    ran.prints("hello\n");
    assert!(ran.stderr.contains(ID), "{}", ran.stderr);
    let whole = "x".repeat(5000);
    platform.lists(
        "completed",
        json!({"response_preview": "x".repeat(300), "whole_text": whole}),
    );
    let json = platform
        .run(&["delegate", TARGET, "t", "--wait", "5s", "--json"])
        .json();
    assert_eq!(
        (&json["status"], &json["text"], &json["whole"]),
        (&"completed".into(), &whole.into(), &true.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_the_end_of_the_wait_have_codes_of_their_own() {
    let platform = Platform::start().await;
    platform.lists(
        "failed",
        json!({"error": "failed to reach workspace agent"}),
    );
    let failed = platform.run(&["delegate", TARGET, "t", "--wait", "-q"]);
    failed.fails(1, &[ID, "failed to reach workspace agent"]);
    platform.lists("dispatched", json!({}));
    let running = platform.run(&["delegate", TARGET, "u", "--wait=0s", "-q"]);
    running.fails(75, &["still dispatched", &format!("delegations --id {ID}")]);
    let ran = platform.run(&["delegate", TARGET, "v", "--wait=0s", "--json", "-q"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, &json["status"], &json["delegation_id"]),
        (75, &"dispatched".into(), &ID.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_target_answers_is_a_failure() {
    let platform = Platform::start().await;
    let error = r#"{"jsonrpc":"2.0","id":"1","error":{"code":-32603,"message":"out of paper"}}"#;
    platform.lists("completed", json!({"response_preview": error}));
    let failed = platform.run(&["delegate", TARGET, "t", "--wait", "-q"]);
    failed.fails(1, &[ID, "(-32603)", "out of paper"]);
    let long = error.replace("out of paper", &"out of paper ".repeat(30));
    platform.lists(
        "completed",
        json!({"response_preview": &long[..300], "whole_text": long}),
    );
    let ran = platform.run(&["delegate", TARGET, "u", "--wait", "--json", "-q"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &json["status"]), (1, &"failed".into()));
    assert!(json["error"].as_str().unwrap().contains("(-32603)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_polls_answers_in_a_message_that_is_waited_for() {
    let world = World::start().await;
    let (source, target) = (world.agent().await, world.agent().await);
    source.run(&["register"]).succeeds();
    target.run(&["register"]).succeeds();
    let to = target.id.to_string();
    source.run(&["delegate", &to, "say hello", "-q"]).succeeds();
    while source.run(&["delegations", "--json"]).json()["status"] != "queued" {}
    let running = source.run(&["delegate", &to, "say hello", "--wait=0s", "-q"]);
    running.fails(75, &["is still queued"]);
    let mut agent = target.connect(&["--echo", "--since", "all"]).start();
    let ran = source.run(&["delegate", &to, "say hello", "--wait", "1m"]);
    agent.kill().unwrap();
    agent.wait().unwrap();
    ran.prints("say hello\n");
    let listed = source.run(&["delegations", "--json"]).json();
    assert_eq!(listed["status"], "queued", "the platform does not know");
    let id = listed["delegation_id"].as_str().unwrap();
    let shown = source.run(&["delegations", "--id", id, "--json"]).json();
    assert_eq!(
        (&shown["status"], &shown["text"]),
        (&"completed".into(), &"say hello".into())
    );
    assert_eq!(source.only_message()["role"], "agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn delegations_are_listed_and_one_is_shown_whole() {
    let platform = Platform::start().await;
    assert_eq!(
        platform.run(&["delegations"]).prints("").stderr,
        "no delegations\n"
    );
    platform
        .run(&["delegations", "--id", ID])
        .fails(2, &[ID, "shows the last ones"]);
    platform.lists(
        "completed",
        json!({"response_preview": "x".repeat(300), "whole_text": "the whole text"}),
    );
    let listed = platform.run(&["delegations", "--json"]).json();
    assert_eq!(
        (&listed["delegation_id"], &listed["status"]),
        (&ID.into(), &"completed".into())
    );
    let shown = platform.run(&["delegations", "--id", ID]);
    shown.prints(&format!(
        "{ID}  2026-11-22T04:01:43Z  completed  to {TARGET}\n    the whole text\n"
    ));
    platform.lists("failed", json!({"error": "boom"}));
    platform.run(&["delegations", "--id", ID]).prints(&format!(
        "{ID}  2026-11-22T04:01:43Z  failed  to {TARGET}\n    boom\n"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_does_not_answer_in_time_leaves_the_key() {
    let platform = Platform::start().await;
    platform.is_silent(true);
    let ran = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::task::block_in_place(|| {
            platform.run(&["delegate", TARGET, "t", "--call-deadline", "200ms"])
        })
    });
    ran.await.unwrap().fails(4, &["deadline"]);
    platform.is_silent(false);
    let again = platform.run(&["delegate", TARGET, "t"]);
    assert!(again.stderr.contains("taken it before"), "{}", again.stderr);
}
