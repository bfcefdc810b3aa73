//! `cargo xtask ci`: the steps in order, and a table of how they went.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::steps::Step;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Go on after a failure and report all of them at the end
    #[arg(long)]
    keep_going: bool,
    /// Leave out the tests, for a caller that has just run them
    #[arg(long)]
    skip_tests: bool,
}

/// Runs the steps; fails if one of them did.
pub(crate) fn run(options: &Options) -> Result<()> {
    let report = run_steps(options, Step::run);
    println!("\n{report}");
    match report.failed().as_slice() {
        [] => Ok(()),
        failed => bail!(
            "failed: {}; repeat one with `cargo xtask {}`",
            failed.join(", "),
            failed[0]
        ),
    }
}

fn run_steps(options: &Options, run: impl Fn(Step) -> Result<()>) -> Report {
    let mut report = Report::default();
    for step in Step::ALL {
        let outcome = if options.skip_tests && step == Step::Test {
            Outcome::Skipped("--skip-tests")
        } else if !options.keep_going && !report.failed().is_empty() {
            Outcome::Skipped("an earlier step failed")
        } else {
            println!("\n== {}", step.name());
            timed(|| run(step))
        };
        report.0.push((step, outcome));
    }
    report
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a step really took is what is asked"
)]
fn timed(run: impl FnOnce() -> Result<()>) -> Outcome {
    let start = Instant::now();
    match run() {
        Ok(()) => Outcome::Passed(start.elapsed()),
        Err(error) => {
            println!("error: {error:#}");
            Outcome::Failed(start.elapsed())
        }
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped(&'static str),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(time) => write!(f, "passed  {:>7.1} s", time.as_secs_f64()),
            Self::Failed(time) => write!(f, "FAILED  {:>7.1} s", time.as_secs_f64()),
            Self::Skipped(why) => write!(f, "not run ({why})"),
        }
    }
}

#[derive(Debug, Default)]
struct Report(Vec<(Step, Outcome)>);

impl Report {
    fn failed(&self) -> Vec<&'static str> {
        self.0
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
            .map(|(step, _)| step.name())
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, outcome) in &self.0 {
            writeln!(f, "{:<13}{outcome}", step.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(keep_going: bool, skip_tests: bool) -> Report {
        let options = Options {
            keep_going,
            skip_tests,
        };
        run_steps(&options, |step| match step {
            Step::Clippy | Step::Doc => bail!("broken"),
            _ => Ok(()),
        })
    }

    fn outcome(report: &Report, wanted: Step) -> &Outcome {
        &report.0.iter().find(|(step, _)| *step == wanted).unwrap().1
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        let report = report(false, false);
        assert_eq!(report.failed(), ["clippy"]);
        assert!(matches!(
            outcome(&report, Step::Boundaries),
            Outcome::Passed(_)
        ));
        assert_eq!(
            *outcome(&report, Step::Features),
            Outcome::Skipped("an earlier step failed")
        );
    }

    #[test]
    fn keep_going_collects_every_failure() {
        assert_eq!(report(true, false).failed(), ["clippy", "doc"]);
    }

    #[test]
    fn tests_are_left_out_on_request_and_the_table_says_so() {
        let report = report(true, true);
        assert_eq!(
            *outcome(&report, Step::Test),
            Outcome::Skipped("--skip-tests")
        );
        assert!(
            report
                .to_string()
                .contains("test         not run (--skip-tests)"),
            "{report}"
        );
    }
}
