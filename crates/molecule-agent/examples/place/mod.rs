//! Where an example runs: on the platform and as the workspace that its arguments name, or on a platform of its own, where a visitor
//! writes to it.

#![allow(dead_code, reason = "no example needs all of it")]

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use molecule_agent::protocol::endpoints::{
    CreateWorkspace, ListActivity, PauseWorkspace, SendMessage,
};
use molecule_agent::protocol::{Answer, Endpoint, Message, PlatformUrl, WorkspaceId};
use molecule_agent::transport::{Bytes, Clock, ReqwestTransport, SystemClock, Transport, within};
use molecule_agent::{CancellationToken, ClientBuilder, RemoteAgentClient, Token};
use molecule_emulator::{Emulator, EmulatorConfig};
use tempfile::TempDir;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Any error. `main` prints errors by `Debug`, so that is what people read here: what went wrong, and what caused it.
pub(crate) struct Failure(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// How often everybody looks on a platform of the example's own, where nobody has to be spared.
const INTERVAL: Duration = Duration::from_millis(100);

/// The longest that a visit may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A platform and a workspace on it.
pub(crate) struct Place {
    url: PlatformUrl,
    workspace: WorkspaceId,
    own: Option<Own>,
}

/// What there is besides on a platform of the example's own.
struct Own {
    admin_token: String,
    token: Token,
    disk: TempDir,
}

impl Place {
    /// What the arguments name, such as `http://127.0.0.1:8080 9e453dad-99f0-4e01-8c72-0031bf974e26` for what
    /// `molecule-agent dev --workspace hello` printed; without arguments, a new platform.
    pub(crate) fn find() -> Result<Self> {
        let args: Vec<_> = std::env::args().skip(1).collect();
        match args.as_slice() {
            [] => Self::own(),
            [url, workspace] => Ok(Self {
                url: url.parse()?,
                workspace: workspace.parse()?,
                own: None,
            }),
            _ => Err("name the address of a platform and the id of a workspace, or nothing".into()),
        }
    }

    /// A client of the workspace. On a named platform its token is where `molecule-agent` keeps it.
    pub(crate) fn builder(&self) -> ClientBuilder {
        let builder = RemoteAgentClient::builder(self.workspace, self.url.clone());
        match &self.own {
            None => builder,
            Some(own) => builder
                .state_dir(own.disk.path().join("agent"))
                .token(own.token.clone())
                .heartbeat_interval(INTERVAL)
                .state_poll_interval(INTERVAL)
                .poll_interval(INTERVAL),
        }
    }

    /// On a platform of its own, somebody writes this to the agent, waits for the answer and pauses the workspace. If that fails,
    /// the token is cancelled. On a named platform, that somebody is you.
    pub(crate) fn visit(&self, text: &'static str) -> CancellationToken {
        let failed = CancellationToken::new();
        if let Some(own) = &self.own {
            let visitor = Visitor {
                url: self.url.clone(),
                workspace: self.workspace,
                admin_token: own.admin_token.clone(),
            };
            let failed = failed.clone();
            thread::spawn(move || visitor.come(text, &failed));
        }
        failed
    }

    /// The platform lives on a thread of its own as long as the process does, whatever the example does with its threads.
    fn own() -> Result<Self> {
        let (sender, place) = mpsc::channel();
        thread::spawn(move || {
            runtime()?.block_on(async {
                let disk = tempfile::tempdir()?;
                write_plugin(&disk.path().join("plugins/demo-plugin"))?;
                let config = EmulatorConfig::new().with_plugins_dir(disk.path().join("plugins"));
                let emulator = Emulator::start(config).await?;
                sender.send(Self::on(&emulator, disk).await?)?;
                std::future::pending::<Result<()>>().await
            })
        });
        place
            .recv()
            .map_err(|_| "the platform did not start".into())
    }

    async fn on(emulator: &Emulator, disk: TempDir) -> Result<Self> {
        let url: PlatformUrl = emulator.url().parse()?;
        let admin_token = emulator.admin_token().to_owned();
        let created = call(&url, &admin_token, &CreateWorkspace::new("example")).await?;
        let token = created.auth_token().ok_or("there is no token")?.expose();
        let secret = r#"{"key":"API_KEY","value":"s3cr3t"}"#;
        let secret = http::Request::post(format!("{url}/workspaces/{}/secrets", created.id))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::from(secret))?;
        ReqwestTransport::new()?.send(secret).await?;
        let own = Own {
            token: Token::new(token)?,
            admin_token,
            disk,
        };
        Ok(Self {
            url,
            workspace: created.id,
            own: Some(own),
        })
    }
}

/// Somebody at the platform's canvas.
struct Visitor {
    url: PlatformUrl,
    workspace: WorkspaceId,
    admin_token: String,
}

impl Visitor {
    #[expect(clippy::print_stderr, reason = "nobody waits for the visitor")]
    fn come(&self, text: &str, failed: &CancellationToken) {
        let visited = runtime().and_then(|runtime| runtime.block_on(self.visit(text)));
        if let Err(error) = visited {
            eprintln!("the visitor: {error:?}");
            failed.cancel();
        }
    }

    #[expect(clippy::print_stdout, reason = "it is what the visitor sees")]
    async fn visit(&self, text: &str) -> Result<()> {
        let message = Message::text("visit", text);
        let send = SendMessage::from_canvas(self.workspace, message);
        call(&self.url, &self.admin_token, &send).await?;
        println!("the visitor: {text}");
        let clock = SystemClock::new();
        let answer = within(&clock, PATIENCE, self.answer(&clock)).await;
        let answer = answer.map_err(|_| "the agent does not answer")??;
        println!("the agent: {answer}");
        call(
            &self.url,
            &self.admin_token,
            &PauseWorkspace::new(self.workspace),
        )
        .await?;
        Ok(())
    }

    /// The agent's answer is a notification in the workspace's log.
    async fn answer(&self, clock: &SystemClock) -> Result<String> {
        loop {
            let log = ListActivity::inbound(self.workspace);
            let page = call(&self.url, &self.admin_token, &log).await?;
            let notified = page.rows.iter().find(|row| row.method == "notify");
            let body = notified.and_then(|row| row.response_body.as_ref());
            if let Some(text) = body.and_then(|body| body["result"].as_str()) {
                return Ok(text.to_owned());
            }
            clock.sleep(INTERVAL).await;
        }
    }
}

/// An endpoint is a value: anyone can call it over an HTTP client of their own.
async fn call<E: Endpoint>(url: &PlatformUrl, token: &str, endpoint: &E) -> Result<E::Output> {
    let mut request = endpoint.call().to_request(url).map(Bytes::from);
    let bearer = format!("Bearer {token}").parse()?;
    request.headers_mut().insert("authorization", bearer);
    let (head, body) = ReqwestTransport::new()?.send(request).await?.into_parts();
    let body = body.collect().await?;
    Ok(endpoint.read(&Answer::new(head.status, &head.headers, &body))?)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

/// A plugin that the platform serves.
fn write_plugin(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir.join("rules"))?;
    fs::write(
        dir.join("plugin.yaml"),
        "name: demo-plugin\nversion: 1.0.0\n",
    )?;
    fs::write(dir.join("rules/politeness.md"), "Say please.\n")?;
    Ok(())
}
