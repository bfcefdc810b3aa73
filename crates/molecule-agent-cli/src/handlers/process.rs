//! Runs a command in a process group of its own, within limits. The only place that starts handlers.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fmt, io};

use molecule_agent::transport::{Clock, within};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, Command};
use tokio::sync::SetOnce;

use super::environment::Variables;

/// How long the pipes of a command that ended are read on: what it wrote is in them already, and only a process that
/// left its group can still hold them open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How much of a line of stderr is kept at once, in bytes.
const LONGEST_LINE: u64 = 8 * 1024;

/// How much stdout is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// What a command may use up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How long it may run.
    pub(super) time: Duration,
    /// How many bytes it may print.
    pub(super) output: u64,
}

/// Why there is no result.
#[derive(Debug)]
pub(super) enum ProcessError {
    /// It does not start.
    Start(io::Error),
    /// Its pipes break.
    Pipe(io::Error),
    /// It ran for this long.
    TooLong(Duration),
    /// It printed more than so many bytes.
    TooMuch(u64),
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the command cannot be started: {error}"),
            Self::Pipe(error) => write!(f, "the command cannot be talked to: {error}"),
            Self::TooLong(limit) => write!(
                f,
                "not done after {} s, so it was stopped",
                limit.as_secs_f64()
            ),
            Self::TooMuch(limit) => write!(f, "printed more than {limit} bytes, so it was stopped"),
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
}

/// Runs `sh -c script` with `input` on its stdin and tells `complain` each line of its stderr.
///
/// The command is done when its shell is. What it leaves in its process group is killed then, and so is the whole group
/// at a limit and when this future is dropped; `SIGKILL` at once, because it gets no answer out any more.
///
/// # Errors
/// When it does not start, or exceeds a limit. How it ends is no error.
pub(super) async fn run(
    script: &str,
    variables: &Variables,
    input: &[u8],
    limits: Limits,
    clock: &dyn Clock,
    complain: impl FnMut(&str) + Send,
) -> Result<Finished, ProcessError> {
    let process = Process::start(script, variables).map_err(ProcessError::Start)?;
    within(
        clock,
        limits.time,
        process.finish(input, limits.output, clock, complain),
    )
    .await
    .unwrap_or(Err(ProcessError::TooLong(limits.time)))
}

/// A command that runs. Dropping it kills its group, and tokio reaps it.
struct Process {
    // Killed before the child is given up: as long as nobody has reaped it, its number means this group.
    group: Group,
    child: Child,
}

impl Process {
    fn start(script: &str, variables: &Variables) -> io::Result<Self> {
        let child = command("/bin/sh")
            .args(["-c", script])
            .env_clear()
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            group: Group::led_by(&child),
            child,
        })
    }

    async fn finish(
        mut self,
        input: &[u8],
        max_output: u64,
        clock: &dyn Clock,
        complain: impl FnMut(&str) + Send,
    ) -> Result<Finished, ProcessError> {
        let (stdin, stdout, stderr) = (
            self.child.stdin.take(),
            self.child.stdout.take(),
            self.child.stderr.take(),
        );
        let mut printed = Vec::new();
        let ended = SetOnce::new();
        let life = async {
            let status = self.child.wait().await.map_err(ProcessError::Pipe)?;
            self.group.kill();
            let _ = ended.set(status);
            Ok(())
        };
        let everything = async {
            tokio::try_join!(
                life,
                feed(stdin, input),
                collect(stdout, max_output, &mut printed),
                read_lines(stderr, complain)
            )
        };
        let overdue = async {
            ended.wait().await;
            clock.sleep(LAST_WORDS).await;
        };
        tokio::select! {
            done = everything => { done?; }
            () = overdue => {}
        }
        let status = *ended.wait().await;
        Ok(Finished {
            status,
            stdout: printed,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that starts handlers; their environment is cleared"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// A process group that is killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.and_then(Pid::from_raw))
    }

    /// Kills who is left in it; there may be nobody.
    fn kill(&mut self) {
        if let Some(leader) = self.0.take() {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Hands the input over. A command that does not read it is free to do so.
async fn feed(stdin: Option<impl AsyncWrite + Unpin>, input: &[u8]) -> Result<(), ProcessError> {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    }
    Ok(())
}

async fn collect(
    stdout: Option<impl AsyncRead + Unpin>,
    max: u64,
    printed: &mut Vec<u8>,
) -> Result<(), ProcessError> {
    let Some(mut stdout) = stdout else {
        return Ok(());
    };
    loop {
        printed.reserve(CHUNK);
        if stdout.read_buf(printed).await.map_err(ProcessError::Pipe)? == 0 {
            return Ok(());
        }
        if printed.len() as u64 > max {
            return Err(ProcessError::TooMuch(max));
        }
    }
}

/// Tells `tell` each line that is not blank, in pieces if it is long.
async fn read_lines(
    stderr: Option<impl AsyncRead + Unpin>,
    mut tell: impl FnMut(&str),
) -> Result<(), ProcessError> {
    let Some(stderr) = stderr else {
        return Ok(());
    };
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut piece = (&mut stderr).take(LONGEST_LINE);
        if piece
            .read_until(b'\n', &mut line)
            .await
            .map_err(ProcessError::Pipe)?
            == 0
        {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).replace(char::is_control, " ");
        if !text.trim().is_empty() {
            tell(text.trim());
        }
    }
}
