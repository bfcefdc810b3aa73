//! A command that answers messages: one process for each.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use molecule_agent::transport::{BoxFuture, Clock};
use molecule_agent::{Handler, HandlerOutcome, InboundMessage, WorkspaceId};

use super::environment::Environment;
use super::process::{self, Finished, Limits};
use super::{Context, json};
use crate::duration;

/// How much of a command's last complaint the sender is told, in characters.
const LONGEST_COMPLAINT: usize = 200;

/// How a command is run.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Handlers")]
pub(crate) struct ExecOptions {
    /// What the command reads on stdin: the message's text, or one line of JSON with all about it
    #[arg(long, value_name = "FORM", default_value = "text")]
    exec_input: Input,
    /// How long the command may run
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse_interval)]
    exec_timeout: Duration,
    /// How many bytes the command may print
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    exec_max_output: u64,
    /// Give the command no environment but PATH and what describes the message
    #[arg(long)]
    clean_env: bool,
    /// Give the command these secrets of the workspace in its environment
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    with_secrets: Vec<String>,
}

impl ExecOptions {
    /// The secrets that the command is given.
    pub(super) fn secrets(&self) -> &[String] {
        &self.with_secrets
    }

    /// Whether the command is given a clean environment.
    pub(super) fn clean_env(&self) -> bool {
        self.clean_env
    }
}

/// What a command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Input {
    /// The text alone.
    Text,
    /// One JSON object on one line.
    Json,
}

/// Runs a command for each message and answers with what it prints.
pub(super) struct ExecHandler {
    exec: Arc<Exec>,
}

struct Exec {
    command: String,
    input: Input,
    limits: Limits,
    environment: Environment,
    workspace_id: WorkspaceId,
    clock: Arc<dyn Clock>,
}

impl ExecHandler {
    /// A handler that runs `sh -c command`.
    pub(super) fn new(
        command: &str,
        options: &ExecOptions,
        environment: Environment,
        context: Context,
    ) -> Self {
        let exec = Exec {
            command: command.to_owned(),
            input: options.exec_input,
            limits: Limits {
                time: options.exec_timeout,
                output: options.exec_max_output,
            },
            environment,
            workspace_id: context.workspace_id(),
            clock: context.clock,
        };
        Self {
            exec: Arc::new(exec),
        }
    }
}

impl Handler for ExecHandler {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        let exec = Arc::clone(&self.exec);
        Box::pin(async move { exec.answer(&message).await.into() })
    }
}

impl Exec {
    /// The answer, or why there is none.
    async fn answer(&self, message: &InboundMessage) -> Result<Option<String>, String> {
        let mut last = String::new();
        let complain = |line: &str| {
            last = self.environment.redactor().clean(line);
            tracing::info!(activity = %message.activity_id, "handler: {last}");
        };
        let variables = self.environment.for_message(self.workspace_id, message);
        let input = self.input(message);
        let run = process::run(
            &self.command,
            &variables,
            &input,
            self.limits,
            self.clock.as_ref(),
            complain,
        );
        match run.await {
            Ok(finished) if finished.status.success() => Ok(reply(&finished)),
            Ok(finished) => Err(reason(finished.status, &last)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn input(&self, message: &InboundMessage) -> Vec<u8> {
        match self.input {
            Input::Text => message.text.clone().into_bytes(),
            Input::Json => format!("{}\n", json::describe(message, self.workspace_id)).into_bytes(),
        }
    }
}

/// What was printed, without the line break at its end that commands print. Nothing printed is nothing to answer.
fn reply(finished: &Finished) -> Option<String> {
    let text = String::from_utf8_lossy(&finished.stdout);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn reason(status: ExitStatus, last: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => format!("killed by signal {signal}"),
        _ => status.to_string(),
    };
    match last.chars().take(LONGEST_COMPLAINT).collect::<String>() {
        last if last.is_empty() => how,
        last => format!("{how}: {last}"),
    }
}

#[cfg(test)]
mod tests;
