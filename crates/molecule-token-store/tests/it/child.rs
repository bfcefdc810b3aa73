//! A second process: this test binary again, running the one ignored test below, which obeys
//! commands line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use molecule_token_store::{TokenStore, Wait};
use rustix::fs::{FlockOperation, Mode, flock};

use crate::{PATIENT, set_mode, token};

/// What marks an answer among the lines that the test harness prints.
const MARK: &str = "child: ";

/// The parent's end. The child dies with it.
pub(crate) struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests of locks and crashes need a second process"
    )]
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::obey", "--ignored", "--nocapture"])
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
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.answer()
    }

    /// Sends commands that must succeed, one after the other.
    pub(crate) fn run(&mut self, commands: &[&str]) {
        for command in commands {
            assert_eq!(self.ask(command), "ok", "{command}");
        }
    }

    pub(crate) fn send(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    pub(crate) fn answer(&mut self) -> String {
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

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(self) {
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
    let mut file = None;
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        obey_one(&mut file, &words);
    }
}

fn obey_one(file: &mut Option<File>, words: &[&str]) {
    match words {
        // What Python's open("r") and open("w") do.
        ["open", path] => *file = Some(File::open(path).unwrap()),
        ["truncate", path] => *file = Some(File::create(path).unwrap()),
        ["lock-shared"] => return lock(file, FlockOperation::NonBlockingLockShared),
        ["lock-exclusive"] => return lock(file, FlockOperation::NonBlockingLockExclusive),
        ["unlock"] => return lock(file, FlockOperation::NonBlockingUnlock),
        ["write", text] => file.as_ref().unwrap().write_all(text.as_bytes()).unwrap(),
        ["close"] => *file = None,
        ["chmod", path] => set_mode(Path::new(path), 0o600),
        ["umask", octal] => {
            rustix::process::umask(Mode::from_raw_mode(
                u32::from_str_radix(octal, 8).unwrap() as _
            ));
        }
        ["save", dir, text] => TokenStore::new(dir).save(&token(text), PATIENT).unwrap(),
        ["rotate", dir] => {
            let lock = TokenStore::new(dir).lock_rotation(Wait::No);
            return match lock {
                Ok(lock) => {
                    answer("ok");
                    // Held until the process is killed.
                    std::mem::forget(lock);
                }
                Err(error) => answer(&error.to_string()),
            };
        }
        ["save-forever", dir, texts @ ..] => save_forever(dir, texts),
        _ => panic!("unknown command {words:?}"),
    }
    answer("ok");
}

fn lock(file: &Option<File>, operation: FlockOperation) {
    match flock(file.as_ref().unwrap(), operation) {
        Ok(()) => answer("ok"),
        Err(rustix::io::Errno::WOULDBLOCK) => answer("busy"),
        Err(error) => panic!("{error}"),
    }
}

fn save_forever(dir: &str, texts: &[&str]) {
    let store = TokenStore::new(dir);
    answer("ready");
    for text in texts.iter().cycle() {
        store.save(&token(text), PATIENT).unwrap();
        answer("saved");
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answers travel through the standard output"
)]
fn answer(text: &str) {
    println!("{MARK}{text}");
}
