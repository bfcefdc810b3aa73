//! Handlers as an agent runs them: real processes that answer real messages.

use std::io::Read as _;

use molecule_agent::CancellationToken;
use molecule_agent::protocol::WorkspaceStatus;
use molecule_agent::stub::{StubConfig, StubRuntime};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Agent, Process, Program, Ran, World, command, until};

/// An agent that runs until it is stopped or dropped.
struct Running(Process);

impl Running {
    /// Starts an agent and waits until it is online.
    async fn start(agent: &Agent<'_>, program: Program) -> Self {
        let running = Self(Process::of(program.start()));
        until("the agent to be online", async || {
            (agent.info().await.status == WorkspaceStatus::Online).then_some(())
        })
        .await;
        running
    }

    fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    fn ends(self) -> Ran {
        Ran::of(&self.0.ends())
    }

    fn stop(self) -> Ran {
        self.signal(Signal::TERM);
        self.ends()
    }
}

/// What the agent tells the canvas first.
async fn told(agent: &Agent<'_>) -> String {
    until("an answer", async || agent.notifications().await.pop()).await
}

/// What an agent with these options answers to `text`.
async fn answer(agent: &Agent<'_>, program: Program, text: &str) -> String {
    let running = Running::start(agent, program).await;
    agent.hears(text).await;
    let answer = told(agent).await;
    running.stop().succeeds();
    answer
}

async fn check(args: &[&str], text: &str, expect: &str) {
    let world = World::start().await;
    let agent = world.agent().await;
    assert_eq!(
        answer(&agent, agent.connect(args), text).await,
        expect,
        "{args:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reads_the_message_as_json_if_it_wants() {
    let world = World::start().await;
    let agent = world.agent().await;
    let program = agent.connect(&["--exec", "cat", "--exec-input", "json"]);
    let message: Value = serde_json::from_str(&answer(&agent, program, "hello").await).unwrap();
    assert_eq!(
        (
            &message["text"],
            &message["sender"],
            &message["workspace_id"]
        ),
        (
            &json!("hello"),
            &json!("canvas_user"),
            &json!(agent.id.to_string())
        )
    );
    assert_eq!(message["parts"], json!([{"kind": "text", "text": "hello"}]));
    assert_eq!(message["activity_id"].as_str().unwrap().len(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canvas_is_told_how_a_command_failed() {
    let command = "echo 'no such city' >&2; exit 3";
    check(
        &["--exec", command],
        "hi",
        "Agent error: exit status 3: no such city",
    )
    .await;
    let hangs = ["--exec", "sleep 600", "--exec-timeout", "100ms"];
    check(
        &hangs,
        "hi",
        "Agent error: not done after 0.1 s, so it was stopped",
    )
    .await;
    let chatters = ["--exec", "yes", "--exec-max-output", "100"];
    check(
        &chatters,
        "hi",
        "Agent error: printed more than 100 bytes, so it was stopped",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_inherits_the_users_environment_without_tokens() {
    let world = World::start().await;
    let agent = world.agent().await;
    let token = agent.token();
    let run = |args: &[&str]| {
        agent
            .connect(args)
            .env("MOLECULE_WORKSPACE_TOKEN", token.expose())
            .env("MOLECULE_ADMIN_TOKEN", world.emulator.admin_token())
            .env("MOLECULE_SOME_TOKEN_FILE", "/token")
            .env("FAVOURITE_COLOUR", "green")
    };
    let variables = answer(&agent, run(&["--exec", "env"]), "hi").await;
    let id = format!("MOLECULE_WORKSPACE_ID={}", agent.id);
    for line in [
        &id,
        "MOLECULE_CALLER_ID=",
        "MOLECULE_METHOD=message/send",
        "FAVOURITE_COLOUR=green",
    ] {
        assert!(
            variables.lines().any(|one| one == line),
            "no {line} in {variables}"
        );
    }
    assert!(!variables.contains("TOKEN"), "{variables}");
    assert!(!variables.contains(token.expose()), "{variables}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_environment_has_nothing_of_the_users_but_path() {
    let world = World::start().await;
    let agent = world.agent().await;
    let program = agent
        .connect(&["--exec", "env", "--clean-env"])
        .env("FAVOURITE_COLOUR", "green");
    let variables = answer(&agent, program, "hi").await;
    // The shell adds PWD and the like; HOME and what the user set come from outside alone.
    assert!(
        variables.contains("PATH=/usr/local/bin:/usr/bin:/bin"),
        "{variables}"
    );
    assert!(
        !variables.contains("green") && !variables.contains("HOME="),
        "{variables}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_secrets_that_are_named_and_no_others() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.is_given("API_KEY", "s3cr3t").await;
    agent.is_given("OTHER_KEY", "0th3r").await;
    let program = agent.connect(&[
        "--exec",
        "echo \"$API_KEY/$OTHER_KEY\"",
        "--with-secrets",
        "API_KEY",
    ]);
    assert_eq!(answer(&agent, program, "hi").await, "s3cr3t/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_is_found_out_before_the_agent_joins() {
    let world = World::start().await;
    let agent = world.agent().await;
    let before = agent.info().await;
    agent
        .connect(&["--exec", "cat", "--with-secrets", "MISSING"])
        .run()
        .fails(2, &["--with-secrets", "MISSING", "secrets list"]);
    assert_eq!(agent.info().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_handler_the_agent_does_not_join() {
    let world = World::start().await;
    let agent = world.agent().await;
    let before = agent.info().await;
    agent
        .connect(&[])
        .run()
        .fails(2, &["--exec", "--forward", "--echo", "--reply"]);
    assert_eq!(agent.info().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn fixed_handlers_answer_without_a_process() {
    check(&["--echo"], "hello", "hello").await;
    check(&["--reply", "out of office"], "hello", "out of office").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_forwarded_to_a_local_agent() {
    let world = World::start().await;
    let agent = world.agent().await;
    let other = "5d0c9f5e-0f5b-4c8e-9c0f-5b8b8c2f0f11".parse().unwrap();
    let config = StubConfig::new(other, world.emulator.url().parse().unwrap())
        .with_config_dir(world.home.path())
        .with_listen(([127, 0, 0, 1], 0).into());
    let stub = StubRuntime::bind(config, |_| {}).unwrap();
    let url = format!("http://{}/", stub.local_addr());
    let stop = CancellationToken::new();
    let local = tokio::spawn(stub.run(stop.clone()));
    let answer = answer(&agent, agent.connect(&["--forward", &url]), "hello").await;
    assert_eq!(answer, "STUB OK");
    stop.cancel();
    local.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_forced_to_end_takes_its_command_along() {
    let world = World::start().await;
    let agent = world.agent().await;
    let fifo = world.home.path().join("lifeline");
    assert!(command("mkfifo").arg(&fifo).status().unwrap().success());
    // The shell and its child hold the pipe open, for as long as one of them lives.
    let script = format!(
        "exec 9>'{}'; (sleep 600) & echo x >&9; wait",
        fifo.display()
    );
    let running = Running::start(
        &agent,
        agent.connect(&["--exec", &script, "--drain-timeout", "0s"]),
    )
    .await;
    agent.hears("hi").await;
    let mut lifeline = std::fs::File::open(&fifo).unwrap();
    lifeline.read_exact(&mut [0; 2]).unwrap();
    running.stop().succeeds();
    let (gone, is_gone) = std::sync::mpsc::channel();
    std::thread::spawn(move || gone.send(lifeline.read_to_end(&mut Vec::new()).unwrap()));
    let long = std::time::Duration::from_secs(60);
    assert_eq!(is_gone.recv_timeout(long), Ok(0));
}
