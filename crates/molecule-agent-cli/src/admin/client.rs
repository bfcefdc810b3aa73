//! Asks a running agent.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use molecule_agent::transport::{SystemClock, within};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::socket::NAME;
use crate::exit::{Exit, Problem};

/// How long an agent may take to answer; its disk may be slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running agent, by its directory.
#[derive(Debug)]
pub(crate) struct AgentClient {
    path: PathBuf,
}

impl AgentClient {
    /// The agent that answers in a directory, if one does.
    ///
    /// # Errors
    /// When that cannot be known.
    pub(crate) async fn find(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(NAME);
        match UnixStream::connect(&path).await {
            Ok(_) => Ok(Some(Self { path })),
            Err(error) if nobody_listens(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| {
                Problem::usage(format!(
                    "cannot ask the agent at {}; is its directory another user's?",
                    path.display()
                ))
            }),
        }
    }

    /// What the agent answers; nothing if there is no such thing.
    ///
    /// # Errors
    /// The agent's own, or when it gives no answer.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Option<Value>> {
        let clock = SystemClock::new();
        let answered = within(&clock, PATIENCE, self.exchange(method, path)).await;
        let answered = answered.map_err(|_| self.silent())?;
        let (status, body) = answered.with_context(|| self.silent())?;
        let answer: Value = serde_json::from_slice(&body).with_context(|| self.silent())?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            _ => Err(failure(&answer).into()),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = UnixStream::connect(&self.path).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "agent")
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    fn silent(&self) -> Problem {
        let message = format!(
            "the agent at {} gives no usable answer; it may be about to end, or of another version",
            self.path.display()
        );
        Problem::new(Exit::Temporary, message)
    }
}

/// A path that is too long for a socket is one at which no agent can listen.
fn nobody_listens(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput
    )
}

fn failure(answer: &Value) -> Problem {
    let error = &answer["error"];
    let exit = error["exit_code"].as_u64().and_then(Exit::of_code);
    let message = error["message"]
        .as_str()
        .unwrap_or("the agent failed without words");
    Problem::new(exit.unwrap_or(Exit::Unexpected), message)
}
