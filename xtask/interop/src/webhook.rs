//! A webhook, on a port of its own.

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use molecule_a2a::{Event, TaskState, Version};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What the agent has to know.
pub(crate) const TOKEN: &str = "known-to-the-webhook";

pub(crate) struct Webhook {
    address: String,
    arrivals: UnboundedReceiver<(String, Bytes)>,
}

impl Webhook {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (sender, arrivals) = unbounded_channel();
        let take = async move |Path(name): Path<String>, headers: HeaderMap, body: Bytes| {
            let token = headers.get("x-a2a-notification-token");
            if token.is_none_or(|token| token != TOKEN) {
                return StatusCode::UNAUTHORIZED;
            }
            // Nobody waits for it any more.
            let _ = sender.send((name, body));
            StatusCode::OK
        };
        let app = Router::new().route("/{name}", post(take));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, arrivals })
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Waits until each of these was told that the task is completed.
    pub(crate) async fn wait_for(&mut self, names: &[&str], task: &str) -> Result<()> {
        let mut missing = names.to_vec();
        while !missing.is_empty() {
            let (name, body) = self.arrivals.recv().await.context("the webhook ended")?;
            if is_completed(&body, task)? {
                missing.retain(|one| *one != name);
            }
        }
        Ok(())
    }
}

/// Servers that speak both versions do not all agree on what a webhook of version 0.3 is told.
fn is_completed(body: &[u8], task: &str) -> Result<bool> {
    let read = |version: Version| version.decode_notification(body);
    match read(Version::V1_0).or_else(|_| read(Version::V0_3))? {
        Event::Task(now) => Ok(now.id == task && now.status.state == TaskState::Completed),
        Event::Status(update) => {
            Ok(update.task_id == task && update.status.state == TaskState::Completed)
        }
        Event::Artifact(_) => Ok(false),
        other => bail!("a notification is {other:?}"),
    }
}
