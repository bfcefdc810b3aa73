//! The delegations of a platform as it was recorded: two rows for each, keys that are released by failure, and a log.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use molecule_agent::transport::testing::{Answer, ScriptedTransport, SimulatedClock, answer};
use molecule_agent::transport::{Clock as _, Request, Target, TransportError};
use molecule_agent::{DelegationId, RemoteAgentClient, Token};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

pub(super) const ME: &str = "c7a82861-b15f-421d-903c-f767f108d62f";
pub(super) const TARGET: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";

/// What happens to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Nothing listens.
    Refused,
    /// The platform does its work, but its answer is lost.
    AnswerLost,
    /// The platform does its work, and something replaces its answer.
    GarbageAfter,
    /// No answer ever.
    Never,
    /// The answer takes so many seconds.
    Slow(u64),
    /// The platform refuses with this status.
    Status(u16),
    /// Something before the platform refuses with this status.
    Proxy(u16),
}

impl Fault {
    pub(super) fn is_delivered(self) -> bool {
        matches!(self, Self::AnswerLost | Self::GarbageAfter)
    }
}

pub(super) struct Delegations {
    pub(super) clock: SimulatedClock,
    disk: TempDir,
    state: Arc<Mutex<State>>,
    transport: ScriptedTransport,
}

struct State {
    fault: Fault,
    once: bool,
    keys: Vec<Option<String>>,
    taken: HashMap<String, String>,
    tasks: Vec<String>,
    /// As the activity log has them, the oldest first.
    rows: Vec<Value>,
    keeps_log: bool,
    second: u64,
}

impl Delegations {
    pub(super) fn new() -> Self {
        let clock = SimulatedClock::new();
        let state = State {
            fault: Fault::None,
            once: false,
            keys: Vec::new(),
            taken: HashMap::new(),
            tasks: Vec::new(),
            rows: Vec::new(),
            keeps_log: true,
            second: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let (shared, time) = (Arc::clone(&state), clock.clone());
        let transport = ScriptedTransport::new(move |request| {
            let (fault, answer) = shared.lock().unwrap().receive(&request);
            deliver(fault, answer, Target::of(&request), time.clone())
        });
        Self {
            clock,
            disk: tempfile::tempdir().unwrap(),
            state,
            transport,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A client as another process would have it, on the same directory.
    pub(super) fn client(&self) -> RemoteAgentClient {
        RemoteAgentClient::builder(
            ME.parse().unwrap(),
            "http://localhost:8080".parse().unwrap(),
        )
        .state_dir(self.state_dir())
        .token(Token::new("a-token").unwrap())
        .transport(self.transport.clone())
        .clock(Arc::new(self.clock.clone()))
        .build()
        .unwrap()
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.disk.path().join("state")
    }

    /// The files of keys.
    pub(super) fn key_files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.state_dir().join("delegations"))
            .into_iter()
            .flatten();
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| !path.ends_with(".lock")).collect()
    }

    pub(super) fn files(&self) -> usize {
        self.key_files().len()
    }

    pub(super) fn will_be(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.once) = (fault, false);
    }

    pub(super) fn once(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.once) = (fault, true);
    }

    pub(super) fn keep_log(&self, keep: bool) {
        self.state().keeps_log = keep;
    }

    pub(super) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub(super) async fn until_asked(&self) {
        while self.transport.requests().is_empty() {
            self.clock.sleep(Duration::from_millis(1)).await;
        }
    }

    /// The paths that were asked for.
    pub(super) fn requests(&self) -> Vec<String> {
        let requests = self.transport.requests();
        requests
            .iter()
            .map(|request| request.uri().path().to_owned())
            .collect()
    }

    /// The keys that were sent, also in requests that did not arrive.
    pub(super) fn keys(&self) -> Vec<Option<String>> {
        self.state().keys.clone()
    }

    pub(super) fn distinct_keys(&self) -> usize {
        let mut keys = self.keys();
        keys.sort();
        keys.dedup();
        keys.len()
    }

    /// The tasks that were taken.
    pub(super) fn tasks(&self) -> Vec<String> {
        self.state().tasks.clone()
    }

    pub(super) fn complete(&self, id: DelegationId, text: &str) {
        let mut state = self.state();
        state.rows.retain(|row| {
            row["method"] == "delegate" || row["response_body"]["delegation_id"] != id.to_string()
        });
        let was_queued = state.set(id, "completed", Some(text), None);
        if was_queued {
            // As the platform leaves it.
            state.request(id)["status"] = "queued".into();
        }
    }

    pub(super) fn queue(&self, id: DelegationId) {
        let text = json!({"queued": true, "delegation_id": id}).to_string();
        self.state().set(id, "queued", Some(&text), None);
    }

    pub(super) fn fail(&self, id: DelegationId, error: &str) {
        self.state().set(id, "failed", None, Some(error));
    }

    /// Somebody else's delegation to this workspace.
    pub(super) fn foreign_row(&self) {
        let id = Uuid::new_v4().to_string();
        let mut state = self.state();
        state.take(&id, &json!({"target_id": ME, "task": "x"}));
        state.rows.last_mut().unwrap()["source_id"] = TARGET.into();
    }
}

impl State {
    fn receive(&mut self, request: &Request) -> (Fault, (u16, String)) {
        let path = request.uri().path();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        if path.ends_with("/delegate") {
            self.keys
                .push(body["idempotency_key"].as_str().map(str::to_owned));
        }
        let fault = self.fault;
        if self.once {
            self.fault = Fault::None;
        }
        let arrives = matches!(fault, Fault::None | Fault::Slow(_)) || fault.is_delivered();
        let answer = if arrives {
            self.answer(path, request.uri().query(), &body)
        } else {
            (0, String::new())
        };
        (fault, answer)
    }

    fn answer(&mut self, path: &str, query: Option<&str>, body: &Value) -> (u16, String) {
        let (status, json) = match path.rsplit('/').next().unwrap() {
            "delegate" => self.delegate(body),
            "delegations" => (200, self.listing()),
            "record" => {
                let id = body["delegation_id"].as_str().unwrap().to_owned();
                self.take(&id, body);
                (202, json!({"delegation_id": id, "status": "recorded"}))
            }
            "update" => {
                let id: DelegationId = path.rsplit('/').nth(1).unwrap().parse().unwrap();
                let (status, text) = (
                    body["status"].as_str().unwrap(),
                    body["response_preview"].as_str(),
                );
                self.set(id, status, text, body["error"].as_str());
                (200, json!({"delegation_id": id, "status": status}))
            }
            "activity" => (200, self.log(query.unwrap_or_default())),
            // The open look at the workspace, after a 401.
            _ => (200, json!({"id": ME, "status": "online"})),
        };
        (status, json.to_string())
    }

    fn delegate(&mut self, body: &Value) -> (u16, Value) {
        let key = body["idempotency_key"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if let Some(id) = self.taken.get(&key).cloned() {
            let row = self.request(id.parse().unwrap()).clone();
            if row["status"] != "failed" {
                return (
                    200,
                    json!({"delegation_id": id, "idempotent_hit": true, "status": row["status"], "target_id": row["target_id"]}),
                );
            }
        }
        let id = Uuid::new_v4().to_string();
        if !key.is_empty() {
            self.taken.insert(key, id.clone());
        }
        self.tasks.push(body["task"].as_str().unwrap().to_owned());
        self.take(&id, body);
        (
            202,
            json!({"delegation_id": id, "status": "delegated", "target_id": body["target_id"]}),
        )
    }

    fn take(&mut self, id: &str, body: &Value) {
        let summary = format!("Delegating to {}", body["target_id"].as_str().unwrap());
        let row = json!({"method": "delegate", "summary": summary, "status": "dispatched", "target_id": body["target_id"],
            "request_body": {"task": body["task"], "delegation_id": id}});
        self.write(row);
    }

    fn write(&mut self, mut row: Value) {
        self.second += 1;
        let (minute, second) = (self.second / 60, self.second % 60);
        row["id"] = Uuid::new_v4().to_string().into();
        row["created_at"] = format!("2026-11-22T04:{minute:02}:{second:02}Z").into();
        row["activity_type"] = "delegation".into();
        row["source_id"] = ME.into();
        self.rows.push(row);
    }

    fn request(&mut self, id: DelegationId) -> &mut Value {
        let mut rows = self.rows.iter_mut();
        rows.find(|row| row["request_body"]["delegation_id"] == id.to_string())
            .unwrap()
    }

    /// Says whether it was queued before.
    fn set(
        &mut self,
        id: DelegationId,
        status: &str,
        text: Option<&str>,
        error: Option<&str>,
    ) -> bool {
        let request = self.request(id);
        let was_queued = request["status"] == "queued";
        request["status"] = status.into();
        request["error_detail"] = error.into();
        let mut result = json!({"method": "delegate_result", "summary": format!("Delegation {status}"), "status": status, "error_detail": error});
        if let Some(text) = text {
            result["response_body"] = json!({"text": text, "delegation_id": id});
        }
        self.write(result);
        was_queued
    }

    fn listing(&self) -> Value {
        self.rows.iter().rev().take(50).map(listed).collect()
    }

    fn log(&self, query: &str) -> Value {
        let limit = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("limit="))
            .unwrap();
        let rows = self.rows.iter().rev().take(limit.parse().unwrap());
        rows.filter(|_| self.keeps_log).cloned().collect()
    }
}

/// A row as the listing shows it.
fn listed(row: &Value) -> Value {
    let mut shown = json!({"type": "delegation", "target_id": ""});
    for field in [
        "id",
        "created_at",
        "source_id",
        "target_id",
        "status",
        "summary",
    ] {
        if let Some(value) = row.get(field) {
            shown[field] = value.clone();
        }
    }
    let fields = [
        (
            "delegation_id",
            row["request_body"]
                .get("delegation_id")
                .or(row["response_body"].get("delegation_id"))
                .cloned(),
        ),
        (
            "response_preview",
            row["response_body"]["text"]
                .as_str()
                .map(|text| cut(text).into()),
        ),
        ("error", row["error_detail"].as_str().map(Into::into)),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            shown[field] = value;
        }
    }
    shown
}

fn cut(text: &str) -> String {
    String::from_utf8_lossy(&text.as_bytes()[..text.len().min(300)]).into_owned()
}

async fn deliver(
    fault: Fault,
    (status, body): (u16, String),
    target: Target,
    clock: SimulatedClock,
) -> Answer {
    let broken = || std::io::Error::other("simulated").into();
    match fault {
        Fault::None => {}
        Fault::Slow(seconds) => clock.sleep(Duration::from_secs(seconds)).await,
        Fault::Refused => {
            return Err(TransportError::Connect {
                target,
                source: broken(),
            });
        }
        Fault::AnswerLost => {
            return Err(TransportError::Interrupted {
                target,
                source: broken(),
            });
        }
        Fault::GarbageAfter => return Ok(answer(200, "<html>")),
        Fault::Never => std::future::pending().await,
        Fault::Status(status) => return Ok(answer(status, r#"{"error":"the platform's words"}"#)),
        Fault::Proxy(status) => return Ok(answer(status, "<html>")),
    }
    Ok(answer(status, body))
}
