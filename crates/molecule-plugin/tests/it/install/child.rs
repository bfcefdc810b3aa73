//! A second process: this test binary again, running the one ignored test below, which obeys commands line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use molecule_plugin::{PluginStore, SetupLimits, SetupPolicy, install, verify_installed};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{name, options, told};

/// What marks an answer among the lines that the test harness prints.
const MARK: &str = "child: ";

/// The parent's end. The child dies with it.
pub(super) struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the tests of locks and crashes need a second process"
    )]
    pub(super) fn start_with(environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "install::child::obey",
                "--ignored",
                "--nocapture",
            ])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            commands,
            answers,
        }
    }

    /// Sends a command and waits for the answer.
    pub(super) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.answer()
    }

    pub(super) fn send(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    pub(super) fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.answers.read_line(&mut line).unwrap(),
                0,
                "the child ended"
            );
            if let Some((_, answer)) = line.trim_end().split_once(MARK) {
                return answer.to_owned();
            }
        }
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`, and waits until it is gone.
    pub(super) fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
#[ignore = "the body of the child process, started by other tests"]
fn obey() {
    if io::stdin().is_terminal() {
        return;
    }
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        obey_one(&words);
    }
}

fn obey_one(words: &[&str]) {
    match words {
        ["install", dir, archive] => answer(&install_once(dir, archive)),
        ["starved", spare, dir, archive] => answer(&install_starved(spare, dir, archive)),
        ["work-forever", dir, archives @ ..] => work_forever(dir, archives),
        ["memory", dir, archive] => answer(&peak_of_memory(dir, archive)),
        ["setup", dir, archive] => answer(&setup_output(dir, archive)),
        _ => panic!("unknown command {words:?}"),
    }
}

fn install_once(dir: &str, archive: &str) -> String {
    let store = PluginStore::open(dir).unwrap();
    let archive = File::open(archive).unwrap();
    match install(&store, &name("demo"), archive, &options()) {
        Ok(report) => report.digest.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Installs with this many descriptors in all.
fn install_starved(descriptors: &str, dir: &str, archive: &str) -> String {
    let store = PluginStore::open(dir).unwrap();
    let archive = File::open(archive).unwrap();
    let limit = Rlimit {
        current: Some(descriptors.parse().unwrap()),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    match install(&store, &name("demo"), archive, &options()) {
        Ok(report) => report.digest.to_string(),
        Err(error) => told(&error),
    }
}

/// Installs one archive after the other, or removes what is there, as fast as it can.
fn work_forever(dir: &str, archives: &[&str]) {
    let store = PluginStore::open(dir).unwrap();
    let options = options().with_setup(SetupPolicy::Always);
    answer("ready");
    for archive in archives.iter().cycle() {
        if Path::new(archive).ends_with("remove") {
            let _ = store.remove(&name("demo"), options.wait);
        } else {
            let archive = File::open(archive).unwrap();
            install(&store, &name("demo"), archive, &options).unwrap();
        }
    }
}

/// Installs, runs the script, lists and verifies. Says how much memory that took at most, in KiB.
fn peak_of_memory(dir: &str, archive: &str) -> String {
    let store = PluginStore::open(dir).unwrap();
    let options = options().with_setup(SetupPolicy::Always);
    let archive = File::open(archive).unwrap();
    let report = install(&store, &name("demo"), archive, &options).unwrap();
    assert_eq!(report.setup.unwrap().unrecorded, None);
    assert_eq!(store.list().unwrap()[0].digest, Some(report.digest));
    let verification = verify_installed(&report.root, Some(report.digest)).unwrap();
    assert!(verification.intact);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap().trim().trim_end_matches(" kB").to_owned()
}

fn setup_output(dir: &str, archive: &str) -> String {
    let store = PluginStore::open(dir).unwrap();
    let environment = vec![("GREETING".to_owned(), "hello".to_owned())];
    let limits = SetupLimits::default().with_environment(environment);
    let options = options().with_setup_limits(limits);
    let report = install(
        &store,
        &name("demo"),
        File::open(archive).unwrap(),
        &options,
    );
    report.unwrap().setup.unwrap().stdout.replace('\n', "|")
}

#[expect(
    clippy::print_stdout,
    reason = "the answers travel through the standard output"
)]
fn answer(text: &str) {
    println!("{MARK}{text}");
}
