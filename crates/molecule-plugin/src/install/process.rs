//! Running a script with bounded time, output and environment: the only place of this crate that starts a process.
//!
//! One thread does it all: it waits for the two output streams and for the script's end at once, so that nothing is left waiting for a
//! stream that some process keeps open.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::options::{CancelFlag, SetupLimits};
use super::report::{SetupOutcome, SetupReport};
use super::wait::Deadline;

/// Where programs are looked for if the caller does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long the caller's flag may go unnoticed.
const CANCEL_POLL: Duration = Duration::from_millis(25);

/// How long the script's end may go unnoticed where only asking tells.
const END_POLL: Duration = Duration::from_millis(5);

/// Bytes that are read of one stream before the clock is looked at again. A pipe holds no more than that by default.
const TURN: usize = 64 << 10;

/// Turns for what is left in a pipe after the end. No pipe of an ordinary user holds more than a mebibyte.
const TURNS_AFTER_THE_END: usize = 16;

/// What is to run, and how.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) script: &'a Path,
    pub(super) directory: &'a Path,
    pub(super) limits: &'a SetupLimits,
    pub(super) cancel: &'a CancelFlag,
}

/// Why the script was not left to end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    TimedOut,
    Cancelled,
}

/// Runs the script to its end or to a limit, and kills what is left of its process group either way.
pub(super) fn run(task: &Task<'_>) -> SetupReport {
    let clock = Deadline::after(task.limits.time);
    let mut child = match start(task) {
        Ok(child) => Group(child),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return SetupReport::not_run("there is no `bash`; install bash, then install again");
        }
        Err(error) => {
            return SetupReport::not_run(&format!("bash cannot be started: {error}"));
        }
    };
    let mut stdout = Output::new(child.0.stdout.take().map(OwnedFd::from), task);
    let mut stderr = Output::new(child.0.stderr.take().map(OwnedFd::from), task);
    let stopped = watch(&child, &mut stdout, &mut stderr, task.cancel, &clock);
    let status = child.end();
    stdout.read_rest();
    stderr.read_rest();
    SetupReport {
        outcome: outcome(status, stopped),
        truncated: stdout.truncated || stderr.truncated,
        stdout: stdout.into_text(),
        stderr: stderr.into_text(),
        unrecorded: None,
        duration: clock.elapsed(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that starts processes, with exactly the environment that the caller lists"
)]
fn start(task: &Task<'_>) -> io::Result<Child> {
    Command::new("bash")
        .arg(task.script)
        .current_dir(task.directory)
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .envs(task.limits.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// The script's process, which leads its own process group.
struct Group(Child);

impl Group {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
    }

    /// Whether the script has ended. It stays a zombie, so that its group keeps its id until all of it is killed.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match self.pid().map(|pid| waitid(WaitId::Pid(pid), options)) {
            Some(Ok(Some(_))) => true,
            // Nobody else waits for our child; if it is gone all the same, so is its end.
            Some(Err(error)) => error != rustix::io::Errno::INTR,
            _ => false,
        }
    }

    /// Kills all of the group, then reaps the script.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = self.pid() {
            // It fails when there is nobody left, which is the aim.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        // The script itself may have joined another group.
        let _ = self.0.kill();
        self.0.wait()
    }

    /// A descriptor that becomes readable when the script ends, where the system has such.
    #[cfg(target_os = "linux")]
    fn end_event(&self) -> Option<OwnedFd> {
        use rustix::process::{PidfdFlags, pidfd_open};
        pidfd_open(self.pid()?, PidfdFlags::empty()).ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn end_event(&self) -> Option<OwnedFd> {
        None
    }
}

/// Reads what the script prints until it ends or has to.
fn watch(
    child: &Group,
    stdout: &mut Output,
    stderr: &mut Output,
    cancel: &CancelFlag,
    clock: &Deadline,
) -> Option<Stopped> {
    let end_event = child.end_event();
    let longest_pause = match end_event {
        Some(_) => CANCEL_POLL,
        None => END_POLL,
    };
    while !child.has_ended() {
        if cancel.is_cancelled() {
            return Some(Stopped::Cancelled);
        }
        let left = clock.left();
        if left.is_zero() {
            return Some(Stopped::TimedOut);
        }
        let sources = [
            stdout.stream(),
            stderr.stream(),
            end_event.as_ref().map(AsFd::as_fd),
        ];
        pause(sources, left.min(longest_pause));
        stdout.read_some();
        stderr.read_some();
    }
    None
}

/// Until there is something to read, the script ended, or the time is up.
fn pause(sources: [Option<BorrowedFd<'_>>; 3], limit: Duration) {
    let sources = sources.into_iter().flatten();
    let mut events: Vec<_> = sources
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let limit = Timespec {
        tv_sec: 0,
        tv_nsec: limit.subsec_nanos().into(),
    };
    // An interrupted wait is a short one.
    let _ = poll(&mut events, Some(&limit));
}

fn outcome(status: io::Result<ExitStatus>, stopped: Option<Stopped>) -> SetupOutcome {
    match (stopped, status) {
        (Some(Stopped::TimedOut), _) => SetupOutcome::TimedOut,
        (Some(Stopped::Cancelled), _) => SetupOutcome::Cancelled,
        (None, Ok(status)) if status.success() => SetupOutcome::Succeeded,
        (None, Ok(status)) => match (status.code(), status.signal()) {
            (Some(exit_code), _) => SetupOutcome::Failed { exit_code },
            (None, signal) => SetupOutcome::Signalled {
                signal: signal.unwrap_or_default(),
            },
        },
        (None, Err(error)) => SetupOutcome::NotRun {
            reason: format!("what became of it is unknown: {error}"),
        },
    }
}

/// The beginning of a stream.
struct Output {
    /// `None` after its end.
    stream: Option<File>,
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Output {
    fn new(stream: Option<OwnedFd>, task: &Task<'_>) -> Self {
        // A stream that would block is one that could hang us: better none.
        let stream = stream.filter(|fd| ioctl_fionbio(fd.as_fd(), true).is_ok());
        Self {
            stream: stream.map(File::from),
            kept: Vec::new(),
            limit: task.limits.output_bytes,
            truncated: false,
        }
    }

    fn stream(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(File::as_fd)
    }

    /// Reads what there is, up to a turn's worth; `false` when there is no more.
    fn read_some(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut buffer = [0; TURN];
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => {
                self.keep(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            _ => {
                self.stream = None;
                false
            }
        }
    }

    /// What was printed before the end is in the pipe by now. A process outside of the group may go on printing for ever.
    fn read_rest(&mut self) {
        for _ in 0..TURNS_AFTER_THE_END {
            if !self.read_some() {
                return;
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.truncated |= room < bytes.len();
    }

    fn into_text(self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}
