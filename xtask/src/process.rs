//! Starting other programs, in the root of the workspace.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in a folder of the workspace")
}

/// A program and its arguments, not yet started.
#[derive(Clone)]
pub(crate) struct Run {
    words: Vec<String>,
    environment: Vec<(&'static str, String)>,
    hint: Option<&'static str>,
}

impl Run {
    /// A command line whose words hold no spaces.
    pub(crate) fn new(line: &str) -> Self {
        Self {
            words: line.split_whitespace().map(str::to_owned).collect(),
            environment: Vec::new(),
            hint: None,
        }
    }

    pub(crate) fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// What to try when it fails, for a tool that may not be installed.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Runs it, showing the command and its output.
    pub(crate) fn show(&self) -> Result<()> {
        println!("$ {self}");
        self.finish(Stdio::inherit()).map(drop)
    }

    /// Runs it and returns what it wrote to its standard output.
    pub(crate) fn read(&self) -> Result<String> {
        let output = self.finish(Stdio::piped())?;
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{self}` printed something that is not UTF-8"))
    }

    /// Runs it and returns whether it succeeded, and what it wrote to its error output.
    pub(crate) fn watch_error(&self) -> Result<(bool, String)> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .with_context(|| self.explain("could not be started"))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.success(), error))
    }

    /// Whether it can be run at all, and succeeds; nothing of it is shown.
    pub(crate) fn succeeds(&self) -> bool {
        self.watch_error().is_ok_and(|(success, _)| success)
    }

    /// Starts it, with pipes to talk to it.
    pub(crate) fn start(&self) -> Result<Child> {
        self.command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.explain("could not be started"))
    }

    fn finish(&self, stdout: Stdio) -> Result<Output> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.explain("could not be started"))?;
        if !output.status.success() {
            bail!(self.explain(&format!("failed with {}", output.status)));
        }
        Ok(output)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where chores start processes"
    )]
    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(root());
        command
    }

    fn explain(&self, what: &str) -> String {
        match self.hint {
            Some(hint) => format!("`{self}` {what} ({hint})"),
            None => format!("`{self}` {what}"),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}='{value}' ")?;
        }
        f.write_str(&self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_names_it_and_hints() {
        let error = Run::new("sh -c")
            .arg("exit 3")
            .hint("install it")
            .read()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c exit 3` failed with exit status: 3 (install it)"
        );
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it_and_hints() {
        let error = Run::new("no-such-program-anywhere")
            .hint("install it")
            .read()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`no-such-program-anywhere` could not be started (install it)"
        );
    }

    #[test]
    fn the_environment_is_shown_and_passed_on() {
        let run = Run::new("sh -c")
            .arg("echo $GREETING")
            .env("GREETING", "hello there");
        assert_eq!(
            run.to_string(),
            "GREETING='hello there' sh -c echo $GREETING"
        );
        assert_eq!(run.read().unwrap(), "hello there\n");
    }
}
