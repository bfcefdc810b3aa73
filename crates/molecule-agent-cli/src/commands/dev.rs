//! `dev`: a local platform in the foreground, and how to use it.

mod environment;

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum, ValueHint};
use molecule_agent::protocol::endpoints::CreateWorkspace;
use molecule_agent::token_store::{TokenStore, Wait};
use molecule_agent::{AdminClient, PlatformUrl, Token, WorkspaceId, default_state_dir};
use molecule_emulator::{Emulator, EmulatorConfig, EmulatorError};
use serde_json::json;
use uuid::Uuid;

use self::environment::EnvironmentArgs;
use crate::agent::{read_token, read_token_fd, read_token_file};
use crate::args::AdminTokenArgs;
use crate::env;
use crate::exit::{Exit, Problem};
use crate::output::Output;
use crate::signals::Signals;

/// How long another process may hold a token file.
const WAIT: Wait = Wait::For(Duration::from_secs(10));

/// Options of `dev`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a token of yours, the administrator's token is made up once and kept in ~/.molecule/dev (mode 0600).

Plugins are read anew for every download: edit the folder NAME in the directory of --plugins, and `plugin install NAME`
installs what is there now.")]
pub(crate) struct DevArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Which generation of platforms to behave like: b has poll mode
    #[arg(long, value_name = "GENERATION", default_value = "b")]
    generation: Generation,
    /// Keep the platform's state in this file, instead of forgetting it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    state: Option<PathBuf>,
    /// Serve the plugins in this directory, one folder for each
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    plugins: Option<PathBuf>,
    /// Requests per minute and client address
    // Not the setting of the same flag, which is that of agents.
    #[arg(
        id = "platform_rate_limit",
        long = "rate-limit",
        value_name = "N",
        default_value_t = 600
    )]
    rate_limit: u32,
    /// Create a workspace of this name, unless there is one, and keep its token for `connect`
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    admin: AdminTokenArgs,
}

/// The two known servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Generation {
    /// Without poll mode.
    A,
    /// With poll mode and cursors.
    B,
}

impl From<Generation> for molecule_emulator::Generation {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::A => Self::A,
            Generation::B => Self::B,
        }
    }
}

/// Runs the platform until a signal.
///
/// # Errors
/// When the address cannot be listened on, or a file cannot be read or written.
pub(crate) async fn run(args: &DevArgs, io: &Output) -> anyhow::Result<Exit> {
    let signals = Signals::listen()?;
    let _only_one = args.state.as_deref().map(lock_state).transpose()?;
    let given = given_token(&args.admin)?;
    args.check(given.is_some())?;
    let makes_token = given.is_none() && args.environment.has_admin();
    let store = makes_token.then(own_store).transpose()?;
    let kept = store
        .as_ref()
        .map(|store| store.load(WAIT))
        .transpose()?
        .flatten();
    let emulator = Emulator::start(args.config(given.or(kept)))
        .await
        .map_err(explain)?;
    let admin = Some(emulator.admin_token()).filter(|token| !token.is_empty());
    let admin = admin.map(Token::new).transpose()?;
    if let (Some(store), Some(admin)) = (&store, &admin) {
        store.save(admin, WAIT)?;
    }
    let session = Session {
        url: reachable(&emulator)?,
        generation: args.generation,
        org_id: args.environment.org_id.clone(),
        has_admin: admin.is_some(),
        plugins: args.plugins.clone(),
        admin_token: TokenPlace::of(&args.admin, store.as_ref()),
        workspace: None,
    };
    let session = match (&args.workspace, admin) {
        (Some(name), Some(admin)) => session.with_workspace(name, admin).await?,
        _ => session,
    };
    io.data(&session.to_json(), || session.walk_through())?;
    signals.stop.cancelled().await;
    tokio::select! {
        stopped = emulator.stop() => stopped?,
        () = signals.force.cancelled() => {}
    }
    io.note("stopped");
    Ok(Exit::Done)
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write it like 127.0.0.1:8080")
}

/// Locks the file beside the state file, which itself is replaced by every save: of two platforms on one file, the last
/// to save would win.
fn lock_state(path: &Path) -> anyhow::Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let beside = path.with_file_name(name);
    let unusable = || Problem::usage(format!("--state: cannot use {}", beside.display()));
    let file = File::create(&beside).with_context(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!(
                "another platform keeps its state in {}; stop it first, or name another file with --state",
                path.display()
            );
            Err(Problem::new(Exit::Locked, message).into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(unusable),
    }
}

/// Says which option helps where an address cannot be listened on, or a directory not read.
fn explain(error: EmulatorError) -> anyhow::Error {
    match error {
        EmulatorError::Listen { address, source } => anyhow::Error::new(source).context(Problem::usage(format!(
            "cannot listen on {address}; is another platform running there? `--listen 127.0.0.1:0` takes a free port"
        ))),
        EmulatorError::ReadPlugins { path, source } => anyhow::Error::new(source).context(Problem::usage(format!(
            "--plugins: cannot read the directory {}; name one that has a folder for each plugin",
            path.display()
        ))),
        error => error.into(),
    }
}

impl DevArgs {
    fn check(&self, is_token_given: bool) -> anyhow::Result<()> {
        if self.workspace.is_some() && !is_token_given && !self.environment.has_admin() {
            let text = "--workspace: nobody can create one, because this --mode makes up no administrator's token; give \
                        yours with --admin-token-file";
            return Err(Problem::usage(text).into());
        }
        Ok(())
    }

    fn config(&self, admin_token: Option<Token>) -> EmulatorConfig {
        let mut config = EmulatorConfig::new()
            .with_listen(self.listen)
            .with_generation(self.generation.into())
            .with_rate_limit(self.rate_limit);
        config = self.environment.apply(config);
        if let Some(token) = admin_token {
            config = config.with_admin_token(token.expose());
        }
        if let Some(path) = &self.state {
            config = config.with_state_file(path);
        }
        if let Some(path) = &self.plugins {
            config = config.with_plugins_dir(path);
        }
        config
    }
}

/// The administrator's token that the user chose.
fn given_token(args: &AdminTokenArgs) -> anyhow::Result<Option<Token>> {
    if let Some(path) = &args.admin_token_file {
        return read_token_file(path).map(Some);
    }
    if let Some(fd) = args.admin_token_fd {
        return read_token_fd(fd).map(Some);
    }
    let variable = env::get("MOLECULE_ADMIN_TOKEN");
    variable
        .map(|text| read_token(text.as_encoded_bytes(), "the variable MOLECULE_ADMIN_TOKEN"))
        .transpose()
}

/// Where a token of our own making is kept: next to the directories of agents.
fn own_store() -> anyhow::Result<TokenStore> {
    let nobody = WorkspaceId::from(Uuid::nil());
    Ok(TokenStore::new(
        default_state_dir(&nobody)?.with_file_name("dev"),
    ))
}

/// The address that clients on this machine use.
fn reachable(emulator: &Emulator) -> anyhow::Result<PlatformUrl> {
    let mut address = emulator.address();
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("http://{address}").parse()?)
}

/// Where the user finds the administrator's token.
#[derive(Debug)]
enum TokenPlace {
    File(PathBuf),
    Elsewhere,
}

impl TokenPlace {
    fn of(args: &AdminTokenArgs, own: Option<&TokenStore>) -> Self {
        let own = own.map(TokenStore::path);
        own.or_else(|| args.admin_token_file.clone())
            .map_or(Self::Elsewhere, Self::File)
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Elsewhere => None,
        }
    }

    /// A shell function that tells curl the token on its stdin: what is an argument, others can read.
    fn shell_function(&self) -> String {
        let token = self.path().map_or_else(
            || "$MOLECULE_ADMIN_TOKEN".to_owned(),
            |path| format!("$(cat {})", shell_word(path)),
        );
        format!("admin() {{ printf 'header = \"Authorization: Bearer %s\"' \"{token}\"; }}")
    }

    /// The option that names it.
    fn option(&self) -> String {
        self.path()
            .map(|path| format!(" --admin-token-file {}", shell_word(path)))
            .unwrap_or_default()
    }
}

/// What there is to tell about a platform that runs.
struct Session {
    url: PlatformUrl,
    generation: Generation,
    org_id: Option<String>,
    has_admin: bool,
    plugins: Option<PathBuf>,
    admin_token: TokenPlace,
    workspace: Option<WorkspaceId>,
}

impl Session {
    /// Sees to it that there is a workspace of this name, and that an agent on this machine finds its token.
    async fn with_workspace(mut self, name: &str, admin: Token) -> anyhow::Result<Self> {
        let client = AdminClient::connect(self.url.clone(), admin, |builder| match &self.org_id {
            Some(org_id) => builder.org_id(org_id),
            None => builder,
        })?;
        let known = client
            .list()
            .await?
            .into_iter()
            .find(|workspace| workspace.name == name);
        self.workspace = Some(match known {
            Some(workspace) => workspace.id,
            None => create(&client, name).await?,
        });
        Ok(self)
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "platform_url": self.url.to_string(),
            "generation": if self.generation == Generation::A { "a" } else { "b" },
            "admin_token_file": self.admin_token.path(),
            "plugins_dir": self.plugins,
            "workspace_id": self.workspace.map(|id| id.to_string()),
        })
    }

    fn walk_through(&self) -> String {
        let (url, admin) = (&self.url, self.admin_token.shell_function());
        let id = self
            .workspace
            .map_or_else(|| "ID".to_owned(), |id| id.to_string());
        format!(
            "\
A Molecule AI platform listens at {url} (Ctrl-C stops it)

In a second terminal, {create_intro}connect an agent to it:

{create}  molecule-agent connect {id} --platform-url {url} {answers}

In a third one, send it a message as the canvas user would, read the log with its answer, and pause it:

  curl -s {url}/workspaces/{id}/a2a -H 'Content-Type: application/json' \\
    -d '{{\"method\":\"message/send\",\"params\":{{\"message\":{{\"role\":\"user\",\"parts\":[{{\"kind\":\"text\",\"text\":\"hello\"}}]}}}}}}'
  {admin}
  admin | curl -s -K - {url}/workspaces/{id}/activity
  admin | curl -s -K - -X POST {url}/workspaces/{id}/pause
{plugins}{note}",
            create_intro = if self.workspace.is_none() { "create a workspace and " } else { "" },
            create = self.create_line(),
            answers = self.answers(),
            plugins = self.plugins_lines(&id),
            note = self.note(),
        )
    }

    fn create_line(&self) -> String {
        if self.workspace.is_some() {
            return String::new();
        }
        let (url, option) = (&self.url, self.admin_token.option());
        format!("  molecule-agent workspace create my-agent --platform-url {url}{option}\n")
    }

    /// What answers messages to the agent.
    fn answers(&self) -> &'static str {
        match self.generation {
            Generation::A => "--reported-url http://localhost:9000",
            Generation::B => "--exec 'tr a-z A-Z'",
        }
    }

    /// How the agent gets a plugin.
    fn plugins_lines(&self, id: &str) -> String {
        let Some(dir) = &self.plugins else {
            return String::new();
        };
        let (url, dir) = (&self.url, dir.display());
        format!(
            "
Plugins are the folders in {dir}, read anew for every download. Install the one called NAME for the agent:

  curl -s {url}/plugins
  molecule-agent plugin install NAME --workspace-id {id} --platform-url {url}
"
        )
    }

    /// Where this platform is not like most.
    fn note(&self) -> String {
        let generation = (self.generation == Generation::A).then(|| {
            "Generation a has no poll mode: messages are pushed to a server of yours, which --reported-url names.".to_owned()
        });
        let admin = (!self.has_admin).then(|| {
            "There is no administrator's token: leave --admin-token-file and the header Authorization out, or use the token of a \
             workspace in production."
                .to_owned()
        });
        let org_id = self.org_id.as_ref().map(|org_id| {
            let org_id = shell_word(Path::new(org_id));
            format!("Requests name the organisation: --org-id {org_id}, or -H X-Molecule-Org-Id:{org_id} for curl.")
        });
        let notes = [generation, admin, org_id].into_iter().flatten();
        let lines: Vec<_> = notes.map(|note| format!("\n{note}")).collect();
        lines.join("\n")
    }
}

async fn create(client: &AdminClient, name: &str) -> anyhow::Result<WorkspaceId> {
    let created = client.create(CreateWorkspace::new(name)).await?;
    let token = created
        .auth_token()
        .context("the platform issued no token for the workspace")?;
    TokenStore::new(default_state_dir(&created.id)?).save(&Token::new(token.expose())?, WAIT)?;
    Ok(created.id)
}

/// A path as a shell takes it for one word.
fn shell_word(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(is_plain) {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_to_a_shell() {
        for (path, expect) in [
            (
                "/home/a/.molecule/dev/.auth_token",
                "/home/a/.molecule/dev/.auth_token",
            ),
            ("/my files/it's", "'/my files/it'\\''s'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), expect);
        }
    }
}
