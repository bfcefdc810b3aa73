//! A platform in this process, and the program in its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use molecule_agent::protocol::endpoints::{CreateWorkspace, Lookup, WorkspaceInfo};
use molecule_agent::token_store::{TokenStore, Wait};
use molecule_agent::transport::{Bytes, ReqwestTransport, Transport, http};
use molecule_agent::{AdminClient, Token, WorkspaceId};
use molecule_emulator::{Emulator, EmulatorConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A command of the binary with an empty environment and a home of its own.
pub(crate) struct Program {
    command: Command,
    input: Option<Vec<u8>>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests start the program here, with an environment of their own"
)]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

impl Program {
    pub(crate) fn new(home: &Path, args: &[&str]) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_molecule-agent"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = None;
        Self { command, input }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, text: &str) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = Some(text.as_bytes().to_vec());
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// The same with the file open as descriptor 7.
    pub(crate) fn file_at_7(self, path: &Path) -> Self {
        self.by_shell(r#"exec "$@" 7<"$0""#, path)
    }

    /// The same with a soft limit of so many open files.
    pub(crate) fn with_few_files(self) -> Self {
        self.by_shell(r#"ulimit -S -n 256; exec "$@""#, Path::new("sh"))
    }

    /// The same where no file can grow, until `prlimit` says otherwise.
    pub(crate) fn on_a_full_disk(self) -> Self {
        let script = r#"trap '' XFSZ; ulimit -S -f 0; exec "$@""#;
        self.by_shell(script, Path::new("sh"))
    }

    /// The same by a shell whose place the program takes.
    fn by_shell(self, script: &str, zero: &Path) -> Self {
        let environment = self.command.get_envs();
        let mut shell = command("/bin/sh");
        shell
            .args(["-c", script])
            .arg(zero)
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .env_clear()
            .envs(environment.filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            command: shell,
            input: None,
        }
    }

    pub(crate) fn start(mut self) -> Child {
        let mut child = self.command.spawn().unwrap();
        if let Some(input) = self.input {
            child.stdin.take().unwrap().write_all(&input).unwrap();
        }
        child
    }

    pub(crate) fn run(self) -> Ran {
        Ran::of(&self.start().wait_with_output().unwrap())
    }
}

/// A process that does not outlive its test.
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) const fn of(child: Child) -> Self {
        Self(Some(child))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub(crate) fn ends(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a moment of real time, for another process"
)]
pub(crate) async fn rest(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// What is found, once it is there, which takes a minute at most. `what` is named where it does not come.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => rest(5).await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    found.unwrap_or_else(|_| panic!("waited for a minute, in vain, for {what}"))
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) {
        assert_eq!(self.code, 0, "{self:?}");
    }

    /// It ended well, with this on stdout.
    #[track_caller]
    pub(crate) fn prints(&self, stdout: &str) -> &Self {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (0, stdout),
            "{}",
            self.stderr
        );
        self
    }

    /// It ended well, with this JSON on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// It failed with this code, nothing on stdout, and an error on stderr that contains all of these.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) -> &Self {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {}", self.stderr);
        }
        self
    }
}

/// A platform and a home directory.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) admin: AdminClient,
    pub(crate) home: TempDir,
    http: ReqwestTransport,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(EmulatorConfig::new()).await
    }

    pub(crate) async fn with(config: EmulatorConfig) -> Self {
        let config = config.with_rate_limit(u32::MAX);
        let emulator = Emulator::start(config).await.unwrap();
        let token = Token::new(emulator.admin_token()).unwrap();
        let admin = AdminClient::connect(emulator.url().parse().unwrap(), token, |b| b).unwrap();
        Self {
            emulator,
            admin,
            home: tempfile::tempdir().unwrap(),
            http: ReqwestTransport::builder().build().unwrap(),
        }
    }

    /// The platform ends, and another one begins at its address.
    pub(crate) async fn restart(self, config: EmulatorConfig) -> Self {
        let listen = self.emulator.address();
        self.emulator.stop().await.unwrap();
        let config = config.with_listen(listen).with_rate_limit(u32::MAX);
        let emulator = Emulator::start(config).await.unwrap();
        Self { emulator, ..self }
    }

    /// A workspace whose token is in the home directory.
    pub(crate) async fn agent(&self) -> Agent<'_> {
        let created = self
            .admin
            .create(CreateWorkspace::new("tester"))
            .await
            .unwrap();
        let agent = Agent {
            world: self,
            id: created.id,
        };
        let token = Token::new(created.auth_token().unwrap().expose()).unwrap();
        agent.store().save(&token, Wait::No).unwrap();
        agent
    }

    /// The program, told where the platform is.
    pub(crate) fn program(&self, args: &[&str]) -> Program {
        Program::new(self.home.path(), args).env("MOLECULE_PLATFORM_URL", &self.emulator.url())
    }

    /// The program as the platform's administrator.
    pub(crate) fn as_admin(&self, args: &[&str]) -> Program {
        self.program(args)
            .env("MOLECULE_ADMIN_TOKEN", self.emulator.admin_token())
    }

    /// A request as anybody can make it.
    async fn request(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&Token>,
        body: Bytes,
    ) -> Value {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.emulator.url()));
        if let Some(token) = bearer {
            request = request.header("Authorization", format!("Bearer {}", token.expose()));
        }
        let answer = self.http.send(request.body(body).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        assert!(head.status.is_success(), "{method} {path}: {}", head.status);
        serde_json::from_slice(&body.collect().await.unwrap()).unwrap()
    }

    async fn post(&self, path: &str, bearer: Option<&Token>, body: &Value) -> Value {
        let body = serde_json::to_vec(body).unwrap();
        self.request("POST", path, bearer, body.into()).await
    }
}

/// A workspace and its files.
pub(crate) struct Agent<'a> {
    pub(crate) world: &'a World,
    pub(crate) id: WorkspaceId,
}

impl Agent<'_> {
    pub(crate) fn dir(&self) -> PathBuf {
        self.world
            .home
            .path()
            .join(".molecule")
            .join(self.id.to_string())
    }

    pub(crate) fn store(&self) -> TokenStore {
        TokenStore::new(self.dir())
    }

    pub(crate) fn token(&self) -> Token {
        self.store().load(Wait::No).unwrap().unwrap()
    }

    /// The program, told where the platform is and who it is.
    pub(crate) fn program(&self, args: &[&str]) -> Program {
        self.world
            .program(args)
            .env("MOLECULE_WORKSPACE_ID", &self.id.to_string())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.program(args).run()
    }

    /// An agent that looks for work and for its end as often as it can.
    pub(crate) fn connect(&self, args: &[&str]) -> Program {
        let hurry = ["--poll-interval", "20ms", "--state-poll-interval", "20ms"];
        self.program(&[&["connect"], args, &hurry].concat())
    }

    pub(crate) async fn info(&self) -> WorkspaceInfo {
        match self.world.admin.show(self.id).await.unwrap() {
            Lookup::Found(info) => *info,
            other => panic!("{other:?}"),
        }
    }

    /// The canvas user says something.
    pub(crate) async fn hears(&self, text: &str) {
        self.asks(text).await;
    }

    /// The canvas user says something, and is answered at once.
    pub(crate) async fn asks(&self, text: &str) -> Value {
        let message = json!({"role": "user", "parts": [{"kind": "text", "text": text}]});
        let body = json!({"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": message}});
        self.world.post(&self.path("a2a"), None, &body).await
    }

    /// The agent tells the canvas something, without the program.
    pub(crate) async fn notifies(&self, text: &str) {
        let body = json!({"message": text});
        self.world
            .post(&self.path("notify"), Some(&self.token()), &body)
            .await;
    }

    /// The platform's user keeps a secret for the agent.
    pub(crate) async fn is_given(&self, key: &str, value: &str) {
        let body = json!({"key": key, "value": value});
        self.world
            .post(&self.path("secrets"), Some(&self.token()), &body)
            .await;
    }

    /// The one message in the inbox.
    pub(crate) fn only_message(&self) -> Value {
        self.run(&["inbox", "--json"]).json()
    }

    /// What the agent told the canvas, by its log.
    pub(crate) async fn notifications(&self) -> Vec<String> {
        let (token, path) = (self.token(), self.path("activity?limit=500"));
        let rows = self.world.request("GET", &path, Some(&token), Bytes::new());
        let rows = rows.await;
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| row["method"] == "notify")
            .map(|row| row["response_body"]["result"].as_str().unwrap().to_owned())
            .collect()
    }

    fn path(&self, what: &str) -> String {
        format!("/workspaces/{}/{what}", self.id)
    }
}
