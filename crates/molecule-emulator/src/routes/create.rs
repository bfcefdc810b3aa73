//! Workspaces: created.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Admins, Asked};
use crate::reply::{Outcome, Reply, bad_request, internal};
use crate::request::{or_zero, parse_id};
use crate::routes::workspaces::{check_name, check_role};
use crate::tx::Tx;
use crate::workspace::{EXTERNAL, Secret, Status, Workspace};

#[derive(Default, Deserialize)]
struct Canvas {
    #[serde(default, deserialize_with = "or_zero")]
    x: f64,
    #[serde(default, deserialize_with = "or_zero")]
    y: f64,
}

#[derive(Deserialize)]
struct Creation {
    #[serde(default, deserialize_with = "or_zero")]
    name: String,
    role: Option<String>,
    runtime: Option<String>,
    #[serde(default, deserialize_with = "or_zero")]
    external: bool,
    #[serde(default, deserialize_with = "or_zero")]
    url: String,
    tier: Option<i64>,
    parent_id: Option<String>,
    #[serde(default, deserialize_with = "or_zero")]
    secrets: BTreeMap<String, String>,
    budget_limit: Option<i64>,
    max_concurrent_tasks: Option<i64>,
    workspace_dir: Option<String>,
    #[serde(default, deserialize_with = "or_zero")]
    canvas: Canvas,
}

pub(crate) async fn create(asked: Asked<Admins>) -> Outcome {
    let host = asked.header("host").unwrap_or("localhost");
    let base = format!("http://{host}");
    asked.write(|tx| {
        let payload: Creation = asked
            .decode()
            .map_err(|_| bad_request("invalid workspace payload"))?;
        if payload.name.is_empty() {
            return Err(bad_request("invalid workspace payload"));
        }
        tx.create(payload, &base)
    })
}

impl Tx<'_> {
    fn create(&mut self, payload: Creation, base: &str) -> Outcome {
        let role = payload.role.as_deref().unwrap_or_default();
        if check_name(&payload.name).is_err() || check_role(role).is_err() {
            return Err(bad_request("invalid workspace fields"));
        }
        let parent = self.parent(payload.parent_id.as_deref())?;
        let external = payload.external || payload.runtime.as_deref() == Some(EXTERNAL);
        let url = payload.url.clone();
        let mut row = self.new_row(payload, external);
        row.parent_id = parent;
        Ok(match (external, url.is_empty()) {
            (true, true) => self.create_waiting(row, base),
            (true, false) => self.create_reachable(row, url),
            (false, _) => self.create_container(row),
        })
    }

    /// An agent with a url is believed to be there; it gets its token when it registers.
    fn create_reachable(&mut self, mut row: Workspace, url: String) -> Reply {
        let id = row.id;
        row.status = Status::Online;
        row.url = url;
        self.state.insert(row);
        self.record_status(id);
        created(&json!({ "external": true, "id": id, "status": "online" }))
    }

    /// There are no containers to start here, so the row fails as it does on a host that has none.
    fn create_container(&mut self, mut row: Workspace) -> Reply {
        let id = row.id;
        row.fail_to_start(self.now);
        self.state.insert(row);
        self.record_status(id);
        created(&json!({
            "awareness_namespace": format!("workspace:{id}"),
            "id": id,
            "status": "provisioning",
            "workspace_access": "none",
        }))
    }

    fn parent(&self, id: Option<&str>) -> Result<Option<Uuid>, Reply> {
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let known = parse_id(id).filter(|id| self.state.get(*id).is_some());
        known
            .map(Some)
            .ok_or_else(|| internal("failed to create workspace"))
    }

    /// The row of a payload. Generation A calls a row external only if its runtime says so, and cannot store
    /// `awaiting_agent`.
    fn new_row(&self, payload: Creation, external: bool) -> Workspace {
        let now = self.now;
        let mut row = Workspace::new(Uuid::new_v4(), payload.name, now);
        row.role = payload.role.filter(|role| !role.is_empty());
        row.tier = payload.tier.unwrap_or(3);
        row.budget_limit = payload.budget_limit;
        row.max_concurrent_tasks = payload.max_concurrent_tasks.unwrap_or(1).max(1);
        row.workspace_dir = payload.workspace_dir;
        (row.x, row.y) = (payload.canvas.x, payload.canvas.y);
        let secrets = payload.secrets.into_iter();
        row.secrets = secrets
            .map(|(key, value)| (key, Secret::new(value, now)))
            .collect();
        if let Some(runtime) = payload.runtime.filter(|runtime| !runtime.is_empty()) {
            row.runtime = runtime;
        }
        if external && self.config.has_new_statuses() {
            EXTERNAL.clone_into(&mut row.runtime);
            row.status = Status::AwaitingAgent;
        }
        row
    }

    /// The answer tells an external agent how to connect, with the only copy of its token.
    fn create_waiting(&mut self, row: Workspace, base: &str) -> Reply {
        let id = row.id;
        self.state.insert(row);
        self.record_status(id);
        let register = format!("{base}/registry/register");
        created(&json!({
            "connection": {
                "auth_token": self.state.tokens.issue(id, self.now),
                "curl_register_template": curl_template(id, &register),
                "heartbeat_endpoint": format!("{base}/registry/heartbeat"),
                "platform_url": base,
                "python_snippet": python_snippet(id, base),
                "registry_endpoint": register,
                "workspace_id": id,
            },
            "external": true,
            "id": id,
            "status": "awaiting_agent",
        }))
    }
}

fn curl_template(id: Uuid, register: &str) -> String {
    format!(
        r#"# Replace AGENT_URL with the address of your agent, then run:
export WORKSPACE_AUTH_TOKEN="<paste from create response>"
export AGENT_URL="https://your-agent.example.com"

curl -fsS -X POST "{register}" \
  -H "Authorization: Bearer $WORKSPACE_AUTH_TOKEN" \
  -d '{{"id": "{id}", "url": "'"$AGENT_URL"'", "agent_card": {{"name": "My External Agent"}}}}'
"#
    )
}

fn python_snippet(id: Uuid, base: &str) -> String {
    format!(
        r#"from molecule_agent import RemoteAgentClient

client = RemoteAgentClient(workspace_id="{id}", platform_url="{base}")
client.save_token("<paste from create response>")
client.run_heartbeat_loop()
"#
    )
}

fn created(body: &Value) -> Reply {
    Reply::new(StatusCode::CREATED, body)
}
