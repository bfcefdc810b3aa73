//! What a command finds in its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use molecule_agent::protocol::Secret;
use molecule_agent::{InboundMessage, SecretEnv, WorkspaceId};

use super::json::sender_id;
use super::redact::Redactor;
use crate::env;
use crate::exit::Problem;

/// The longest value that a message may put into a variable, in characters; the system refuses to start a command whose
/// environment is too large.
const LONGEST: usize = 1024;

/// Variables as a command gets them.
pub(super) type Variables = BTreeMap<OsString, OsString>;

/// What is the same for all messages.
pub(super) struct Environment {
    base: Variables,
    redactor: Redactor,
}

impl Environment {
    /// The user's environment without tokens, or of it `PATH` alone; and the secrets `wanted`.
    ///
    /// # Errors
    /// When a wanted secret is missing, or cannot be an environment variable.
    pub(super) fn new(
        clean: bool,
        wanted: &[String],
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, Problem> {
        let mut base: Variables = env::inheritable()
            .filter(|(name, _)| !clean || name == "PATH")
            .collect();
        let given = SecretEnv::only(secrets.clone(), wanted)
            .map_err(|unfit| Problem::usage(format!("--with-secrets: {unfit}")))?;
        base.extend(
            given
                .iter()
                .map(|(name, value)| (name.into(), value.expose().into())),
        );
        Ok(Self {
            base,
            redactor: Redactor::new(given.iter().map(|(_, value)| value)),
        })
    }

    /// What keeps the secrets out of what the command says.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// All variables for a command that handles `message`.
    pub(super) fn for_message(
        &self,
        workspace_id: WorkspaceId,
        message: &InboundMessage,
    ) -> Variables {
        let mut variables = self.base.clone();
        variables.extend(
            about(workspace_id, message).map(|(name, value)| (name.into(), plain(&value).into())),
        );
        variables
    }
}

/// What a message says about itself. Each of them is always set, so that nothing of an outer agent shines through.
fn about(workspace_id: WorkspaceId, message: &InboundMessage) -> [(&'static str, String); 5] {
    let message_id = message
        .message_id
        .clone()
        .unwrap_or_else(|| message.activity_id.to_string());
    [
        ("MOLECULE_WORKSPACE_ID", workspace_id.to_string()),
        (
            "MOLECULE_CALLER_ID",
            sender_id(&message.sender).unwrap_or_default(),
        ),
        ("MOLECULE_MESSAGE_ID", message_id),
        (
            "MOLECULE_TASK_ID",
            message.task_id.clone().unwrap_or_default(),
        ),
        ("MOLECULE_METHOD", message.method.clone()),
    ]
}

/// A value from outside without anything that would keep the command from starting.
fn plain(value: &str) -> String {
    value
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{PEER, from_canvas, from_peer, me, message};
    use super::*;

    fn secrets() -> BTreeMap<String, Secret> {
        [
            ("API_KEY", "s3cr3t"),
            ("weird key", "x"),
            ("NUL", "a\0b"),
            ("OTHER", "o"),
        ]
        .map(|(key, value)| (key.to_owned(), Secret::from(value.to_owned())))
        .into()
    }

    fn check_refused(key: &str, expect: &str) {
        let error = Environment::new(true, &[key.to_owned()], &secrets())
            .err()
            .unwrap();
        assert!(error.to_string().contains(expect), "{error}");
        assert!(!error.to_string().contains("s3cr3t"));
    }

    fn text(variables: &Variables, name: &str) -> Option<String> {
        let value = variables.get(&OsString::from(name))?;
        Some(value.clone().into_string().unwrap())
    }

    #[test]
    fn a_clean_environment_has_path_the_message_and_the_named_secrets() {
        let environment = Environment::new(true, &["API_KEY".to_owned()], &secrets()).unwrap();
        let variables = environment.for_message(me(), &from_peer("hi"));
        let names: Vec<_> = variables
            .keys()
            .map(|name| name.to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "API_KEY",
                "MOLECULE_CALLER_ID",
                "MOLECULE_MESSAGE_ID",
                "MOLECULE_METHOD",
                "MOLECULE_TASK_ID",
                "MOLECULE_WORKSPACE_ID",
                "PATH"
            ]
        );
        assert_eq!(text(&variables, "API_KEY").unwrap(), "s3cr3t");
        assert_eq!(text(&variables, "MOLECULE_CALLER_ID").unwrap(), PEER);
        assert_eq!(text(&variables, "MOLECULE_TASK_ID").unwrap(), "t-1");
        assert_eq!(environment.redactor().clean("s3cr3t"), "[redacted]");
    }

    #[test]
    fn the_canvas_user_is_an_empty_caller() {
        let environment = Environment::new(false, &[], &secrets()).unwrap();
        let variables = environment.for_message(me(), &from_canvas("hi"));
        assert_eq!(text(&variables, "MOLECULE_CALLER_ID").unwrap(), "");
        assert_eq!(text(&variables, "MOLECULE_METHOD").unwrap(), "message/send");
        assert!(text(&variables, "OTHER").is_none());
    }

    #[test]
    fn a_message_cannot_keep_the_command_from_starting() {
        let environment = Environment::new(true, &[], &secrets()).unwrap();
        let id = format!("a\0b\n{}", "x".repeat(1 << 20));
        let message = message(None, "hi", json!({"messageId": id}));
        let value = text(
            &environment.for_message(me(), &message),
            "MOLECULE_MESSAGE_ID",
        )
        .unwrap();
        assert!(value.starts_with("abxxx"));
        assert_eq!(value.len(), LONGEST);
    }

    #[test]
    fn secrets_that_cannot_be_handed_on_are_named() {
        check_refused(
            "MISSING",
            "--with-secrets: the secret \"MISSING\" is not on the platform",
        );
        check_refused("weird key", "cannot be an environment variable");
        check_refused("LD_PRELOAD", "controls how programs run");
        check_refused("NUL", "contains a zero byte");
    }
}
