//! The two programs of a pair: one serves until it is killed, the other reports its cases and ends.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::Run;

/// How long a program may be silent: a case gives up on its own before that.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the value.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(run: &Run) -> Result<Self> {
        let mut child = run.start()?;
        let output = child.stdout.take().context("there is no output")?;
        let errors = child.stderr.take().context("there is no error output")?;
        let (sender, lines) = channel();
        each_line(output, move |line| drop(sender.send(line)));
        each_line(errors, |line| eprintln!("{line}"));
        Ok(Self { child, lines })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end: a full pipe would stop the program.
fn each_line(output: impl Read + Send + 'static, mut act: impl FnMut(String) + Send + 'static) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            act(line);
        }
    });
}

/// An agent that says where it answers with its first line.
pub(crate) struct Server {
    url: String,
    _program: Program,
}

impl Server {
    pub(crate) fn start(run: &Run) -> Result<Self> {
        let program = Program::start(run)?;
        match program.lines.recv_timeout(PATIENCE) {
            Ok(url) => Ok(Self {
                url,
                _program: program,
            }),
            Err(_) => bail!("`{run}` never said where it answers"),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// What a client printed until it ended, or stayed silent.
pub(crate) fn cases_of(run: &Run) -> Result<String> {
    let program = Program::start(run)?;
    let mut output = String::new();
    while let Ok(line) = program.lines.recv_timeout(PATIENCE) {
        output += &line;
        output.push('\n');
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_where_it_answers() {
        let run = Run::new("sh -c").arg("echo http://127.0.0.1:1; exec sleep 60");
        assert_eq!(Server::start(&run).unwrap().url(), "http://127.0.0.1:1");
        let error = Server::start(&Run::new("true")).err().unwrap();
        assert_eq!(error.to_string(), "`true` never said where it answers");
    }

    #[test]
    fn a_client_is_heard_until_it_ends_however_it_ends() {
        let run = Run::new("sh -c").arg("echo send ok; echo get failed: no; exit 1");
        assert_eq!(cases_of(&run).unwrap(), "send ok\nget failed: no\n");
    }
}
