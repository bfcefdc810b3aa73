//! What answers messages: a command, an agent on this machine, or a text.

mod answer;
mod environment;
mod exec;
mod fixed;
mod forward;
mod json;
mod process;
mod redact;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use anyhow::Context as _;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, FromArgMatches as _};
use molecule_agent::transport::{Clock, SystemClock};
use molecule_agent::{Handler, RemoteAgentClient, WorkspaceId};

use crate::exit::Problem;
use environment::Environment;
use exec::{ExecHandler, ExecOptions};
use fixed::{Echo, Reply};
use forward::ForwardOptions;

/// The options that say what answers messages.
#[derive(Debug, Clone, Args)]
pub(crate) struct HandlerArgs {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    exec: ExecOptions,
    #[command(flatten)]
    forward: ForwardOptions,
}

/// At most one of these. Who needs one says so in [`HandlerArgs::build`], because it may come from the config file.
#[derive(Debug, Clone, Args)]
#[group(id = "handler", multiple = false)]
#[command(next_help_heading = "Handlers")]
struct Choice {
    /// Answer with what `sh -c CMD` prints; it reads the message on stdin, and what it leaves running is killed. If it
    /// fails, the sender is told its exit status and the last line of its stderr
    #[arg(long, value_name = "CMD", value_parser = NonEmptyStringValueParser::new())]
    exec: Option<String>,
    /// Answer with what the agent at this URL answers
    #[arg(long, value_name = "URL", value_parser = forward::parse_url)]
    forward: Option<http::Uri>,
    /// Answer with the message itself
    #[arg(long)]
    echo: bool,
    /// Answer with this text
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reply: Option<String>,
}

/// What a handler knows about the agent that it works for.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    client: RemoteAgentClient,
    clock: Arc<dyn Clock>,
}

impl Context {
    /// For this agent, by the time of the system.
    pub(crate) fn new(client: RemoteAgentClient) -> Self {
        Self {
            client,
            clock: Arc::new(SystemClock::new()),
        }
    }

    fn workspace_id(&self) -> WorkspaceId {
        self.client.workspace_id()
    }
}

impl HandlerArgs {
    /// Whether one was chosen.
    pub(crate) fn is_given(&self) -> bool {
        let Choice {
            exec,
            forward,
            echo,
            reply,
        } = &self.choice;
        exec.is_some() || forward.is_some() || *echo || reply.is_some()
    }

    /// What `--exec command` means without further options.
    pub(crate) fn exec(command: &str) -> Self {
        let options = Self::augment_args(clap::Command::new("handler").no_binary_name(true));
        options
            .try_get_matches_from(["--exec", command])
            .and_then(|matches| Self::from_arg_matches(&matches))
            .expect("the option is declared above, and every other has a default")
    }

    /// The handler. The platform is asked only for secrets that a command is to be given.
    ///
    /// # Errors
    /// When none was chosen; when a secret cannot be pulled, is missing, or cannot be an environment variable; when HTTP
    /// cannot be set up.
    pub(crate) async fn build(&self, context: Context) -> anyhow::Result<Arc<dyn Handler>> {
        let Choice {
            exec,
            forward,
            echo,
            reply,
        } = &self.choice;
        Ok(match (exec, forward, reply) {
            (Some(command), ..) => {
                let environment = self.environment(&context.client).await?;
                Arc::new(ExecHandler::new(command, &self.exec, environment, context))
            }
            (_, Some(url), _) => Arc::new(self.forward.handler(url.clone(), context.clock)?),
            (.., Some(text)) => Arc::new(Reply::new(text)),
            _ if *echo => Arc::new(Echo),
            _ => return Err(Problem::usage(NO_HANDLER).into()),
        })
    }

    async fn environment(&self, client: &RemoteAgentClient) -> anyhow::Result<Environment> {
        let wanted = self.exec.secrets();
        let secrets = match wanted {
            [] => Default::default(),
            _ => client.pull_secrets().await.context(
                "cannot pull the secrets of --with-secrets (a workspace without a token needs `register` first)",
            )?,
        };
        Ok(Environment::new(self.exec.clean_env(), wanted, &secrets)?)
    }
}

/// What to do without a handler.
pub(crate) const NO_HANDLER: &str =
    "what answers messages? choose one of --exec CMD, --forward URL, --echo and --reply TEXT";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        handler: HandlerArgs,
    }

    fn parse(args: &[&str]) -> Result<HandlerArgs, String> {
        Cli::try_parse_from([&["agent"], args].concat())
            .map(|cli| cli.handler)
            .map_err(|error| error.to_string())
    }

    fn check(args: &[&str], expect: Result<(), &str>) {
        match (parse(args), expect) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(text)) => assert!(error.contains(text), "{args:?}: {error}"),
            (parsed, expect) => panic!("{args:?}: {parsed:?}, not {expect:?}"),
        }
    }

    #[test]
    fn at_most_one_handler_is_chosen() {
        check(&["--echo"], Ok(()));
        check(
            &["--exec", "cat", "--exec-input", "json", "--clean-env"],
            Ok(()),
        );
        check(&["--forward", "http://127.0.0.1:9000/"], Ok(()));
        check(&["--echo", "--reply", "hi"], Err("cannot be used with"));
        assert!(parse(&["--echo"]).unwrap().is_given());
        assert!(!parse(&[]).unwrap().is_given());
    }

    #[test]
    fn values_that_cannot_work_are_refused_at_once() {
        check(&["--exec", ""], Err("a value is required"));
        check(&["--exec", "cat", "--exec-timeout", "0"], Err("interval"));
        check(&["--forward", "file:///etc/passwd"], Err("http"));
    }

    #[tokio::test]
    async fn fixed_handlers_answer_themselves() {
        for (args, expect) in [(vec!["--echo"], "hello"), (vec!["--reply", "hi"], "hi")] {
            let handler = parse(&args)
                .unwrap()
                .build(testing::context())
                .await
                .unwrap();
            let outcome = handler.handle(testing::from_canvas("hello")).await;
            assert_eq!(outcome, expect.into());
        }
    }

    #[tokio::test]
    async fn without_a_handler_the_choices_are_named() {
        let built = parse(&[]).unwrap().build(testing::context()).await;
        assert_eq!(built.err().unwrap().to_string(), NO_HANDLER);
    }
}
