//! What a check found, and where.

use std::path::Path;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    severity: Severity,
    /// A stable word for the rule.
    rule: &'static str,
    /// The file, relative to the plugin's directory.
    file: String,
    /// The line, from 1, where there is one to name.
    line: Option<usize>,
    message: String,
}

impl Finding {
    pub(super) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// One line, as compilers write them.
    pub(super) fn described(&self, dir: &Path) -> String {
        let path = match self.file.as_str() {
            "." => dir.to_owned(),
            file => dir.join(file),
        };
        let path = path.to_string_lossy();
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        format!(
            "{}{line}: {word}: {} [{}]",
            path.escape_debug(),
            self.message,
            self.rule
        )
    }
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Something that makes the plugin invalid.
    pub(super) fn error(
        &mut self,
        rule: &'static str,
        file: &str,
        line: impl Into<Option<usize>>,
        message: String,
    ) {
        self.add(Severity::Error, rule, file, line.into(), message);
    }

    /// Something that does not.
    pub(super) fn warning(
        &mut self,
        rule: &'static str,
        file: &str,
        line: impl Into<Option<usize>>,
        message: String,
    ) {
        self.add(Severity::Warning, rule, file, line.into(), message);
    }

    fn add(
        &mut self,
        severity: Severity,
        rule: &'static str,
        file: &str,
        line: Option<usize>,
        message: String,
    ) {
        self.0.push(Finding {
            severity,
            rule,
            file: file.to_owned(),
            line,
            message,
        });
    }

    /// Whether something makes this file invalid.
    pub(super) fn has_error_in(&self, file: &str) -> bool {
        self.0
            .iter()
            .any(|finding| finding.is_error() && finding.file == file)
    }

    /// By file and line.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0
            .sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        self.0
    }
}
