//! The one table from what went wrong to the exit code and to the word that JSON errors carry.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use molecule_agent::token_store::TokenStoreError;
use molecule_agent::{AgentError, ErrorKind};
use molecule_plugin::{PluginError, PluginErrorKind};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, drained or paused.
    Done,
    /// Nothing that the program expects.
    Unexpected,
    /// The command line, the environment, the config file or an argument is at fault.
    Usage,
    /// The token is missing or not accepted.
    Authentication,
    /// No usable answer from the platform.
    Unreachable,
    /// The workspace was deleted.
    Deleted,
    /// A plugin, or its archive, is not what it should be.
    Integrity,
    /// Another process holds what only one may have.
    Locked,
    /// The platform, or this version of the program, lacks what is needed.
    Unsupported,
    /// It may work later.
    Temporary,
}

impl Exit {
    /// The exit code and the word for it.
    const fn row(self) -> (u8, &'static str) {
        match self {
            Self::Done => (0, "paused"),
            Self::Unexpected => (1, "unexpected"),
            Self::Usage => (2, "usage"),
            Self::Authentication => (3, "authentication"),
            Self::Unreachable => (4, "unreachable"),
            Self::Deleted => (5, "deleted"),
            Self::Integrity => (7, "integrity"),
            Self::Locked => (8, "locked"),
            Self::Unsupported => (9, "unsupported"),
            Self::Temporary => (75, "temporary"),
        }
    }

    /// What the shell sees.
    pub(crate) const fn code(self) -> u8 {
        self.row().0
    }

    /// The `kind` of a JSON error.
    pub(crate) const fn kind(self) -> &'static str {
        self.row().1
    }

    /// The one with this code.
    pub(crate) fn of_code(code: u64) -> Option<Self> {
        let mut all = Self::FROM_BAD_TO_GOOD.into_iter();
        all.find(|exit| u64::from(exit.code()) == code)
    }

    /// How to end after `error`: a [`Problem`] among its causes decides, or else the first cause that says so.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(problem) = error.downcast_ref::<Problem>() {
            return problem.exit;
        }
        error
            .chain()
            .find_map(Self::of_cause)
            .unwrap_or(Self::Unexpected)
    }

    /// How to end after an error that is not owned: the first of its causes that says so decides.
    pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Self {
        let mut causes = std::iter::successors(Some(error), |error| (*error).source());
        causes.find_map(Self::of_cause).unwrap_or(Self::Unexpected)
    }

    /// By what asks more of a person.
    const FROM_BAD_TO_GOOD: [Self; 10] = [
        Self::Unexpected,
        Self::Usage,
        Self::Integrity,
        Self::Authentication,
        Self::Unsupported,
        Self::Locked,
        Self::Deleted,
        Self::Unreachable,
        Self::Temporary,
        Self::Done,
    ];

    /// The worse of two ends.
    pub(crate) fn worse(self, other: Self) -> Self {
        let mut by_badness = Self::FROM_BAD_TO_GOOD.into_iter();
        let worse = by_badness.find(|exit| [self, other].contains(exit));
        worse.unwrap_or(self)
    }

    fn of_cause(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(problem) = error.downcast_ref::<Problem>() {
            return Some(problem.exit);
        }
        if let Some(error) = error.downcast_ref::<TokenStoreError>() {
            return Some(Self::of_token_store(error));
        }
        if let Some(error) = error.downcast_ref::<PluginError>() {
            return Some(error.kind().into());
        }
        match error.downcast_ref::<AgentError>()? {
            // What it is stands behind it.
            AgentError::Setup(_) => None,
            AgentError::TokenStore(error) => Some(Self::of_token_store(error)),
            AgentError::JournalInUse { .. } => Some(Self::Locked),
            error => Some(error.kind().into()),
        }
    }

    const fn of_token_store(error: &TokenStoreError) -> Self {
        match error {
            TokenStoreError::Contended { .. } | TokenStoreError::Rotating { .. } => Self::Locked,
            _ => Self::Authentication,
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Authentication => Self::Authentication,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Deleted => Self::Deleted,
            ErrorKind::Paused => Self::Done,
            ErrorKind::Integrity => Self::Integrity,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Temporary => Self::Temporary,
            _ => Self::Unexpected,
        }
    }
}

impl From<PluginErrorKind> for Exit {
    fn from(kind: PluginErrorKind) -> Self {
        match kind {
            PluginErrorKind::Usage => Self::Usage,
            PluginErrorKind::Integrity => Self::Integrity,
            PluginErrorKind::Busy => Self::Temporary,
            _ => Self::Unexpected,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error of the program's own: what is wrong and what to do about it, and how to end.
#[derive(Debug)]
pub(crate) struct Problem {
    exit: Exit,
    message: String,
}

impl Problem {
    /// `message` is what the user reads: lower case, no full stop, with what to do next.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// The command line, the environment or the config file is at fault.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    fn check(error: impl Into<anyhow::Error>, code: u8, kind: &str) {
        let error = error.into();
        let exit = Exit::of(&error);
        assert_eq!((exit.code(), exit.kind()), (code, kind), "{error:#}");
    }

    #[test]
    fn every_kind_of_trouble_has_its_code() {
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        check(anyhow!("what?"), 1, "unexpected");
        check(AgentError::TaskFailed("heartbeat"), 1, "unexpected");
        check(AgentError::UnknownWorkspace(id), 2, "usage");
        check(AgentError::NoToken(id), 3, "authentication");
        check(AgentError::Deleted(id), 5, "deleted");
        check(AgentError::Paused(id), 0, "paused");
        check(
            AgentError::PollModeUnsupported { source: None },
            9,
            "unsupported",
        );
        assert_eq!(Exit::from(ErrorKind::Unreachable).code(), 4);
        assert_eq!(Exit::from(ErrorKind::Temporary).code(), 75);
    }

    #[test]
    fn an_end_is_known_by_its_code() {
        for exit in Exit::FROM_BAD_TO_GOOD {
            assert_eq!(Exit::of_code(exit.code().into()), Some(exit));
        }
        assert_eq!(Exit::of_code(6), None);
    }

    #[test]
    fn a_held_token_file_is_a_lock() {
        let path = std::path::PathBuf::from("/t");
        let contended = || TokenStoreError::Contended { path: path.clone() };
        check(contended(), 8, "locked");
        check(AgentError::from(contended()), 8, "locked");
        let rotating = TokenStoreError::Rotating { path: path.clone() };
        check(AgentError::from(rotating), 8, "locked");
        check(
            TokenStoreError::NotAFile { path: path.clone() },
            3,
            "authentication",
        );
    }

    #[test]
    fn a_plugin_that_is_refused_has_a_code_of_its_own() {
        let name: molecule_plugin::PluginName = "demo".parse().unwrap();
        let path = std::path::PathBuf::from("/p");
        let what = "a symbolic link";
        check(PluginError::Foreign { path, what }, 7, "integrity");
        check(PluginError::NotInstalled(name.clone()), 2, "usage");
        check(PluginError::Busy(name), 75, "temporary");
        check(PluginError::Cancelled, 1, "unexpected");
    }

    #[test]
    fn context_does_not_hide_what_happened() {
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        let deleted: Result<(), _> = Err(AgentError::Deleted(id));
        check(deleted.context("while trying").unwrap_err(), 5, "deleted");
        let refused: Result<(), _> = Err(anyhow!("no").context(Problem::usage("wrong")));
        check(refused.context("while trying").unwrap_err(), 2, "usage");
    }
}
