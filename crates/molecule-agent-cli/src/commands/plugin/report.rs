//! What an installation did, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use molecule_agent::AgentError;
use molecule_plugin::{
    ExpectedFrom, InstallReport, PluginError, PluginName, SetupOutcome, SetupReport, Sha256Digest,
    SkippedEntry,
};
use serde::Serialize;

use super::identity;
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// How many of the entries that were left out are shown to a person.
const SHOWN: usize = 20;

/// The report as JSON.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    outcome: &'static str,
    name: &'a PluginName,
    root: Option<&'a Path>,
    files: Option<u64>,
    bytes: Option<u64>,
    skipped: &'a [SkippedEntry],
    digest: Option<Sha256Digest>,
    verified: bool,
    expected_from: Option<&'static str>,
    setup: Option<&'a SetupReport>,
    error: Option<Fault>,
}

/// Why a plugin was refused.
#[derive(Debug, Serialize)]
struct Fault {
    /// The rule that was broken.
    kind: &'static str,
    message: String,
}

/// Reports a plugin that is installed, and says how to end.
///
/// # Errors
/// When stdout cannot be written to, or `setup.sh` was cut short by the user.
pub(super) fn installed(report: &InstallReport, io: &Output) -> anyhow::Result<Exit> {
    let answer = Answer {
        outcome: "installed",
        name: &report.name,
        root: Some(&report.root),
        files: Some(report.files),
        bytes: Some(report.bytes),
        skipped: &report.skipped,
        digest: Some(report.digest),
        verified: report.verified,
        expected_from: report.expected_from.map(word),
        setup: report.setup.as_ref(),
        error: None,
    };
    io.data(&answer, || text(report))?;
    if let Some(strange) = identity::oddity(&report.root, &report.name) {
        io.note(&format!("note: {strange}"));
    }
    match &report.setup {
        Some(setup) if setup.outcome == SetupOutcome::Cancelled => {
            Err(Problem::new(Exit::Unexpected, CUT_SHORT).into())
        }
        _ => Ok(Exit::Done),
    }
}

const CUT_SHORT: &str =
    "setup.sh was stopped before its end; install the plugin again to run it whole";

/// A plugin that was refused is both an answer and an error. Other errors are returned as they are.
pub(super) fn refused(name: &PluginName, error: anyhow::Error, io: &Output) -> anyhow::Error {
    if Exit::of(&error) != Exit::Integrity {
        return error;
    }
    let rule = rule(&error);
    if io.is_json()
        && let Err(unwritten) = io.data(&refusal(name, &error), String::new)
    {
        return unwritten;
    }
    let pinned = match plugin_error(&error) {
        Some(PluginError::Mismatch {
            expected_from: "caller",
            ..
        }) => "; it does not have the hash that --sha256 expects",
        _ => "",
    };
    let message = format!("plugin {name} was refused ({rule}), and nothing was changed{pinned}");
    error.context(Problem::new(Exit::Integrity, message))
}

/// What the plugin's own crate says about it.
fn plugin_error(error: &anyhow::Error) -> Option<&PluginError> {
    match error.downcast_ref::<AgentError>() {
        Some(AgentError::Plugin(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

/// The word for the rule that was broken.
fn rule(error: &anyhow::Error) -> &'static str {
    match plugin_error(error) {
        Some(error) => error.code(),
        None if matches!(
            error.downcast_ref(),
            Some(AgentError::PluginTooLarge { .. })
        ) =>
        {
            "download-size"
        }
        None => "platform-refusal",
    }
}

fn refusal<'a>(name: &'a PluginName, error: &anyhow::Error) -> Answer<'a> {
    let (digest, expected_from) = match plugin_error(error) {
        Some(PluginError::Mismatch {
            actual,
            expected_from,
            ..
        }) => (Some(*actual), Some(*expected_from)),
        _ => (None, None),
    };
    Answer {
        outcome: "refused",
        name,
        root: None,
        files: None,
        bytes: None,
        skipped: &[],
        digest,
        verified: false,
        expected_from,
        setup: None,
        error: Some(Fault {
            kind: rule(error),
            message: error.to_string(),
        }),
    }
}

const fn word(expected_from: ExpectedFrom) -> &'static str {
    match expected_from {
        ExpectedFrom::Caller => "caller",
        ExpectedFrom::Manifest => "manifest",
    }
}

fn text(report: &InstallReport) -> String {
    let mut text = format!(
        "installed {} in {}\n{} files, {} bytes\nmanifest hash {}\n{}\n",
        report.name,
        report.root.display(),
        report.files,
        report.bytes,
        report.digest,
        vouched(report.expected_from),
    );
    for entry in report.skipped.iter().take(SHOWN) {
        let _ = writeln!(text, "left out {} ({})", entry.name, entry.reason);
    }
    if report.skipped.len() > SHOWN {
        let more = report.skipped.len() - SHOWN;
        let _ = writeln!(text, "left out {more} more; --json lists them");
    }
    if let Some(setup) = &report.setup {
        let _ = writeln!(text, "setup.sh {}", ended(&setup.outcome));
        text += &complaint(setup);
    }
    text.trim_end().to_owned()
}

const fn vouched(expected_from: Option<ExpectedFrom>) -> &'static str {
    match expected_from {
        Some(ExpectedFrom::Caller) => "verified: it is the hash that --sha256 expects",
        Some(ExpectedFrom::Manifest) => "verified: it is the hash that its plugin.yaml declares",
        None => "not verified: no hash vouches for it; pin one with --sha256",
    }
}

fn ended(outcome: &SetupOutcome) -> String {
    match outcome {
        SetupOutcome::Succeeded => "succeeded".to_owned(),
        SetupOutcome::Failed { exit_code } => format!("failed with exit status {exit_code}"),
        SetupOutcome::Signalled { signal } => format!("was ended by signal {signal}"),
        SetupOutcome::TimedOut => "took too long and was killed".to_owned(),
        SetupOutcome::Cancelled => "was stopped".to_owned(),
        SetupOutcome::NotRun { reason } => format!("did not run: {reason}"),
        _ => "ended in a way that this version does not know".to_owned(),
    }
}

/// The last line that a `setup.sh` complained with, unless it did well.
fn complaint(setup: &SetupReport) -> String {
    let last = setup.stderr.lines().rfind(|line| !line.trim().is_empty());
    match (&setup.outcome, last) {
        (SetupOutcome::Succeeded, _) | (_, None) => String::new(),
        (_, Some(line)) => format!("  its last words: {line}\n"),
    }
}
