//! A platform on a clock that the test moves, and workspaces on it.

use std::sync::Arc;
use std::time::Duration;

use molecule_emulator::{Clock, Emulator, EmulatorConfig, Generation, ManualClock};
use molecule_protocol::WorkspaceId;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::client::{Answer, Call};

pub(crate) struct World {
    pub(crate) platform: Emulator,
    pub(crate) clock: Arc<ManualClock>,
}

/// A workspace and a token for it.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Workspace {
    pub(crate) fn id(&self) -> WorkspaceId {
        self.id.parse().unwrap()
    }
}

impl World {
    /// The later generation.
    pub(crate) async fn start() -> Self {
        Self::with(EmulatorConfig::new()).await
    }

    pub(crate) async fn generation_a() -> Self {
        Self::with(EmulatorConfig::new().with_generation(Generation::A)).await
    }

    pub(crate) async fn with(config: EmulatorConfig) -> Self {
        let clock = Arc::new(ManualClock::new());
        let config = config.with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        Self {
            platform: Emulator::start(config).await.unwrap(),
            clock,
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn agent(&self) -> Agent {
        Agent::start(Arc::clone(&self.clock) as Arc<dyn Clock>).await
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        Call::new(&self.platform, "GET", path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call {
        Call::new(&self.platform, "POST", path).json(body)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        Call::new(&self.platform, "DELETE", path).bearer(self.platform.admin_token())
    }

    /// Creates a workspace for an external agent.
    pub(crate) async fn create(&self, name: &str) -> Workspace {
        self.create_below(name, None).await
    }

    pub(crate) async fn create_below(&self, name: &str, parent: Option<&Workspace>) -> Workspace {
        let parent = parent.map(|parent| &parent.id);
        let body =
            json!({ "name": name, "runtime": "external", "external": true, "parent_id": parent });
        let call = self
            .post("/workspaces", &body)
            .bearer(self.platform.admin_token());
        let answer = call.send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let text = |pointer: &str| {
            answer
                .json()
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        Workspace {
            id: text("/id"),
            token: text("/connection/auth_token"),
        }
    }

    /// Registers with the fields given.
    pub(crate) async fn register(&self, workspace: &Workspace, fields: &Value) -> Answer {
        let mut body = json!({ "id": workspace.id, "agent_card": { "name": "agent" } });
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.post("/registry/register", &body)
            .bearer(&workspace.token)
            .send()
            .await
    }

    /// A workspace whose agent polls.
    pub(crate) async fn poller(&self, name: &str) -> Workspace {
        let workspace = self.create(name).await;
        let answer = self
            .register(&workspace, &json!({ "delivery_mode": "poll" }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        workspace
    }

    /// A workspace whose agent is posted to.
    pub(crate) async fn pusher(&self, name: &str, agent: &Agent) -> Workspace {
        let workspace = self.create(name).await;
        let fields = json!({ "delivery_mode": "push", "url": agent.url() });
        let answer = self.register(&workspace, &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        workspace
    }

    pub(crate) async fn beat(&self, workspace: &Workspace) -> Answer {
        let body = json!({ "workspace_id": workspace.id });
        self.post("/registry/heartbeat", &body)
            .bearer(&workspace.token)
            .send()
            .await
    }

    /// The status as anyone sees it.
    pub(crate) async fn status(&self, workspace: &Workspace) -> String {
        let path = format!("/workspaces/{}?include_removed=true", workspace.id);
        self.get(&path).send().await.json()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What the user types.
    pub(crate) async fn say(&self, to: &Workspace, text: &str) -> Answer {
        self.message(to, text, text).send().await
    }

    /// A message with its id.
    pub(crate) fn message(&self, to: &Workspace, message_id: &str, text: &str) -> Call {
        let message = json!({
            "role": "user",
            "messageId": message_id,
            "parts": [{ "kind": "text", "text": text }],
        });
        let body = json!({ "method": "message/send", "params": { "message": message } });
        self.post(&format!("/workspaces/{}/a2a", to.id), &body)
    }

    /// The activity log under a query.
    pub(crate) async fn activity(&self, of: &Workspace, query: &str) -> Answer {
        let path = format!("/workspaces/{}/activity{query}", of.id);
        self.get(&path).bearer(&of.token).send().await
    }
}

/// The texts of received messages among activity rows.
pub(crate) fn texts(rows: &Value) -> Vec<String> {
    let text = |row: &Value| row["request_body"]["params"]["message"]["parts"][0]["text"].clone();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| text(row).as_str().unwrap_or("-").to_owned())
        .collect()
}
