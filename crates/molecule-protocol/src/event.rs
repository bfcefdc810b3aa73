//! Events of the platform, and what they mean to the agent that hears them.

use serde::Deserialize;
use serde_json::Value;

use crate::words::words;
use crate::{JsonError, parse_json};

words! {
/// What happened; a word this version does not know is kept as it is.
EventKind {
    /// A row was added to the workspace's activity log: a message, perhaps.
    ActivityLogged = "ACTIVITY_LOGGED",
    /// An agent answered a message.
    A2aResponse = "A2A_RESPONSE",
    /// The agent said something to the canvas user.
    AgentMessage = "AGENT_MESSAGE",
    /// The agent's heartbeat reports other work than before.
    TaskUpdated = "TASK_UPDATED",
    /// The agent describes itself anew.
    AgentCardUpdated = "AGENT_CARD_UPDATED",
    /// A delegation of this workspace was sent.
    DelegationSent = "DELEGATION_SENT",
    /// A delegation of this workspace is further than before.
    DelegationStatus = "DELEGATION_STATUS",
    /// A delegation of this workspace has its result.
    DelegationComplete = "DELEGATION_COMPLETE",
    /// A delegation of this workspace failed.
    DelegationFailed = "DELEGATION_FAILED",
    /// The agent sent a heartbeat.
    WorkspaceHeartbeat = "WORKSPACE_HEARTBEAT",
    /// The workspace is online.
    WorkspaceOnline = "WORKSPACE_ONLINE",
    /// The workspace's heartbeats report many errors.
    WorkspaceDegraded = "WORKSPACE_DEGRADED",
    /// The platform has not heard of the agent for too long.
    WorkspaceOffline = "WORKSPACE_OFFLINE",
    /// The workspace's user paused it.
    WorkspacePaused = "WORKSPACE_PAUSED",
    /// The workspace was deleted.
    WorkspaceRemoved = "WORKSPACE_REMOVED",
    /// The workspace is being started.
    WorkspaceProvisioning = "WORKSPACE_PROVISIONING",
    /// The workspace could not be started.
    WorkspaceProvisionFailed = "WORKSPACE_PROVISION_FAILED",
    /// The workspace waits for its external agent.
    WorkspaceAwaitingAgent = "WORKSPACE_AWAITING_AGENT",
    /// The workspace sleeps until a message comes.
    WorkspaceHibernated = "WORKSPACE_HIBERNATED",
}
}

/// Something that happened at a workspace. Events are hints: one can be missed, and what they are about is to be asked for.
///
/// ```
/// use molecule_protocol::{EventKind, PlatformEvent};
///
/// let text = r#"{"type":"ACTIVITY_LOGGED","timestamp":1795320591306,"data":{"activity_type":"a2a_receive","method":"message/send"}}"#;
/// let event = PlatformEvent::parse(text)?;
/// assert_eq!(event.kind, EventKind::ActivityLogged);
/// assert!(event.may_be_message());
/// # Ok::<(), molecule_protocol::JsonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PlatformEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When, in milliseconds since 1970, by the platform's clock.
    #[serde(default, deserialize_with = "crate::lenient::lenient")]
    pub timestamp: Option<i64>,
    /// More about it, of a shape that depends on the kind.
    #[serde(default)]
    pub data: Value,
}

impl PlatformEvent {
    /// Reads the data of a [`StreamEvent`](crate::StreamEvent).
    ///
    /// # Errors
    /// When it is no JSON object with a type, or would take too much memory.
    pub fn parse(data: &str) -> Result<Self, JsonError> {
        parse_json(data.as_bytes())
    }

    /// Whether the log may have a message for the agent that was not there before: a row was added, and it does not say that it is something
    /// else, such as the agent's own notification.
    #[must_use]
    pub fn may_be_message(&self) -> bool {
        let word = |key: &str| self.data.get(key).and_then(Value::as_str);
        self.kind == EventKind::ActivityLogged
            && word("activity_type").is_none_or(|kind| kind == "a2a_receive")
            && word("method") != Some("notify")
    }

    /// Whether the agent should ask for its workspace's state: it is not what an agent that runs would have it be.
    #[must_use]
    pub const fn may_change_state(&self) -> bool {
        matches!(
            self.kind,
            EventKind::WorkspaceOffline
                | EventKind::WorkspacePaused
                | EventKind::WorkspaceRemoved
                | EventKind::WorkspaceProvisioning
                | EventKind::WorkspaceProvisionFailed
                | EventKind::WorkspaceAwaitingAgent
                | EventKind::WorkspaceHibernated
        )
    }

    /// Whether it is about a delegation of this workspace.
    #[must_use]
    pub const fn is_about_delegation(&self) -> bool {
        matches!(
            self.kind,
            EventKind::DelegationSent
                | EventKind::DelegationStatus
                | EventKind::DelegationComplete
                | EventKind::DelegationFailed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind, and what the event means: `m`essage, `s`tate, `d`elegation.
    fn check(text: &str, kind: &str, means: &str) {
        let event = PlatformEvent::parse(text).unwrap();
        assert_eq!(event.kind.as_str(), kind, "{text}");
        let letters = [
            (event.may_be_message(), 'm'),
            (event.may_change_state(), 's'),
            (event.is_about_delegation(), 'd'),
        ];
        let found: String = letters
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, letter)| letter)
            .collect();
        assert_eq!(found, means, "{text}");
    }

    #[test]
    fn events_say_what_they_mean_to_the_agent() {
        check(r#"{"type":"ACTIVITY_LOGGED"}"#, "ACTIVITY_LOGGED", "m");
        let logged = |data: &str| format!(r#"{{"type":"ACTIVITY_LOGGED","data":{data}}}"#);
        for (data, means) in [
            (
                r#"{"activity_type":"a2a_receive","method":"message/send"}"#,
                "m",
            ),
            (r#"{"activity_type":"a2a_receive","method":"notify"}"#, ""),
            (r#"{"activity_type":"a2a_send"}"#, ""),
            (r#"{"activity_type":null}"#, "m"),
            ("[]", "m"),
            ("null", "m"),
        ] {
            check(&logged(data), "ACTIVITY_LOGGED", means);
        }
        check(
            r#"{"type":"WORKSPACE_PAUSED","data":{}}"#,
            "WORKSPACE_PAUSED",
            "s",
        );
        check(
            r#"{"type":"WORKSPACE_HEARTBEAT","data":{}}"#,
            "WORKSPACE_HEARTBEAT",
            "",
        );
        check(
            r#"{"type":"DELEGATION_COMPLETE","data":{}}"#,
            "DELEGATION_COMPLETE",
            "d",
        );
        check(r#"{"type":"NEWS","data":{},"more":1}"#, "NEWS", "");
    }

    #[test]
    fn a_recorded_event_is_read_whole() {
        let text = r#"{"type":"AGENT_MESSAGE","timestamp":1795320591307,"data":{"message":"yo","name":"st-a"}}"#;
        let event = PlatformEvent::parse(text).unwrap();
        assert_eq!(event.kind, EventKind::AgentMessage);
        assert_eq!(event.timestamp, Some(1_795_320_591_307));
        assert_eq!(event.data["message"], "yo");
    }

    #[test]
    fn an_odd_time_hides_no_event_and_what_has_no_type_is_none() {
        let odd = PlatformEvent::parse(r#"{"type":"TASK_UPDATED","timestamp":"now"}"#).unwrap();
        assert_eq!(odd.timestamp, None);
        for text in ["", "1", "{}", r#"{"type":1}"#, r#"{"data":{}}"#] {
            assert!(PlatformEvent::parse(text).is_err(), "{text}");
        }
    }
}
