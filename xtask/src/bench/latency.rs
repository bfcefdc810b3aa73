//! `cargo xtask bench latency`: how long a message takes from the platform to the handler, over sockets and between processes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use super::statistics::{percentile, shown};
use crate::process::Run;
use crate::workspace::metadata;

/// Messages before those that count.
const WARM_UP: usize = 5;
/// How long a message may take before the bench fails.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Messages that are measured with events; without, it is a quarter of them
    #[arg(long, default_value_t = 200, value_name = "N")]
    messages: usize,
    /// Milliseconds between two polls of the agent without events
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    poll_interval: u64,
    /// A molecule-agent that is built already. Default: one is built for release
    #[arg(long, value_name = "FILE")]
    program: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.messages >= 4, "at least four messages are needed");
    let program = match &options.program {
        Some(program) => program.clone(),
        None => build()?,
    };
    let bench = Bench {
        program,
        home: tempfile::tempdir()?,
    };
    println!(
        "\nFrom just before the message is posted to the platform, to its arrival at the handler, an HTTP server:\n\n{}",
        line(
            "",
            ["p50", "p95", "p99", "longest"].map(str::to_owned),
            "target"
        )
    );
    let times = bench.measure(&["--events", "auto"], options.messages)?;
    let target = "p50 under 25 ms, p99 under 150 ms";
    println!("{}", line("with events", figures(&times), target));

    let interval = format!("{}ms", options.poll_interval);
    let polling = ["--events", "off", "--poll-interval", &interval];
    let times = bench.measure(&polling, options.messages / 4)?;
    let title = format!("polling every {interval}");
    let target = format!("at most {} ms", options.poll_interval + 100);
    println!("{}", line(&title, figures(&times), &target));
    println!(
        "\nTargets are of a quiet machine and a release build; whether they are met is for the reader to judge."
    );
    Ok(())
}

fn build() -> Result<String> {
    Run::new("cargo build --release --bin molecule-agent").show()?;
    let target = metadata()?.target_directory.into_std_path_buf();
    Ok(target.join("release/molecule-agent").display().to_string())
}

fn figures(times: &[Duration]) -> [String; 4] {
    [0.5, 0.95, 0.99, 1.0].map(|part| shown(percentile(times, part)))
}

fn line(title: &str, figures: [String; 4], target: &str) -> String {
    let [p50, p95, p99, longest] = figures;
    format!("{title:<24}{p50:>10}{p95:>10}{p99:>10}{longest:>10}   {target}")
}

struct Bench {
    program: String,
    /// The log-in folder of platform and agents.
    home: TempDir,
}

impl Bench {
    /// A platform and an agent of these options, each a process of its own, and so many messages.
    fn measure(&self, options: &[&str], messages: usize) -> Result<Vec<Duration>> {
        let (_platform, place) = self.platform()?;
        let handler = Handler::start()?;
        let _agent = self.agent(&place, &handler, options)?;
        for number in 0..WARM_UP {
            let text = format!("warm-up {number}");
            place.say(&text)?;
            handler.wait_for(&text)?;
        }
        let mut sent = BTreeMap::new();
        for number in 0..messages {
            pause(Duration::from_millis(fastrand::u64(150..400)));
            let text = format!("message {number}");
            sent.insert(text.clone(), now());
            place.say(&text)?;
        }
        let arrivals = (0..messages).map(|_| {
            let (text, arrived) = handler.next()?;
            let sent = sent
                .remove(&text)
                .with_context(|| format!("{text:?} came twice"))?;
            Ok(arrived - sent)
        });
        arrivals.collect()
    }

    fn platform(&self) -> Result<(Program, Place)> {
        let run = self.command("dev --listen 127.0.0.1:0 --workspace bench --rate-limit 1000000");
        let mut program = Program(run.start()?);
        let output = program.0.stdout.take().context("there is no output")?;
        let line = wait_for(output, "molecule-agent connect ")?;
        Ok((program, Place::read(&line)?))
    }

    fn agent(&self, place: &Place, handler: &Handler, options: &[&str]) -> Result<Program> {
        let mut run = self
            .command("connect --forward-as text --platform-url")
            .arg(format!("http://{}", place.platform))
            .arg("--forward")
            .arg(format!("http://{}/", handler.address))
            .arg(&place.workspace);
        for option in options {
            run = run.arg(*option);
        }
        let mut program = Program(run.start()?);
        let error = program
            .0
            .stderr
            .take()
            .context("there is no error output")?;
        wait_for(error, "online")?;
        Ok(program)
    }

    fn command(&self, words: &str) -> Run {
        Run::new(&format!("{} {words}", self.program))
            .env("HOME", self.home.path().display().to_string())
    }
}

/// A process that ends with the value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first line that contains `text`. What comes after it is read as well, and dropped: a full pipe would stop the program.
fn wait_for(output: impl Read + Send + 'static, text: &'static str) -> Result<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody is left to read what follows.
            let _ = sender.send(line);
        }
    });
    let mut seen = String::new();
    while let Ok(line) = receiver.recv_timeout(PATIENCE) {
        if line.contains(text) {
            return Ok(line);
        }
        seen += &format!("{line}\n");
    }
    bail!("a program never showed {text:?}, but:\n{seen}")
}

/// A workspace on a platform.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    workspace: String,
    platform: String,
}

impl Place {
    /// Reads the command that the platform shows.
    fn read(line: &str) -> Result<Self> {
        let after = |text: &str| {
            let rest = line.split(text).nth(1)?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        let read = after(" connect ").zip(after("http://"));
        let (workspace, platform) = read.with_context(|| format!("cannot read {line:?}"))?;
        Ok(Self {
            workspace,
            platform,
        })
    }

    /// The canvas user says something.
    fn say(&self, text: &str) -> Result<()> {
        let part = format!(r#"{{"kind":"text","text":"{text}"}}"#);
        let body = format!(
            r#"{{"method":"message/send","params":{{"message":{{"role":"user","messageId":"{text}","parts":[{part}]}}}}}}"#
        );
        let Self {
            workspace,
            platform,
        } = self;
        let request = format!(
            "POST /workspaces/{workspace}/a2a HTTP/1.1\r\nhost: {platform}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(platform)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(
            answer.starts_with("HTTP/1.1 2"),
            "the platform took no message: {answer}"
        );
        Ok(())
    }
}

/// Takes messages over HTTP, and answers nothing.
struct Handler {
    address: String,
    arrivals: Receiver<(String, Instant)>,
}

impl Handler {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (sender, arrivals) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || serve(stream, &sender));
            }
        });
        Ok(Self { address, arrivals })
    }

    fn next(&self) -> Result<(String, Instant)> {
        let arrival = self.arrivals.recv_timeout(PATIENCE);
        arrival.context("a message never reached the handler")
    }

    fn wait_for(&self, text: &str) -> Result<()> {
        while self.next()?.0 != text {}
        Ok(())
    }
}

/// Reads requests of one connection until it ends.
fn serve(stream: TcpStream, arrivals: &Sender<(String, Instant)>) -> Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let arrived = now();
        while line.trim() != "" {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
            line.clear();
            reader.read_line(&mut line)?;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        reader.get_mut().write_all(answer)?;
        arrivals.send((String::from_utf8(body)?, arrived))?;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it really takes is what is asked"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the messages of a person come at real moments"
)]
fn pause(duration: Duration) {
    thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_a_platform_shows_says_where_to_go() {
        let line = "    molecule-agent connect 9e45 --platform-url http://127.0.0.1:4711 --exec 'tr a-z A-Z'";
        let place = Place {
            workspace: "9e45".to_owned(),
            platform: "127.0.0.1:4711".to_owned(),
        };
        assert_eq!(Place::read(line).unwrap(), place);
        assert!(Place::read("nothing").is_err());
    }

    #[test]
    fn a_handler_tells_each_message_of_a_connection() {
        let handler = Handler::start().unwrap();
        let mut stream = TcpStream::connect(&handler.address).unwrap();
        for text in ["one", "three"] {
            write!(
                stream,
                "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
            handler.wait_for(text).unwrap();
        }
    }
}
