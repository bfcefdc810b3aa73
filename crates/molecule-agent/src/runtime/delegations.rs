//! Delegations that ended: written to a file, and told to the agent and its user.

use std::collections::HashSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use molecule_protocol::{Delegation, DelegationId, DelegationStatus};
use rustix::fs::OFlags;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::registration;
use crate::delegation::regular_file::open_regular;
use crate::life::describe;
use crate::{AgentError, CallPeer, RemoteAgentClient};

/// The shortest time between two messages to the agent itself.
const BETWEEN_MESSAGES: Duration = Duration::from_secs(60);

/// How long the agent may take for its answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// As much of a file that was left as is looked at for what it tells already, in bytes.
const READ_BACK: u64 = 16 << 20;

/// Looks for delegations that ended once in each interval of heartbeats. A refused token shows here too, and is a reason to register again.
pub(super) async fn watch(client: RemoteAgentClient, file: PathBuf) {
    let mut results = Results::new(client.clone(), file).await;
    loop {
        client
            .clock()
            .sleep(client.settings().heartbeat_interval)
            .await;
        match client.delegations().await {
            Ok(delegations) => results.take(&delegations).await,
            Err(AgentError::TokenRejected { .. } | AgentError::NoToken(_)) => {
                registration::try_once(&client).await;
            }
            Err(error) => {
                tracing::warn!(error = describe(&error), "listing delegations failed");
            }
        }
    }
}

struct Results {
    client: RemoteAgentClient,
    file: PathBuf,
    /// What is in the file, as far as the platform still lists it.
    known: HashSet<DelegationId>,
    /// What the agent was not told yet, in a line each.
    untold: Vec<String>,
    told_at: Option<Duration>,
    telling: JoinSet<()>,
}

impl Results {
    async fn new(client: RemoteAgentClient, file: PathBuf) -> Self {
        let path = file.clone();
        let known = client.files().run(move || read_back(&path)).await;
        Self {
            client,
            file,
            known: known.unwrap_or_default(),
            untold: Vec::new(),
            told_at: None,
            telling: JoinSet::new(),
        }
    }

    async fn take(&mut self, delegations: &[Delegation]) {
        let me = Some(self.client.workspace_id());
        let own = delegations.iter().filter(|one| one.source_id == me);
        let ended: Vec<_> = own.filter(|one| one.status.is_final()).collect();
        let new: Vec<_> = ended
            .iter()
            .copied()
            .filter(|one| !self.known.contains(&one.id))
            .collect();
        if !new.is_empty() && self.write(&new).await {
            self.untold.extend(new.into_iter().map(in_a_line));
            self.known = ended.into_iter().map(|one| one.id).collect();
        }
        self.tell();
    }

    /// Whether it is in the file; if not, the next look finds it again.
    async fn write(&self, new: &[&Delegation]) -> bool {
        let now = self.client.clock().wall();
        let text: String = new
            .iter()
            .map(|one| format!("{}\n", record(one, now)))
            .collect();
        let path = self.file.clone();
        let written = self.client.files().run(move || append(&path, &text)).await;
        if let Err(error) = &written {
            tracing::warn!(%error, file = %self.file.display(), "results of delegations cannot be written");
        }
        written.is_ok()
    }

    /// Tells the agent, which may take its time for the answer, and its user.
    fn tell(&mut self) {
        while self.telling.try_join_next().is_some() {}
        let now = self.client.clock().now();
        let is_early = |at: Duration| now.saturating_sub(at) < BETWEEN_MESSAGES;
        if self.untold.is_empty() || self.told_at.is_some_and(is_early) {
            return;
        }
        self.told_at = Some(now);
        let lines = std::mem::take(&mut self.untold).join("\n");
        self.telling
            .spawn(tell_user(self.client.clone(), lines.clone()));
        self.telling.spawn(tell_agent(self.client.clone(), lines));
    }
}

async fn tell_agent(client: RemoteAgentClient, lines: String) {
    let text = format!("Delegations have ended. Look at their results and act on them:\n{lines}");
    let options = CallPeer::new()
        .with_prefer_direct(false)
        .with_timeout(PATIENCE);
    if let Err(error) = client.call_peer(client.workspace_id(), text, options).await {
        tracing::warn!(
            error = describe(&error),
            "telling the agent of its delegations failed"
        );
    }
}

async fn tell_user(client: RemoteAgentClient, lines: String) {
    if let Err(error) = client.notify(&lines, &[]).await {
        tracing::warn!(
            error = describe(&error),
            "telling the user of delegations failed"
        );
    }
}

fn in_a_line(delegation: &Delegation) -> String {
    let target = delegation.target_id.map(|id| id.to_string());
    let target = target.unwrap_or_else(|| "another workspace".to_owned());
    let said = said(delegation).replace(char::is_control, " ");
    format!("- {} by {target}: {said}", delegation.status)
}

fn said(delegation: &Delegation) -> &str {
    let text = match delegation.status {
        DelegationStatus::Failed => &delegation.error,
        _ => &delegation.response_preview,
    };
    text.as_deref().unwrap_or("no text")
}

/// A line of the file, as the original writes it.
fn record(delegation: &Delegation, now: SystemTime) -> Value {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "delegation_id": delegation.id,
        "source_id": delegation.source_id,
        "target_id": delegation.target_id,
        "status": delegation.status.to_string(),
        "response_preview": delegation.response_preview.as_deref().unwrap_or_default(),
        "error": delegation.error.as_deref().unwrap_or_default(),
        "timestamp": since.as_secs_f64(),
    })
}

/// The file is in a directory that others can write to.
fn append(path: &Path, text: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
    let file = open_regular(path, flags)?;
    let mut file = file.ok_or_else(|| io::Error::other("it is not a regular file"))?;
    file.write_all(text.as_bytes())
}

/// What an earlier runtime wrote.
fn read_back(path: &Path) -> io::Result<HashSet<DelegationId>> {
    let mut text = Vec::new();
    if let Some(file) = open_regular(path, OFlags::RDONLY)? {
        file.take(READ_BACK).read_to_end(&mut text)?;
    }
    let ids = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let line: Value = serde_json::from_slice(line).ok()?;
        line.get("delegation_id")?.as_str()?.parse().ok()
    });
    Ok(ids.collect())
}
