//! Does what a recording says, against a platform on a clock that the recording moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use molecule_emulator::{Clock, Emulator, EmulatorConfig, Generation, ManualClock, Mode, Quirks};
use molecule_protocol::WorkspaceId;
use molecule_protocol::transcripts::{
    Action, Bindings, Exchange, RecordedRequest, Section, Setup, Step, Transcript, Unrecorded,
    same_shape,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agent::Agent;
use crate::client::{Answer, Call};
use crate::listener::{Listener, kind_of};
use crate::registry::publish;

const ADMIN: &str = "administrator-token-of-the-replay-000000000";

/// What came of a replay.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) replayed: usize,
    pub(crate) failures: Vec<String>,
}

pub(crate) struct Replay {
    platform: Option<Emulator>,
    mode: String,
    files: TempDir,
    clock: Arc<ManualClock>,
    bindings: Bindings,
    agents: BTreeMap<String, Agent>,
    /// Sent at this interval while time passes.
    periodic: Vec<(u64, RecordedRequest)>,
    /// A stream that is open, with what the recording heard over it.
    heard: Option<(String, Listener, Vec<Value>)>,
    report: Report,
}

/// Replays a recording from an empty platform.
pub(crate) async fn replay(transcript: &Transcript) -> Report {
    let mut replay = Replay {
        platform: None,
        mode: String::new(),
        files: TempDir::new().unwrap(),
        clock: Arc::new(ManualClock::new()),
        bindings: Bindings::new("http://127.0.0.1:1"),
        agents: BTreeMap::new(),
        periodic: Vec::new(),
        heard: None,
        report: Report::default(),
    };
    replay.bindings.bind("admin_token", ADMIN);
    for section in &transcript.sections {
        replay.section(transcript, section).await;
    }
    replay.report
}

impl Replay {
    async fn section(&mut self, transcript: &Transcript, section: &Section) {
        self.switch(section.setup_mode.as_ref().unwrap_or(&section.mode))
            .await;
        for setup in &section.setup {
            self.set_up(setup).await;
        }
        self.switch(&section.mode).await;
        for step in &section.steps {
            self.tick(1).await;
            match step {
                Step::Exchange(exchange) => {
                    let place = format!("{} / {}", transcript.source, section.title);
                    self.exchange(&place, exchange).await;
                }
                Step::Unrecorded(unrecorded) => self.unrecorded(unrecorded).await,
                Step::Observed { .. } => {}
            }
        }
        self.periodic.clear();
        self.close_stream().await;
    }

    /// Takes another configuration on the same data.
    async fn switch(&mut self, mode: &str) {
        if self.mode == mode {
            return;
        }
        if let Some(platform) = self.platform.take() {
            platform.stop().await.unwrap();
        }
        let plugins = self.files.path().join("plugins");
        std::fs::create_dir_all(&plugins).unwrap();
        let config = configuration(mode)
            .with_state_file(self.files.path().join("state.json"))
            .with_plugins_dir(plugins)
            .with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        let platform = Emulator::start(config).await.unwrap();
        self.bindings.bind_platform(&platform.url());
        self.platform = Some(platform);
        mode.clone_into(&mut self.mode);
        if mode == "container-host" {
            // The recorded server had been up for half a sweep's period when its workspaces registered.
            self.tick(7_500).await;
        }
    }

    fn platform(&self) -> &Emulator {
        self.platform.as_ref().unwrap()
    }

    async fn set_up(&mut self, setup: &Setup) {
        let (id, token) = (
            format!("workspace:{}", setup.workspace),
            format!("token:{}", setup.workspace),
        );
        if self.bindings.get(&id).is_some() {
            return;
        }
        if let Some(create) = &setup.create {
            let body = self.substitute_json(create).await;
            let call = Call::new(self.platform(), "POST", "/workspaces")
                .bearer(ADMIN)
                .json(&body);
            let answer = call.send().await;
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
            self.bind_text(&id, &answer.json()["id"]);
            self.bind_text(&token, &answer.json()["connection"]["auth_token"]);
        } else {
            self.bindings.bind(&id, &uuid::Uuid::new_v4().to_string());
        }
        if let Some(register) = &setup.register {
            self.register(&id, &token, register).await;
        }
        let path = self
            .bindings
            .substitute(&format!("/workspaces/${{{id}}}"))
            .unwrap();
        let row = Call::new(self.platform(), "GET", &path).send().await.json();
        assert_eq!(
            row["status"],
            json!(setup.status),
            "{} after its setup",
            setup.workspace
        );
    }

    async fn register(&mut self, id: &str, token: &str, body: &Value) {
        let mut body = self.substitute_json(body).await;
        body["id"] = json!(self.bindings.get(id));
        let mut call = Call::new(self.platform(), "POST", "/registry/register").json(&body);
        if let Some(token) = self.bindings.get(token) {
            call = call.bearer(&token);
        }
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        self.bind_text(token, &answer.json()["auth_token"]);
    }

    fn bind_text(&mut self, name: &str, value: &Value) {
        if let Some(text) = value.as_str() {
            self.bindings.bind(name, text);
        }
    }

    async fn exchange(&mut self, place: &str, exchange: &Exchange) {
        self.close_stream().await;
        let answer = if exchange.response.stream {
            self.open_stream(place, exchange).await
        } else {
            self.send(&exchange.request).await
        };
        self.report.replayed += 1;
        if let Err(difference) = exchange.compare(&answer.as_recorded(), &self.bindings) {
            let RecordedRequest { method, path, .. } = &exchange.request;
            let note = exchange.note.as_ref().or(exchange.condensed.as_ref());
            self.report.failures.push(format!(
                "{place}: {method} {path} ({}): {difference}: {}",
                note.map_or("", String::as_str),
                answer.text()
            ));
        }
        if answer.status.is_success() {
            self.bindings
                .capture(&exchange.capture, &answer.json())
                .unwrap();
        }
    }

    async fn send(&mut self, request: &RecordedRequest) -> Answer {
        let call = self.call(request).await;
        let sent = tokio::spawn(call.send());
        let waits = self.agents.values().any(|agent| agent.delay() > 0);
        for quarter in 1.. {
            settle().await;
            if !waits || sent.is_finished() {
                break;
            }
            assert!(quarter < 400, "no answer within 100 simulated seconds");
            self.clock.advance(Duration::from_millis(250));
            if quarter % 4 == 0 {
                self.send_periodic(1).await;
            }
        }
        sent.await.unwrap()
    }

    async fn open_stream(&mut self, place: &str, exchange: &Exchange) -> Answer {
        let request = &exchange.request;
        let path = self.substitute(&request.path).await;
        let value = |value: &String| self.bindings.substitute(value).unwrap();
        let headers = request.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, text)| (name.clone(), value(text)))
            .collect();
        let (head, mut listener) = Listener::open(self.platform(), &path, &headers).await;
        let text = exchange.response.text.as_deref().unwrap();
        let lines = text.lines().filter(|line| line.contains('{'));
        let events = lines.map(|line| {
            let line = line.strip_prefix("data: ").unwrap_or(line);
            serde_json::from_str(line).unwrap()
        });
        if text.starts_with(": ping") {
            assert_eq!(listener.message().await.unwrap(), ": ping\n\n");
        }
        let place = format!("{place}: {path}");
        self.heard = Some((place, listener, events.collect()));
        head
    }

    /// Compares what came over an open stream with what the recording heard.
    async fn close_stream(&mut self) {
        let Some((place, mut listener, recorded)) = self.heard.take() else {
            return;
        };
        for wanted in recorded {
            let found = listener.event().await.unwrap_or_default();
            let wanted = self.bindings.substitute_json(&wanted).unwrap();
            if kind_of(&found) != kind_of(&wanted) || same_shape(&wanted, &found).is_err() {
                let failure = format!("{place}: {found} instead of {wanted}");
                self.report.failures.push(failure);
            }
        }
    }

    async fn call(&mut self, request: &RecordedRequest) -> Call {
        let path = self.substitute(&request.path).await;
        let mut call = Call::new(self.platform(), &request.method, &path);
        for (name, value) in &request.headers {
            call = call.header(
                &name.to_lowercase(),
                &self.bindings.substitute(value).unwrap(),
            );
        }
        if let Some(json) = &request.json {
            self.start_agents(&json.to_string()).await;
        }
        call.body(request.body(&self.bindings).unwrap().unwrap_or_default())
    }

    async fn substitute(&mut self, text: &str) -> String {
        self.start_agents(text).await;
        self.bindings.substitute(text).unwrap()
    }

    async fn substitute_json(&mut self, value: &Value) -> Value {
        self.start_agents(&value.to_string()).await;
        self.bindings.substitute_json(value).unwrap()
    }

    /// Starts the agents whose urls occur in a text.
    async fn start_agents(&mut self, text: &str) {
        for after in text.split("${agent:").skip(1) {
            let name = after.split('}').next().unwrap();
            self.agent(name).await;
        }
    }

    async fn agent(&mut self, name: &str) -> &Agent {
        if !self.agents.contains_key(name) {
            let agent = Agent::start(Arc::clone(&self.clock) as Arc<dyn Clock>).await;
            self.bindings.bind(&format!("agent:{name}"), &agent.url());
            self.agents.insert(name.to_owned(), agent);
        }
        &self.agents[name]
    }

    async fn unrecorded(&mut self, unrecorded: &Unrecorded) {
        match &unrecorded.action {
            Action::Request(request) => self.unrecorded_request(unrecorded, request).await,
            Action::Agent { agent, behaviour } => self.agent(agent).await.behave(behaviour.clone()),
            Action::Elapse {
                elapse_seconds,
                beating,
            } => {
                self.elapse(Duration::from_secs_f64(*elapse_seconds), beating)
                    .await;
            }
            Action::Operator {
                operator,
                workspace,
                key,
                status,
                plugins,
                ..
            } => {
                if operator == "publish-plugins" {
                    return publish(&self.files.path().join("plugins"), plugins);
                }
                let workspace = workspace.as_ref().map(|name| self.workspace(name));
                self.operate(operator, workspace, key.as_deref(), status.as_deref());
            }
        }
    }

    async fn unrecorded_request(&mut self, unrecorded: &Unrecorded, request: &RecordedRequest) {
        if let Some(seconds) = unrecorded.every_seconds {
            self.periodic.push((seconds, request.clone()));
            return;
        }
        for _ in 0..unrecorded.times.unwrap_or(1) {
            let answer = self.send(request).await;
            assert!(
                answer.status.as_u16() < 400,
                "{}: {}",
                request.path,
                answer.text()
            );
            self.bindings
                .capture(&unrecorded.capture, &answer.json())
                .unwrap();
        }
    }

    fn workspace(&self, name: &str) -> WorkspaceId {
        self.bindings
            .get(&format!("workspace:{name}"))
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Makes a change that has no endpoint.
    fn operate(
        &self,
        operator: &str,
        workspace: Option<WorkspaceId>,
        key: Option<&str>,
        status: Option<&str>,
    ) {
        let platform = self.platform().platform();
        let done = match (operator, workspace, key, status) {
            ("expire-url-cache", Some(id), ..) => platform.expire_url_cache(id),
            ("revoke-all-tokens", Some(id), ..) => platform.revoke_tokens(id),
            ("corrupt-secret", Some(id), Some(key), _) => platform.corrupt_secret(id, key),
            ("set-status", Some(id), _, Some(status)) => {
                platform.set_status(id, &status.to_owned().into())
            }
            _ => {
                panic!("the recordings have an operator's step that is not known here: {operator}")
            }
        };
        done.unwrap();
    }

    /// Lets time pass, with heartbeats of some workspaces every few seconds.
    async fn elapse(&mut self, mut left: Duration, beating: &[String]) {
        while !left.is_zero() {
            let step = left.min(Duration::from_secs(5));
            left -= step;
            self.tick(u64::try_from(step.as_millis()).unwrap()).await;
            for name in beating {
                let id = self.workspace(name);
                let token = self.bindings.get(&format!("token:{name}")).unwrap();
                let body = json!({ "workspace_id": id });
                let call = Call::new(self.platform(), "POST", "/registry/heartbeat");
                let answer = call.bearer(&token).json(&body).send().await;
                assert_eq!(answer.status, StatusCode::OK);
            }
        }
    }

    async fn send_periodic(&mut self, second: u64) {
        for (every, request) in self.periodic.clone() {
            if second.is_multiple_of(every) {
                let answer = self.call(&request).await.send().await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            }
        }
    }

    async fn tick(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
        settle().await;
    }
}

/// Gives every task of this thread its turns, so that what was started in the background gets done.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

fn configuration(mode: &str) -> EmulatorConfig {
    let config = EmulatorConfig::new().with_generation(Generation::A);
    match mode {
        "default" => config.with_admin_token(ADMIN),
        "container-host" => config.with_admin_token(ADMIN).with_container_sweep(true),
        "rate-limit-8" => config.with_admin_token(ADMIN).with_rate_limit(8),
        "development" => config.with_mode(Mode::Development),
        "production" => config.with_mode(Mode::Production),
        "saas" => config.with_admin_token(ADMIN).with_org_id("org-123"),
        "no-docker" => config.with_admin_token(ADMIN).with_provisioner(false),
        "enum-fixed" => config
            .with_admin_token(ADMIN)
            .with_quirks(Quirks::of(Generation::A).with_silent_status_enum(false)),
        other => panic!("the recordings have a mode that is not known here: {other}"),
    }
}
