//! `cargo xtask fuzz`: every target for a while, with its seeds, its corpus and its dictionary.

mod log;

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::process::{Run, root};
use log::Log;

/// What a target may use. Without the small quarantine the address sanitizer alone needs more.
const MEMORY_MIB: u32 = 512;
const SANITIZER: &str = "quarantine_size_mb=32";
/// Seconds for one input.
const TIMEOUT: u32 = 10;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
    /// Only this target; may be given several times
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
    /// Where chance begins; 0 is somewhere else each time
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u32,
    /// Leave everything out, visibly, where there is no nightly toolchain
    #[arg(long)]
    skip_without_nightly: bool,
}

/// Runs the targets one after the other; fails if one of them found something.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !has_nightly() {
        if options.skip_without_nightly {
            println!("fuzz: SKIPPED, there is no nightly toolchain here");
            return Ok(());
        }
        bail!("fuzzing needs a nightly compiler: rustup toolchain install nightly");
    }
    let known = known_targets()?;
    let targets = chosen(&known, &options.targets)?;
    build()?;
    let mut report = Vec::new();
    for target in targets {
        println!("\n== {target}");
        report.push(run_target(target, options)?);
    }
    conclude(&report)
}

fn has_nightly() -> bool {
    Run::new("cargo +nightly --version").succeeds()
}

fn known_targets() -> Result<Vec<String>> {
    let list = cargo_fuzz("list").read()?;
    Ok(list.lines().map(str::to_owned).collect())
}

fn cargo_fuzz(words: &str) -> Run {
    Run::new(&format!("cargo +nightly fuzz {words}"))
        .hint("cargo-fuzz missing? cargo install cargo-fuzz --locked")
}

fn chosen<'known>(known: &'known [String], wanted: &[String]) -> Result<Vec<&'known str>> {
    for name in wanted {
        ensure!(
            known.contains(name),
            "there is no target {name}; there are {}",
            known.join(", ")
        );
    }
    let is_wanted = |name: &&String| wanted.is_empty() || wanted.contains(name);
    Ok(known.iter().filter(is_wanted).map(String::as_str).collect())
}

/// Once for all, so that no target's time goes into compiling.
fn build() -> Result<()> {
    cargo_fuzz("build").show()
}

fn run_target(target: &str, options: &Options) -> Result<Row> {
    let corpus = format!("fuzz/corpus/{target}");
    fs::create_dir_all(root().join(&corpus))?;
    let mut run = cargo_fuzz("run").arg(target).arg(corpus);
    // The first folder takes what is found; the others are only read.
    for kind in ["seeds", "crashes"] {
        run = existing(run, "", format!("fuzz/{kind}/{target}"));
    }
    run = run.arg("--");
    run = existing(run, "-dict=", format!("fuzz/dictionaries/{target}.dict"));
    run = run
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-seed={}", options.seed))
        .arg(format!("-max_len={}", max_len(target)))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg("-print_final_stats=1")
        .env("ASAN_OPTIONS", SANITIZER);
    println!("$ {run}");
    let (success, log) = run.watch_error()?;
    if !success {
        println!("{log}");
    }
    let row = Row::new(target, success, &log);
    println!("{row}");
    Ok(row)
}

/// Adds the path with its prefix, if it is there.
fn existing(run: Run, prefix: &str, path: String) -> Run {
    if root().join(Path::new(&path)).exists() {
        run.arg(format!("{prefix}{path}"))
    } else {
        run
    }
}

/// Archives need some room, and texts none.
fn max_len(target: &str) -> u32 {
    if target.starts_with("unpack") || target == "tar_differential" {
        32 << 10
    } else {
        4 << 10
    }
}

fn conclude(report: &[Row]) -> Result<()> {
    println!("\n{HEADER}");
    for row in report {
        println!("{row}");
    }
    let failed: Vec<_> = report.iter().filter(|row| row.failed).collect();
    for row in &failed {
        println!(
            "{}: {}",
            row.target,
            row.log.artifact.as_deref().unwrap_or("failed")
        );
    }
    ensure!(
        failed.is_empty(),
        "{} of {} targets failed; fuzz/README.md says how to reproduce and minimise",
        failed.len(),
        report.len()
    );
    Ok(())
}

const HEADER: &str = "target              executions    per s   coverage   corpus   MiB  crashes";

struct Row {
    target: String,
    failed: bool,
    log: Log,
}

impl Row {
    fn new(target: &str, success: bool, log: &str) -> Self {
        Self {
            target: target.to_owned(),
            failed: !success,
            log: Log::parse(log),
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let log = &self.log;
        write!(
            f,
            "{:<18}{:>12}{:>9}{:>11}{:>9}{:>6}{:>9}",
            self.target,
            log.executions,
            log.per_second,
            log.coverage,
            log.corpus,
            log.peak_mib,
            u8::from(self.failed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_run_unless_some_are_named() {
        let known = ["token".to_owned(), "unpack_tar".into()];
        assert_eq!(chosen(&known, &[]).unwrap(), ["token", "unpack_tar"]);
        assert_eq!(chosen(&known, &known[1..]).unwrap(), ["unpack_tar"]);
    }

    #[test]
    fn a_target_that_does_not_exist_is_an_error_that_lists_those_that_do() {
        let known = ["token".to_owned()];
        let error = chosen(&known, &["tokens".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no target tokens; there are token"
        );
    }

    #[test]
    fn a_crash_makes_the_run_fail_and_names_its_input() {
        let row = |success| Row::new("token", success, "Test unit written to fuzz/artifacts/x\n");
        assert!(conclude(&[row(true)]).is_ok());
        let failed = row(false);
        assert!(failed.to_string().ends_with('1'), "{failed}");
        assert!(conclude(&[row(true), failed]).is_err());
    }

    #[test]
    fn the_columns_stand_below_their_names() {
        assert_eq!(Row::new("a", true, "").to_string().len(), HEADER.len());
    }
}
