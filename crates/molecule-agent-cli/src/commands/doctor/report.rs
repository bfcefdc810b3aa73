//! What was found, line by line.

use serde::Serialize;

use crate::exit::{Exit, Problem};
use crate::output::Output;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check found. Where it is not good, the message says what to do.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    status: Status,
    message: String,
}

impl Finding {
    /// All is well.
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Status::Ok, message)
    }

    /// It works, but not as one would like it to.
    pub(super) fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Status::Warning, message)
    }

    /// It keeps the agent from working.
    pub(super) fn failed(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Status::Failed, message)
    }

    /// It does not matter, or cannot be found out.
    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self::new(check, Status::Skipped, why)
    }

    /// The error keeps the agent from working.
    pub(super) fn error(check: &'static str, error: &anyhow::Error) -> Self {
        Self::failed(check, format!("{error:#}"))
    }

    fn new(check: &'static str, status: Status, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            check,
            status,
            message,
        }
    }

    fn line(&self) -> String {
        let message = self.message.replace('\n', " ");
        format!("{:8} {:13} {message}", self.status.word(), self.check)
    }
}

/// Prints findings as they come.
#[derive(Debug)]
pub(super) struct Report<'a> {
    io: &'a Output,
    failed: usize,
}

impl<'a> Report<'a> {
    pub(super) const fn new(io: &'a Output) -> Self {
        Self { io, failed: 0 }
    }

    /// Prints what was found, and returns whether the agent could work with it.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(super) fn add(&mut self, finding: Finding) -> anyhow::Result<bool> {
        let failed = finding.status == Status::Failed;
        self.failed += usize::from(failed);
        self.io.data(&finding, || finding.line())?;
        Ok(!failed)
    }

    /// Says of each check why it was not made.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(super) fn skip(&mut self, checks: &[&'static str], why: &str) -> anyhow::Result<()> {
        checks
            .iter()
            .try_for_each(|check| self.add(Finding::skipped(check, why)).map(drop))
    }

    /// Says how it went.
    ///
    /// # Errors
    /// When anything failed.
    pub(super) fn end(self) -> anyhow::Result<Exit> {
        let message = match self.failed {
            0 => return Ok(Exit::Done),
            1 => "a check failed; do what its line says, then run it again".to_owned(),
            failed => {
                format!("{failed} checks failed; do what their lines say, then run it again")
            }
        };
        Err(Problem::new(Exit::Unexpected, message).into())
    }
}
