//! `demo`: a platform, an agent and a conversation, over real HTTP and with a real handler process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, header};
use molecule_agent::protocol::endpoints::{
    CreateWorkspace, GetWorkspace, ListActivity, Lookup, PauseWorkspace, SendMessage,
};
use molecule_agent::protocol::{Answer, Auth, Endpoint, Message, WorkspaceStatus};
use molecule_agent::transport::{Clock, ReqwestTransport, SystemClock, Transport as _, within};
use molecule_agent::{
    CancellationToken, Connect, PlatformUrl, RemoteAgentClient, StopReason, Token, WorkspaceId,
};
use molecule_emulator::{Emulator, EmulatorConfig};
use serde::Serialize;
use uuid::Uuid;

use crate::exit::Exit;
use crate::handlers::{Context, HandlerArgs};
use crate::output::Output;
use crate::signals::Signals;

/// What answers the message.
const HANDLER: &str = "tr a-z A-Z";

/// The pause between two looks, of the agent and of the demo itself.
const INTERVAL: Duration = Duration::from_millis(200);

/// The longest that all of it may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Options of `demo`: none.
#[derive(Debug, Args)]
#[command(after_help = "\
It starts a platform on a free port of this machine, creates a workspace, connects an agent whose handler is the process
`tr a-z A-Z`, sends it a random word over HTTP as the canvas user would, reads the answer back from the platform, pauses
the workspace and waits for the agent to stop. Nothing is kept. If the answer is not that word in capitals, it fails.")]
pub(crate) struct DemoArgs {}

/// Runs the demo.
///
/// # Errors
/// When any step fails, the answer is wrong, or all of it takes longer than 15 s.
pub(crate) async fn run(_args: &DemoArgs, io: &Output) -> anyhow::Result<Exit> {
    let signals = Signals::listen()?;
    let dir = tempfile::tempdir().context("cannot create a temporary directory")?;
    let emulator = Emulator::start(EmulatorConfig::new()).await?;
    let demo = Demo::new(&emulator, io)?;
    let summary = tokio::select! {
        told = within(demo.clock.as_ref(), LIMIT, demo.tell(dir.path())) => {
            told.unwrap_or_else(|_| bail!("the demo did not get further within {} s", LIMIT.as_secs()))
        }
        () = signals.stop.cancelled() => bail!("a signal ended the demo"),
    };
    emulator.stop().await?;
    dir.close()
        .context("cannot remove the temporary directory")?;
    if io.is_json() {
        io.data(&summary?, String::new)?;
    } else {
        summary?;
    }
    Ok(Exit::Done)
}

/// What happened.
#[derive(Debug, Serialize)]
struct Summary {
    platform_url: String,
    workspace_id: String,
    handler: &'static str,
    sent: String,
    answer: String,
    stopped: &'static str,
    elapsed_ms: u128,
}

/// The platform as its administrator and its user see it: HTTP and nothing else.
struct Demo<'a> {
    platform: PlatformUrl,
    admin_token: HeaderValue,
    http: ReqwestTransport,
    clock: Arc<dyn Clock>,
    started: Duration,
    io: &'a Output,
}

impl<'a> Demo<'a> {
    fn new(emulator: &Emulator, io: &'a Output) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut admin_token = HeaderValue::try_from(format!("Bearer {}", emulator.admin_token()))?;
        admin_token.set_sensitive(true);
        Ok(Self {
            platform: emulator.url().parse()?,
            admin_token,
            http: ReqwestTransport::new()?,
            started: clock.now(),
            clock,
            io,
        })
    }

    async fn tell(&self, dir: &std::path::Path) -> anyhow::Result<Summary> {
        self.step(&format!("a platform listens at {}", self.platform))?;
        let created = self.call(&CreateWorkspace::new("demo")).await?;
        self.step(&format!(
            "the administrator created workspace {}",
            created.id
        ))?;
        let token = created
            .auth_token()
            .context("the platform issued no token")?;
        let client = self.agent(created.id, dir)?;
        client.save_token(Token::new(token.expose())?).await?;
        let (stopped, (sent, answer)) =
            tokio::try_join!(self.live(&client), self.converse(created.id))?;
        self.step(&format!("the agent stopped: {stopped}"))?;
        ensure!(
            stopped == StopReason::Paused,
            "the agent stopped, but not because of the pause"
        );
        Ok(Summary {
            platform_url: self.platform.to_string(),
            workspace_id: created.id.to_string(),
            handler: HANDLER,
            sent,
            answer,
            stopped: stopped.as_str(),
            elapsed_ms: self.elapsed().as_millis(),
        })
    }

    fn agent(&self, id: WorkspaceId, dir: &std::path::Path) -> anyhow::Result<RemoteAgentClient> {
        let builder = RemoteAgentClient::builder(id, self.platform.clone())
            .state_dir(dir.join(id.to_string()))
            .poll_interval(INTERVAL)
            .state_poll_interval(INTERVAL);
        Ok(builder.build()?)
    }

    /// The agent's side: it lives until it is told to stop.
    async fn live(&self, client: &RemoteAgentClient) -> anyhow::Result<StopReason> {
        let handler = HandlerArgs::exec(HANDLER)
            .build(Context::new(client.clone()))
            .await?;
        let never = CancellationToken::new();
        Ok(client.connect(handler, Connect::new(), &never).await?)
    }

    /// The user's side: what was sent, and what the agent answered.
    async fn converse(&self, id: WorkspaceId) -> anyhow::Result<(String, String)> {
        while !self.is_online(id).await? {
            self.clock.sleep(INTERVAL).await;
        }
        self.step(&format!(
            "an agent is online, its handler is the process `{HANDLER}`"
        ))?;
        let word = random_word();
        let message = Message::text(Uuid::new_v4().to_string(), &word);
        self.call(&SendMessage::from_canvas(id, message)).await?;
        self.step(&format!("the canvas user sent   {word:?}"))?;
        let answer = self.answer(id).await?;
        self.step(&format!("the agent answered     {answer:?}"))?;
        let expect = word.to_uppercase();
        ensure!(
            answer == expect,
            "the answer is not {expect:?}, which the handler makes of {word:?}"
        );
        self.call(&PauseWorkspace::new(id)).await?;
        self.step("the administrator paused the workspace")?;
        Ok((word, answer))
    }

    async fn is_online(&self, id: WorkspaceId) -> anyhow::Result<bool> {
        let lookup = self.call(&GetWorkspace::new(id)).await?;
        Ok(matches!(lookup, Lookup::Found(info) if info.status == WorkspaceStatus::Online))
    }

    /// The answer in the platform's log, which the canvas shows.
    async fn answer(&self, id: WorkspaceId) -> anyhow::Result<String> {
        loop {
            let page = self.call(&ListActivity::inbound(id)).await?;
            let notified = page.rows.iter().find(|row| row.method == "notify");
            if let Some(row) = notified {
                let text = row
                    .response_body
                    .as_ref()
                    .and_then(|body| body.get("result")?.as_str());
                return Ok(text
                    .context("the answer in the log has no text")?
                    .to_owned());
            }
            self.clock.sleep(INTERVAL).await;
        }
    }

    /// Makes a call: with the administrator's token, unless it needs none.
    async fn call<E: Endpoint + Sync>(&self, endpoint: &E) -> anyhow::Result<E::Output> {
        let call = endpoint.call();
        let mut request = call.to_request(&self.platform).map(Bytes::from);
        if call.auth != Auth::Open {
            let token = self.admin_token.clone();
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        let (head, body) = self.http.send(request).await?.into_parts();
        let body = body.collect().await?;
        Ok(endpoint.read(&Answer::new(head.status, &head.headers, &body))?)
    }

    fn step(&self, text: &str) -> anyhow::Result<()> {
        if self.io.is_json() {
            return Ok(());
        }
        self.io.data(&text, || {
            format!("{:>5} ms  {text}", self.elapsed().as_millis())
        })
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.started)
    }
}

/// A word that nobody can know beforehand: 16 letters from a to p.
fn random_word() -> String {
    let bytes = Uuid::new_v4().into_bytes();
    bytes
        .map(|byte| char::from(b'a' + byte % 16))
        .iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_letters_that_capitals_change_and_differ() {
        let word = random_word();
        assert_eq!(word.len(), 16);
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        assert_ne!(word, random_word());
    }
}
