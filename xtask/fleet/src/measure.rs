//! Starts a platform and agents, watches them, and says how they did.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use molecule_agent::Cadence;
use molecule_agent::transport::{Clock, SystemClock};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::agents::{Member, since_epoch};
use crate::memory::Memory;
use crate::platform::{Platform, command};
use crate::stopwatch::Report;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many agents
    #[arg(long, default_value_t = 2000, value_name = "N")]
    agents: usize,
    /// How long to watch, once they have started
    #[arg(long, default_value_t = 10.0, value_name = "MINUTES")]
    minutes: f64,
    /// How many requests a minute the platform allows an address
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    limit: u32,
    /// How many messages a minute to send, to one agent after the other
    #[arg(long, default_value_t = 0.0, value_name = "N")]
    messages_per_minute: f64,
    /// The program `molecule-agent`
    #[arg(long, value_name = "FILE", hide = true)]
    program: Option<PathBuf>,
}

/// Every so often there is a line.
const EVERY: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(options.agents > 0, "at least one agent is needed");
    let own = std::env::current_exe()?;
    let beside = || own.with_file_name("molecule-agent");
    let program = options.program.clone().unwrap_or_else(beside);
    let home = tempfile::tempdir()?;
    let platform = Platform::start(&program, home.path(), options.limit).await?;
    let members = platform.create(options.agents).await?;
    let cadence = Cadence::for_agents(options.agents, options.limit);
    println!(
        "{} agents at {} requests a minute: heartbeats every {:.0} s, state every {:.0} s, polls every {:.0} s",
        options.agents,
        options.limit,
        cadence.heartbeat.as_secs_f64(),
        cadence.state.as_secs_f64(),
        cadence.poll.as_secs_f64()
    );
    let mut agents = Agents::start(&own, &platform, options.limit, home.path(), &members).await?;
    let watch = Watch {
        clock: SystemClock::new(),
        platform: &platform,
        members: &members,
    };
    println!(
        "{:>8} {:>8} {:>9} {:>5} {:>9} {:>9}",
        "seconds", "online", "requests", "429", "RSS MiB", "late p99"
    );
    watch.until_online(&mut agents).await?;
    let lowest = watch.watch(&mut agents, options).await?;
    let memory = agents.memory()?;
    let report = agents.stop().await?;
    println!("\nonline at the least       {lowest} of {}", members.len());
    for (kind, count) in &report.kinds {
        println!("{kind:<25} {count}");
    }
    println!("answers with 429          {}", report.refused);
    println!("requests that failed      {}", report.failed);
    println!("agents started again      {}", report.restarts);
    println!("lateness of heartbeats    {}", report.lateness);
    println!("latency of messages       {}", report.latency);
    println!(
        "memory                    {} MiB, at most {} MiB",
        memory.resident / 1024,
        memory.peak / 1024
    );
    println!(
        "\nTargets are of a quiet machine and a release build; whether they are met is for the reader to judge."
    );
    Ok(())
}

/// The process of the agents.
struct Agents {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    last: Report,
}

impl Agents {
    async fn start(
        own: &Path,
        platform: &Platform,
        limit: u32,
        home: &Path,
        members: &[Member],
    ) -> Result<Self> {
        let mut process = command(own)
            .args([
                "agents",
                "--platform",
                &platform.url(),
                "--limit",
                &limit.to_string(),
                "--home",
            ])
            .arg(home.join("agents"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = process.stdin.take().context("the agents have no input")?;
        let mut line = serde_json::to_vec(members)?;
        line.push(b'\n');
        stdin.write_all(&line).await?;
        stdin.flush().await?;
        let stdout = process.stdout.take().context("the agents have no output")?;
        Ok(Self {
            process,
            stdin,
            lines: BufReader::new(stdout).lines(),
            last: Report::default(),
        })
    }

    /// Reads reports for as long as `until` takes.
    async fn listen(&mut self, until: impl Future<Output = ()>) -> Result<()> {
        let mut until = std::pin::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return Ok(()),
                line = self.lines.next_line() => {
                    let line = line?.context("the agents ended")?;
                    self.last = serde_json::from_str(&line)?;
                }
            }
        }
    }

    fn memory(&self) -> Result<Memory> {
        Memory::of(self.process.id().context("the agents ended")?)
    }

    async fn stop(mut self) -> Result<Report> {
        drop(self.stdin);
        while let Some(line) = self.lines.next_line().await? {
            self.last = serde_json::from_str(&line)?;
        }
        self.process.wait().await?;
        Ok(self.last)
    }
}

struct Watch<'a> {
    clock: SystemClock,
    platform: &'a Platform,
    members: &'a [Member],
}

impl Watch<'_> {
    /// Waits until all are online and hear of messages, which takes a few minutes at most.
    async fn until_online(&self, agents: &mut Agents) -> Result<()> {
        loop {
            agents.listen(self.clock.sleep(EVERY)).await?;
            let online = self.line(agents).await?;
            if online == self.members.len() && agents.last.streams() >= online as u64 {
                return Ok(());
            }
            ensure!(
                self.clock.now() < Duration::from_secs(900),
                "only {online} agents came online in 15 minutes"
            );
        }
    }

    /// Watches for so many minutes, and says how many were online at the least.
    async fn watch(&self, agents: &mut Agents, options: &Options) -> Result<usize> {
        let end = self.clock.now() + Duration::from_secs_f64(options.minutes * 60.0);
        let mut lowest = self.members.len();
        while self.clock.now() < end {
            agents
                .listen(self.talk(options.messages_per_minute))
                .await?;
            lowest = lowest.min(self.line(agents).await?);
        }
        Ok(lowest)
    }

    /// Sends messages, at an even pace, for a while.
    async fn talk(&self, a_minute: f64) {
        let end = self.clock.now() + EVERY;
        while self.clock.now() < end {
            if a_minute <= 0.0 {
                return self.clock.sleep(EVERY).await;
            }
            self.clock
                .sleep(Duration::from_secs_f64(60.0 / a_minute))
                .await;
            // Another one each time, far from the last.
            let sent = since_epoch(&self.clock).as_micros();
            let index = (sent / 1000 * 7919) as usize % self.members.len();
            if let Err(error) = self
                .platform
                .say(&self.members[index], &sent.to_string())
                .await
            {
                eprintln!("a message was not sent: {error:#}");
            }
        }
    }

    /// Prints how it goes, and says how many are online.
    async fn line(&self, agents: &Agents) -> Result<usize> {
        let online = self.platform.online().await?;
        let (memory, report) = (agents.memory()?, &agents.last);
        println!(
            "{:>8} {online:>8} {:>9} {:>5} {:>9} {:>7.0}ms",
            self.clock.now().as_secs(),
            report.requests,
            report.refused,
            memory.resident / 1024,
            report.lateness.p99,
        );
        Ok(online)
    }
}
