//! The platform: `molecule-agent dev`, in a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use molecule_agent::transport::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::agents::Member;
use crate::http::Caller;

/// Who creates workspaces, who watches, who sends messages. The agents are at 127.0.0.1.
const CREATOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const WATCHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const SENDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

/// A platform that runs until this is dropped.
pub(crate) struct Platform {
    _process: Child,
    address: SocketAddr,
    admin: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the measured processes are started"
)]
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    command
}

impl Platform {
    pub(crate) async fn start(program: &Path, home: &Path, limit: u32) -> Result<Self> {
        let mut process = command(program)
            .args(["dev", "--listen", "127.0.0.1:0", "--json", "--rate-limit"])
            .arg(limit.to_string())
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = process
            .stdout
            .take()
            .context("the platform has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let session: Value = serde_json::from_str(&line).context("the platform did not start")?;
        let text = |key: &str| {
            session[key]
                .as_str()
                .context("the platform said too little")
        };
        let address = text("platform_url")?.trim_start_matches("http://");
        let admin = std::fs::read_to_string(text("admin_token_file")?)?;
        Ok(Self {
            address: address.trim_end_matches('/').parse()?,
            admin: admin.trim().to_owned(),
            _process: process,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn caller(&self, source: Ipv4Addr, admin: bool) -> Caller {
        Caller::new(self.address, source, admin.then(|| self.admin.clone()))
    }

    /// Creates workspaces, as fast as the limit allows.
    pub(crate) async fn create(&self, count: usize) -> Result<Vec<Member>> {
        let creator = self.caller(CREATOR, true);
        let clock = SystemClock::new();
        let mut members = Vec::with_capacity(count);
        while members.len() < count {
            let body = json!({"name": format!("agent {}", members.len()), "runtime": "external"});
            match creator.call("POST", "/workspaces", &body).await? {
                (201, created) => members.push(member(&created)?),
                (429, _) => clock.sleep(Duration::from_secs(5)).await,
                (status, answer) => bail!("a workspace was not created: {status} {answer}"),
            }
        }
        Ok(members)
    }

    /// How many workspaces are online.
    pub(crate) async fn online(&self) -> Result<usize> {
        let watcher = self.caller(WATCHER, true);
        let rows = watcher.expect("GET", "/workspaces", &Value::Null).await?;
        let rows = rows
            .as_array()
            .context("the platform lists no workspaces")?;
        let is_online = |row: &&Value| row["status"] == "online";
        Ok(rows.iter().filter(is_online).count())
    }

    /// Sends a message as the canvas user would.
    pub(crate) async fn say(&self, to: &Member, text: &str) -> Result<()> {
        let message = json!({"role": "user", "parts": [{"kind": "text", "text": text}]});
        let body = json!({"jsonrpc": "2.0", "id": text, "method": "message/send", "params": {"message": message}});
        let path = format!("/workspaces/{}/a2a", to.id);
        let sender = self.caller(SENDER, false);
        sender.expect("POST", &path, &body).await.map(drop)
    }
}

fn member(created: &Value) -> Result<Member> {
    let token = created["connection"]["auth_token"].as_str();
    Ok(Member {
        id: created["id"].as_str().context("it has no id")?.parse()?,
        token: token.context("it has no token")?.to_owned(),
    })
}
