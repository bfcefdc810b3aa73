//! `plugin validate`: what is wrong with a plugin, before anybody installs it.
//!
//! What the original's validator takes for an error is an error here too. What it lets pass but the platform's own
//! checks or an installation stumble over is an error if the plugin could not be installed, and else a warning.

mod content;
mod finding;
mod manifest;
mod secrets;
mod skills;
mod yaml;

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::exit::{Exit, Problem};
use crate::output::Output;

use finding::{Finding, Findings};

/// Options of `plugin validate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, though there may be warnings; 1 something is."
)]
pub(crate) struct ValidateArgs {
    /// The plugin's directory
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    valid: bool,
    errors: usize,
    warnings: usize,
    findings: &'a [Finding],
}

/// Checks a plugin.
///
/// # Errors
/// When the plugin is not valid, or stdout cannot be written to.
pub(super) fn run(args: &ValidateArgs, io: &Output) -> anyhow::Result<Exit> {
    let findings = check(&args.dir).sorted();
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let answer = Answer {
        valid: errors == 0,
        errors,
        warnings: findings.len() - errors,
        findings: &findings,
    };
    io.data(&answer, || answer.described(&args.dir))?;
    if answer.valid {
        return Ok(Exit::Done);
    }
    let (dir, errors) = (args.dir.display(), counted(errors, "error"));
    let message = format!("the plugin in {dir} is not valid; mend what is listed ({errors})");
    Err(Problem::new(Exit::Unexpected, message).into())
}

fn check(dir: &Path) -> Findings {
    let mut findings = Findings::default();
    if !dir.is_dir() {
        let message = "there is no such directory; name a plugin's".to_owned();
        findings.error("directory", ".", None, message);
        return findings;
    }
    let manifest = manifest::check(dir, &mut findings);
    content::check(dir, manifest.as_ref(), &mut findings);
    skills::check(dir, &mut findings);
    secrets::check(dir, &mut findings);
    findings
}

impl Answer<'_> {
    fn described(&self, dir: &Path) -> String {
        let mut lines: Vec<_> = self
            .findings
            .iter()
            .map(|finding| finding.described(dir))
            .collect();
        let word = if self.valid { "valid" } else { "not valid" };
        let (errors, warnings) = (
            counted(self.errors, "error"),
            counted(self.warnings, "warning"),
        );
        lines.push(format!("{}: {word}, {errors}, {warnings}", dir.display()));
        lines.join("\n")
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
