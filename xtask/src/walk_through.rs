//! `cargo xtask walk-through`: the README's three terminals, each a shell that is given the lines of its block, and one more that is given the
//! lines which the platform itself prints for it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

use crate::process::{Run, root};

/// The port in the README, for which a free one stands in.
const PORT: &str = "8080";
/// The id in the README, for which the one that the first terminal prints stands in.
const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

/// Runs the blocks and checks what a reader would see.
pub(crate) fn check() -> Result<()> {
    Run::new("cargo build --quiet --bin molecule-agent").show()?;
    let readme = fs::read_to_string(root().join("README.md"))?;
    let [platform, agent, user] = terminals(&readme)?;
    let mut desk = Desk::new()?;

    let mut platform = desk.open(&platform)?;
    desk.id = platform.wait_for_output("molecule-agent connect")?;
    let printed = platform.indented_until("/activity")?;
    let mut agent = desk.open(&agent)?;
    agent.wait_for_error("online")?;
    let seen = converse(&desk, &mut agent, &printed)?;
    ensure!(
        seen.contains("HELLO"),
        "the agent did not answer what `dev` says to type; the terminal shows:\n{seen}"
    );
    let seen = converse(&desk, &mut agent, &desk.prepare(&user))?;
    ensure!(
        seen.matches(r#""HELLO""#).count() == 2,
        "the agent did not answer once more; the third terminal shows:\n{seen}"
    );
    ensure!(
        seen.contains("paused"),
        "the workspace was not paused; the third terminal shows:\n{seen}"
    );
    agent.finish()?;
    println!("the walk-throughs of the README and of `dev` work");
    Ok(())
}

/// Types the lines of the third terminal, and waits for the agent between a message and what follows it.
fn converse(desk: &Desk, agent: &mut Terminal, lines: &[String]) -> Result<String> {
    let mut person = desk.open(&[])?;
    for line in lines {
        person.type_in(line)?;
        if line.contains("message/send") {
            agent.wait_for_error("answered")?;
        }
    }
    person.finish()
}

/// The commands of the console blocks.
fn terminals(readme: &str) -> Result<[Vec<String>; 3]> {
    let blocks = readme
        .split("```console\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or(rest));
    let commands = |block: &str| {
        block
            .lines()
            .filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
            .collect()
    };
    let blocks: Vec<Vec<String>> = blocks.map(commands).collect();
    let count = blocks.len();
    blocks
        .try_into()
        .ok()
        .with_context(|| format!("README.md has {count} console blocks, not three"))
}

/// What the three terminals share: a home, the built program, and a port.
struct Desk {
    home: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    id: String,
}

impl Desk {
    fn new() -> Result<Self> {
        let own = env::current_exe()?;
        let programs = own
            .parent()
            .map(Path::to_path_buf)
            .context("xtask lies in no folder")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self {
            home: tempfile::tempdir()?,
            programs,
            port,
            id: ID.to_owned(),
        })
    }

    fn open(&self, lines: &[String]) -> Result<Terminal> {
        let shell = Run::new("sh -e")
            .env("HOME", self.home.path().display().to_string())
            .env("MOLECULE_POLL_INTERVAL", "200ms")
            .env("MOLECULE_STATE_POLL_INTERVAL", "200ms")
            .hint("the README needs sh, curl and coreutils");
        let mut terminal = Terminal::new(shell.start()?)?;
        terminal.type_in(&format!("PATH={}:$PATH", self.programs.display()))?;
        for line in self.prepare(lines) {
            terminal.type_in(&line)?;
        }
        Ok(terminal)
    }

    /// The lines on another port, and with a log to wait on.
    fn prepare(&self, lines: &[String]) -> Vec<String> {
        let port = self.port.to_string();
        let prepare = |line: &String| {
            line.replace(PORT, &port)
                .replace(ID, &self.id)
                .replace(
                    "molecule-agent dev",
                    &format!("exec molecule-agent dev --listen 127.0.0.1:{port}"),
                )
                .replace("molecule-agent connect", "exec molecule-agent -v connect")
        };
        lines.iter().map(prepare).collect()
    }
}

/// A shell and the program that runs in it.
struct Terminal {
    shell: Child,
    output: BufReader<Box<dyn Read>>,
    error: BufReader<Box<dyn Read>>,
}

impl Terminal {
    fn new(mut shell: Child) -> Result<Self> {
        let output = shell.stdout.take().context("the shell has no output")?;
        let error = shell
            .stderr
            .take()
            .context("the shell has no error output")?;
        Ok(Self {
            shell,
            output: BufReader::new(Box::new(output)),
            error: BufReader::new(Box::new(error)),
        })
    }

    fn type_in(&mut self, line: &str) -> Result<()> {
        println!("$ {line}");
        let input = self
            .shell
            .stdin
            .as_mut()
            .context("the shell takes no more input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// The word after `text` in the output.
    fn wait_for_output(&mut self, text: &str) -> Result<String> {
        let line = wait_for(&mut self.output, text)?;
        let rest = line.split(text).nth(1).unwrap_or_default();
        rest.split_whitespace()
            .next()
            .map(str::to_owned)
            .with_context(|| format!("nothing follows {text:?} in {line:?}"))
    }

    /// The lines that are indented, up to the one that contains `last`.
    fn indented_until(&mut self, last: &str) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for line in (&mut self.output).lines() {
            let line = line?;
            let is_last = line.contains(last);
            if line.starts_with("  ") {
                lines.push(line);
            }
            if is_last {
                return Ok(lines);
            }
        }
        anyhow::bail!("a terminal never showed {last:?}, but {lines:?}")
    }

    fn wait_for_error(&mut self, text: &str) -> Result<()> {
        wait_for(&mut self.error, text).map(drop)
    }

    /// Lets the shell come to its end, and returns what it showed.
    fn finish(mut self) -> Result<String> {
        drop(self.shell.stdin.take());
        let mut seen = String::new();
        self.output.read_to_string(&mut seen)?;
        self.error.read_to_string(&mut seen)?;
        let status = self.shell.wait()?;
        ensure!(status.success(), "a terminal ended with {status}:\n{seen}");
        Ok(seen)
    }
}

impl Drop for Terminal {
    /// A program that is still running is not needed any more.
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// The first line that contains `text`.
fn wait_for(lines: &mut impl std::io::BufRead, text: &str) -> Result<String> {
    let mut seen = String::new();
    for line in lines.lines() {
        let line = line?;
        if line.contains(text) {
            return Ok(line);
        }
        seen += &format!("{line}\n");
    }
    anyhow::bail!("a terminal never showed {text:?}, but:\n{seen}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_the_lines_with_a_prompt() {
        let readme = "a\n```console\n$ one\nits output\n$ two\n```\n```sh\nno\n```\n```console\n$ b\n```\n```console\n$ c\n```\n";
        assert_eq!(
            terminals(readme).unwrap(),
            [
                vec!["one".to_owned(), "two".into()],
                vec!["b".into()],
                vec!["c".into()]
            ]
        );
        assert!(terminals("```console\n$ one\n```").is_err());
    }

    #[test]
    fn waiting_in_vain_shows_what_came_instead() {
        let error = wait_for(&mut "something\nelse\n".as_bytes(), "online").unwrap_err();
        assert!(error.to_string().contains("something\nelse"), "{error}");
    }
}
