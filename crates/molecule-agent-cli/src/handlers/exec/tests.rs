//! Commands as real processes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Parser;
use molecule_agent::protocol::Secret;
use serde_json::Value;
use tokio::sync::oneshot;

use super::*;
use crate::handlers::testing::{Alarm, context, from_canvas, from_peer, me};

#[derive(Debug, Parser)]
struct Cli {
    #[arg(long)]
    exec: String,
    #[command(flatten)]
    options: ExecOptions,
}

fn handler(command: &str, args: &[&str]) -> ExecHandler {
    build(context(), command, args)
}

fn handler_by(alarm: Alarm, command: &str, args: &[&str]) -> ExecHandler {
    let clock = Arc::new(alarm);
    build(Context { clock, ..context() }, command, args)
}

fn build(context: Context, command: &str, args: &[&str]) -> ExecHandler {
    let cli = Cli::parse_from([&["agent", "--exec", command], args].concat());
    let secrets = BTreeMap::from([("API_KEY".to_owned(), Secret::from("s3cr3t".to_owned()))]);
    let options = cli.options;
    let environment = Environment::new(options.clean_env, &options.with_secrets, &secrets);
    ExecHandler::new(&cli.exec, &options, environment.unwrap(), context)
}

async fn outcome(command: &str, args: &[&str], text: &str) -> HandlerOutcome {
    handler(command, args).handle(from_canvas(text)).await
}

async fn check_reply(command: &str, text: &str, expect: &str) {
    assert_eq!(
        outcome(command, &[], text).await,
        expect.into(),
        "{command}"
    );
}

async fn check_error(command: &str, args: &[&str], expect: &str) {
    let expect = HandlerOutcome::Error(expect.to_owned());
    assert_eq!(outcome(command, args, "hi").await, expect, "{command}");
}

#[tokio::test]
async fn what_a_command_prints_is_the_reply() {
    check_reply("tr a-z A-Z", "hello", "HELLO").await;
    check_reply("cat", "two\nlines\n", "two\nlines").await;
    check_reply("printf 'a\\n\\n'", "", "a\n").await;
    check_reply("printf 'a\\r\\n'", "", "a").await;
    check_reply("echo 'not this' >&2; echo this", "", "this").await;
}

#[tokio::test]
async fn a_command_that_prints_nothing_has_nothing_to_answer() {
    for command in ["true", "cat >/dev/null", "echo"] {
        assert_eq!(
            outcome(command, &[], "hi").await,
            HandlerOutcome::Nothing,
            "{command}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_replaced() {
    check_reply("printf 'a\\377b\\303'", "", "a\u{fffd}b\u{fffd}").await;
}

#[tokio::test]
async fn json_input_is_one_line_with_all_about_the_message() {
    let handler = handler("cat", &["--exec-input", "json"]);
    let HandlerOutcome::Reply(line) = handler.handle(from_peer("a\nb")).await else {
        panic!("no reply");
    };
    assert_eq!(line.lines().count(), 1);
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(message, json::describe(&from_peer("a\nb"), me()));
}

#[tokio::test]
async fn a_failure_tells_the_status_and_the_last_complaint() {
    check_error("exit 3", &[], "exit status 3").await;
    check_error(
        "echo no; echo first >&2; echo 'last one' >&2; echo >&2; exit 7",
        &[],
        "exit status 7: last one",
    )
    .await;
    check_error("kill -9 $$", &[], "killed by signal 9").await;
    let long = format!("exit status 1: {}", "ä".repeat(LONGEST_COMPLAINT));
    check_error(
        "i=0; while [ $i -lt 500 ]; do printf 'ä' >&2; i=$((i+1)); done; exit 1",
        &[],
        &long,
    )
    .await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_stopped() {
    let alarm = Alarm::default();
    alarm.ring();
    let handler = handler_by(alarm, "sleep 600", &["--exec-timeout", "1.5s"]);
    let expect = HandlerOutcome::Error("not done after 1.5 s, so it was stopped".to_owned());
    assert_eq!(handler.handle(from_canvas("hi")).await, expect);
}

#[tokio::test]
async fn a_command_that_prints_too_much_is_stopped() {
    let error = "printed more than 1000 bytes, so it was stopped";
    check_error("yes", &["--exec-max-output", "1000"], error).await;
    check_error(
        "head -c 1001 /dev/zero",
        &["--exec-max-output", "1000"],
        error,
    )
    .await;
    let just_fits = outcome(
        "head -c 1000 /dev/zero | tr '\\0' x",
        &["--exec-max-output", "1000"],
        "",
    )
    .await;
    assert_eq!(just_fits, "x".repeat(1000).into());
}

#[tokio::test]
async fn a_command_need_not_read_its_input() {
    let text = "x".repeat(4 << 20);
    check_reply("echo done", &text, "done").await;
    check_reply("exec <&-; echo done", &text, "done").await;
}

#[tokio::test]
async fn much_input_and_much_output_do_not_block_each_other() {
    let text = "x".repeat(3 << 20);
    let args = ["--exec-max-output", "4000000"];
    assert_eq!(outcome("cat", &args, &text).await, text.as_str().into());
}

#[tokio::test]
async fn secrets_are_given_by_name_and_kept_out_of_complaints() {
    let echo = "echo \"key=$API_KEY\"";
    assert_eq!(outcome(echo, &[], "").await, "key=".into());
    assert_eq!(
        outcome(echo, &["--with-secrets", "API_KEY"], "").await,
        "key=s3cr3t".into()
    );
    let complain = "echo \"bad key $API_KEY\" >&2; exit 1";
    check_error(
        complain,
        &["--with-secrets", "API_KEY"],
        "exit status 1: bad key [redacted]",
    )
    .await;
}

#[tokio::test]
async fn the_environment_describes_the_message() {
    let handler = handler("env", &["--clean-env"]);
    let HandlerOutcome::Reply(variables) = handler.handle(from_peer("hi")).await else {
        panic!("no reply");
    };
    for line in [
        "MOLECULE_MESSAGE_ID=m-1",
        "MOLECULE_TASK_ID=t-1",
        "MOLECULE_METHOD=message/send",
    ] {
        assert!(
            variables.lines().any(|l| l == line),
            "{line} is not in {variables}"
        );
    }
}

/// A FIFO that reads as ended only once every process that has it open for writing is gone.
struct Lifeline {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Lifeline {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        Self { path, _dir: dir }
    }

    /// A shell with a grandchild in its group: both hold the FIFO, and would for ten minutes.
    fn held_while(&self, then: &str) -> String {
        let fifo = self.path.display();
        format!("exec 9>'{fifo}'; (sleep 600) & echo >&9; {then}")
    }

    /// Completes first when the shell runs, and then when all who hold the FIFO are gone.
    fn watch(&self) -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
        let path = self.path.clone();
        let ((running, runs), (gone, is_gone)) = (oneshot::channel(), oneshot::channel());
        // A thread of its own: the runtime would wait for it, should it never end.
        std::thread::spawn(move || {
            let mut file = File::open(path).unwrap();
            file.read_exact(&mut [0]).unwrap();
            let _ = running.send(());
            file.read_to_end(&mut Vec::new()).unwrap();
            let _ = gone.send(());
        });
        (runs, is_gone)
    }
}

/// Fails if this takes so long that it does not happen at all.
async fn happens(event: oneshot::Receiver<()>) {
    let long = Duration::from_secs(60);
    tokio::time::timeout(long, event).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_whole_group_is_killed_at_the_limit() {
    let (lifeline, alarm) = (Lifeline::new(), Alarm::default());
    let (runs, gone) = lifeline.watch();
    let command = lifeline.held_while("wait");
    let handling = tokio::spawn(handler_by(alarm.clone(), &command, &[]).handle(from_canvas("hi")));
    happens(runs).await;
    alarm.ring();
    let expect = HandlerOutcome::Error("not done after 600 s, so it was stopped".to_owned());
    assert_eq!(handling.await.unwrap(), expect);
    happens(gone).await;
}

#[tokio::test]
async fn the_whole_group_is_killed_when_the_agent_stops_waiting() {
    let lifeline = Lifeline::new();
    let (runs, gone) = lifeline.watch();
    let command = lifeline.held_while("wait");
    let handling = tokio::spawn(handler(&command, &[]).handle(from_canvas("hi")));
    happens(runs).await;
    handling.abort();
    happens(gone).await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    let lifeline = Lifeline::new();
    let (_, gone) = lifeline.watch();
    check_reply(&lifeline.held_while("echo done"), "hi", "done").await;
    happens(gone).await;
}
