//! Messages for the handlers' tests.

use std::time::{Duration, SystemTime};

use molecule_agent::protocol::{ActivityRow, Inbound};
use molecule_agent::transport::{BoxFuture, Clock};
use molecule_agent::{CancellationToken, InboundMessage, RemoteAgentClient, WorkspaceId};
use serde_json::{Value, json};

use super::Context;

pub(super) const PEER: &str = "c7a82861-b15f-421d-903c-f767f108d62f";

pub(super) fn me() -> WorkspaceId {
    "aa4182ce-f4e6-423f-a503-ed23ade8b5ac".parse().unwrap()
}

/// Of an agent whose platform nobody asks anything.
pub(super) fn context() -> Context {
    let platform = "http://127.0.0.1:9".parse().unwrap();
    let client = RemoteAgentClient::builder(me(), platform).state_dir("unused");
    Context::new(client.build().unwrap())
}

/// A message that the canvas user typed.
pub(super) fn from_canvas(text: &str) -> InboundMessage {
    message(None, text, json!({}))
}

/// A message from [`PEER`], with a task and metadata.
pub(super) fn from_peer(text: &str) -> InboundMessage {
    message(
        Some(PEER),
        text,
        json!({"taskId": "t-1", "metadata": {"lang": "de"}}),
    )
}

/// A message as the platform's log has it, with `more` in it.
pub(super) fn message(source: Option<&str>, text: &str, more: Value) -> InboundMessage {
    let mut message =
        json!({"messageId": "m-1", "role": "user", "parts": [{"kind": "text", "text": text}]});
    let more = more.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(more);
    let row: ActivityRow = serde_json::from_value(json!({
        "id": "28aa9223-a2e1-4348-ac8d-55c47e1b030e", "created_at": "2026-11-22T04:01:56.415484Z",
        "activity_type": "a2a_receive", "method": "message/send", "status": "ok", "source_id": source,
        "request_body": {"jsonrpc": "2.0", "method": "message/send", "params": {"message": message}},
    }))
    .unwrap();
    match row.inbound(&me()) {
        Inbound::Message(message) => *message,
        other => panic!("no message: {other:?}"),
    }
}

/// A clock by which no time passes until it rings; then every wait is over.
#[derive(Debug, Clone, Default)]
pub(super) struct Alarm(CancellationToken);

impl Alarm {
    pub(super) fn ring(&self) {
        self.0.cancel();
    }
}

impl Clock for Alarm {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.0.clone().cancelled_owned())
    }

    fn jitter(&self) -> f64 {
        0.0
    }
}
