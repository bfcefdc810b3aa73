//! `cargo xtask interop`: the official SDKs against this project, both ways round.
//!
//! Each official client goes through the same cases against our echo agent, and our client goes through them against an echo agent
//! on each official SDK. The programs that do it lie in `xtask/interop`; what they need is installed below the target folder.

mod program;
mod sdk;
mod table;

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use self::program::{Server, cases_of};
use self::sdk::{SDKS, Sdk};
use self::table::{Row, Table};
use crate::process::Run;
use crate::workspace::metadata;

/// The programs of this project that take part.
const OURS: &str = "cargo build --quiet -p molecule-interop -p molecule-a2a --bins --examples";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the SDKs whose name holds this: `python`, say, or `js 1.3.0`
    #[arg(long, value_name = "NAME", default_value = "")]
    sdk: String,
    /// The official clients against the official servers as well, which tells whose a failure is
    #[arg(long)]
    official: bool,
}

/// Runs every pair; fails if a case of one did, or if the linter complains.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen = |sdk: &&Sdk| sdk.name().contains(&options.sdk);
    let sdks: Vec<_> = SDKS.iter().filter(chosen).collect();
    ensure!(!sdks.is_empty(), "no SDK has {:?} in its name", options.sdk);
    let bench = Bench::set_up(&sdks)?;
    let pairs: Vec<_> = sdks
        .iter()
        .flat_map(|sdk| pairs(sdk, options.official))
        .collect();
    let table = bench.compare(&pairs);
    println!("\n{table}");
    match table.failed() {
        0 => bench.lint(&sdks),
        failed => bail!("{failed} cases failed"),
    }
}

/// Who talks to whom.
struct Pair {
    /// An official client, or ours that speaks this version.
    client: Result<&'static Sdk, &'static str>,
    /// The agent of an SDK, or ours.
    server: Option<&'static Sdk>,
}

fn pairs(sdk: &'static Sdk, official: bool) -> Vec<Pair> {
    let new = |client, server| Pair { client, server };
    let mut pairs = vec![new(Ok(sdk), None)];
    let ours = sdk.wires().iter().map(|wire| new(Err(*wire), Some(sdk)));
    pairs.extend(ours);
    if official {
        pairs.push(new(Ok(sdk), Some(sdk)));
    }
    pairs
}

/// Where everything is that takes part.
struct Bench {
    cache: PathBuf,
    programs: PathBuf,
}

impl Bench {
    /// Installs and builds it all.
    fn set_up(sdks: &[&Sdk]) -> Result<Self> {
        let target = metadata()?.target_directory.into_std_path_buf();
        let bench = Self {
            cache: target.join("interop"),
            programs: target.join("debug"),
        };
        for sdk in sdks {
            sdk.install(&bench.cache)
                .with_context(|| format!("cannot install the SDK {}", sdk.name()))?;
        }
        Run::new(OURS).show()?;
        Ok(bench)
    }

    /// All pairs at the same time, because they mostly wait.
    fn compare(&self, pairs: &[Pair]) -> Table {
        thread::scope(|scope| {
            let start = |pair| scope.spawn(move || self.row(pair));
            let running: Vec<_> = pairs.iter().map(start).collect();
            let rows = running.into_iter().map(|row| {
                let row = row.join();
                row.expect("a pair that fails says so in its row")
            });
            Table(rows.collect())
        })
    }

    fn row(&self, pair: &Pair) -> Row {
        let client = match pair.client {
            Ok(sdk) => sdk.name(),
            Err(wire) => format!("our client, {wire}"),
        };
        let server = pair.server.map_or("echo_agent".to_owned(), Sdk::name);
        Row::new(format!("{client} -> {server}"), &self.talk(pair))
    }

    /// What the client reports about the server.
    fn talk(&self, pair: &Pair) -> Result<String> {
        let server = match pair.server {
            Some(sdk) => sdk.program(&self.cache, "server"),
            None => self.example("echo_agent"),
        };
        let server = Server::start(&server)?;
        let client = match pair.client {
            Ok(sdk) => sdk.program(&self.cache, "client").arg(server.url()),
            Err(wire) => program(&self.programs.join("molecule-interop"))
                .arg(server.url())
                .arg(wire),
        };
        cases_of(&client)
    }

    /// The linter, which comes with one of the SDKs, finds nothing to complain about in our agents.
    fn lint(&self, sdks: &[&Sdk]) -> Result<()> {
        let tools = sdks.iter().map(|sdk| sdk.tool(&self.cache, "a2a-lint"));
        let tools: Vec<_> = tools.collect::<Result<_>>()?;
        let Some(linter) = tools.into_iter().flatten().next() else {
            println!("no linter: the SDK that it comes with was not chosen");
            return Ok(());
        };
        let linter = linter.arg("--live").arg("--strict");
        for agent in ["echo_agent", "a2a-sut"] {
            let server = Server::start(&self.example(agent))?;
            linter.clone().arg(server.url()).show()?;
        }
        Ok(())
    }

    fn example(&self, name: &str) -> Run {
        program(&self.programs.join("examples").join(name))
    }
}

fn program(path: &Path) -> Run {
    Run::new("").arg(path.display().to_string())
}
