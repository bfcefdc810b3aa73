//! A stub that lives in simulated time, and what it asked of its platform.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::stub::StubRuntime;
use molecule_transport::testing::{Answer, ScriptedTransport, SimulatedClock};
use molecule_transport::{Clock, Request, Target};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Lines, config};

pub(super) const REGISTER: &str = "/registry/register";
pub(super) const HEARTBEAT: &str = "/registry/heartbeat";
pub(super) const PLATFORM: &str = "http://platform.example.com:8080";

/// One call of the stub.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Seconds since the start.
    pub(super) at: u64,
    pub(super) path: String,
    pub(super) bearer: Option<String>,
    pub(super) body: String,
    pub(super) target: Target,
}

impl Call {
    pub(super) fn of(request: &Request, at: Duration) -> Self {
        let bearer = request
            .headers()
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        Self {
            at: at.as_secs(),
            path: request.uri().path().to_owned(),
            bearer: bearer.map(|value| value.strip_prefix("Bearer ").unwrap().to_owned()),
            body: String::from_utf8(request.body().to_vec()).unwrap(),
            target: Target::of(request),
        }
    }
}

/// A stub that lives in simulated time.
pub(super) struct Scene {
    pub(super) clock: SimulatedClock,
    pub(super) volume: TempDir,
    pub(super) calls: Arc<Mutex<Vec<Call>>>,
    pub(super) lines: Lines,
    pub(super) cancel: CancellationToken,
}

impl Scene {
    /// An empty volume; nothing runs yet.
    pub(super) fn new() -> Self {
        Self {
            clock: SimulatedClock::new(),
            volume: TempDir::new().unwrap(),
            calls: Arc::default(),
            lines: Lines::default(),
            cancel: CancellationToken::new(),
        }
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.volume.path().join(".auth_token")
    }

    pub(super) fn write_token(&self, token: &str) {
        std::fs::write(self.token_file(), format!("{token}\n")).unwrap();
        self.set_mode(0o600);
    }

    pub(super) fn set_mode(&self, mode: u32) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(self.token_file(), mode).unwrap();
    }

    /// Starts a stub whose platform answers with what `script` returns.
    pub(super) fn start<A>(&self, script: impl Fn(Call) -> A + Send + Sync + 'static)
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        let (calls, clock) = (self.calls.clone(), self.clock.clone());
        let platform = ScriptedTransport::new(move |request| {
            let call = Call::of(&request, clock.now());
            calls.lock().unwrap().push(call.clone());
            script(call)
        });
        let config = config(PLATFORM)
            .with_config_dir(self.volume.path())
            .with_clock(Arc::new(self.clock.clone()))
            .with_transport(Arc::new(platform));
        let stub = StubRuntime::bind(config, self.lines.sink()).unwrap();
        tokio::spawn(stub.run(self.cancel.clone()));
    }

    /// Lets the stub live until just after this second.
    pub(super) async fn until(&self, second: u64) {
        let end = Duration::from_secs(second) + Duration::from_millis(1);
        self.clock.sleep(end.saturating_sub(self.clock.now())).await;
    }

    pub(super) fn calls(&self, path: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .filter(|call| call.path == path)
            .cloned()
            .collect()
    }

    pub(super) fn times(&self, path: &str) -> Vec<u64> {
        self.calls(path).iter().map(|call| call.at).collect()
    }

    pub(super) fn bearers(&self, path: &str) -> Vec<Option<String>> {
        self.calls(path)
            .into_iter()
            .map(|call| call.bearer)
            .collect()
    }
}

pub(super) fn every(step: usize, count: usize) -> Vec<u64> {
    (0..).step_by(step).take(count).collect()
}

pub(super) fn some(tokens: &[&str]) -> Vec<Option<String>> {
    tokens
        .iter()
        .map(|token| (!token.is_empty()).then(|| (*token).to_owned()))
        .collect()
}
