//! What is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use clap::ValueEnum;
use molecule_a2a::{
    A2aError, A2aServer, Answer, Artifact, Card, Incoming, MemoryTaskStore, Message, Part,
    ServerOptions, TaskContext, TaskOutcome, TaskWork,
};
use molecule_transport::SystemClock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::time::pause;

/// What asks for a task that says nothing more.
pub(crate) const HOLD: &str = "hold";
/// What asks for a task that says more than anybody reads.
pub(crate) const FLOOD: &str = "flood";

/// Pieces that a flood begins with, more than all buffers hold, before it becomes a trickle.
const SURGE: usize = 200;
const PIECE: usize = 64 * 1024;

/// What the task store holds.
const TASKS: usize = 100_000;
const BYTES: usize = 256 << 20;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Parses the body to a JSON value, and answers the same bytes
    Axum,
    /// The A2A server
    A2a,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::A2a => "a2a",
        }
    }
}

/// Serves until it is killed. Its address is its first line.
pub(crate) async fn run(kind: Kind) -> Result<()> {
    let any: SocketAddr = "127.0.0.1:0".parse()?;
    match kind {
        Kind::Axum => {
            let listener = TcpListener::bind(any).await?;
            println!("{}", listener.local_addr()?);
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
                // As the other server does.
                let _ = stream.set_nodelay(true);
            });
            Ok(axum::serve(listener, Router::new().route("/", post(echo))).await?)
        }
        Kind::A2a => {
            // Each of the many streams is about a task of its own that does not end.
            let store = MemoryTaskStore::new(Arc::new(SystemClock::new())).with_room(TASKS, BYTES);
            let card = Card::new("bench", "");
            let options = ServerOptions::new(card).with_task_store(Arc::new(store));
            let server = A2aServer::bind(any, Arc::new(answer), options)?;
            println!("{}", server.local_addr());
            Ok(server.run(CancellationToken::new()).await?)
        }
    }
}

async fn echo(body: Bytes) -> impl IntoResponse {
    match serde_json::from_slice::<Value>(&body) {
        Ok(_) => Ok(([(header::CONTENT_TYPE, "application/json")], body)),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

async fn answer(incoming: Incoming) -> Result<Answer, A2aError> {
    match incoming.message.text().as_str() {
        HOLD => Ok(TaskWork::new(hold).into()),
        FLOOD => Ok(TaskWork::new(flood).into()),
        text => Ok(Message::agent(text).into()),
    }
}

async fn hold(task: TaskContext) -> TaskOutcome {
    task.cancellation().cancelled().await;
    TaskOutcome::canceled()
}

async fn flood(task: TaskContext) -> TaskOutcome {
    for number in 0.. {
        let piece = Artifact::new("flood").with_part(Part::text("x".repeat(PIECE)));
        if task.artifact(piece).await.is_err() {
            break;
        }
        if number > SURGE {
            pause(Duration::from_millis(500)).await;
        }
    }
    TaskOutcome::canceled()
}
